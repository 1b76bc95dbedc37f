"""How the relay proves itself to Zendesk: OAuth client credentials, or the API token that Zendesk ends on 2027-04-30.

An OAuth token is shared by all functions through the table, renewed early, and by one worker at a time. Source:
"Creating and using OAuth tokens with the API": `POST /oauth/tokens`, `expires_in` between 300 and 172800 seconds,
`scope` a string.
"""

import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

from ticket_relay.errors import SecretsUnavailable
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.storage.dynamodb import ConditionFailed, Table
from ticket_relay.zendesk.errors import NotSent, OutcomeUnknown, Rejected
from ticket_relay.zendesk.transport import Transport

PK = "token"
LIFE = 2 * 3600
REFUSALS_APART = 10.0
"""Seconds between two tokens that are fetched because the last one was refused: Zendesk may be refusing every one."""
EARLY = 0.8
"""The share of a token's life after which it is renewed while it is still good."""
RENEWAL_TIME = 6.0
"""Seconds one worker has to fetch a token before another may try."""
SCOPE = "read tickets:write"
"""Job statuses have no scope of their own: reading them takes the broad `read`."""
SCOPE_WITH_FILES = "read write"
"""Nor have uploads: making them may take the broad `write` (not published)."""
PAUSE = 0.1

type Secret = Callable[[], dict[str, Any]]
"""Reads the credentials from the secret store. Raises SecretsUnavailable."""


@dataclass(frozen=True, slots=True)
class Token:
    value: str
    renew_at: float
    valid_until: float
    refused_at: float | None = None
    """When the token before it was refused, if that was why it was fetched."""


class Credentials:
    """The `Auth` of a process. Which way in is used, the secret's shape says; it is read anew when it is needed.

    `{"client_id": …, "client_secret": …}`   OAuth client credentials
    `{"email": …, "api_token": …}`           Basic authentication with `{email}/token:{api_token}`: legacy
    """

    def __init__(
        self,
        secret: Secret,
        table: Table,
        transport: Transport,
        now: Callable[[], float] = time.time,
        *,
        scope: str = SCOPE,
    ) -> None:
        self._secret = secret
        self._table = table
        self._transport = transport
        self._now = now
        self._scope = scope
        self._remembered: Token | None = None
        self._refused = ""
        self._one_asks = Lock()

    def header(self, permit: Permit) -> str:
        """Raises NotSent where no token can be had in time, Throttled where Zendesk asked callers to wait."""
        # Of several threads one fetches the token, and the others find it here.
        with self._one_asks:
            if self._remembered and self._good(self._remembered, early=True):
                return f"Bearer {self._remembered.value}"
            return self._asked(permit)

    def _asked(self, permit: Permit) -> str:
        try:
            secret = self._secret()
        except SecretsUnavailable as error:
            raise NotSent(error.code, error.sentence) from None
        match secret:
            case {"client_id": str(client_id), "client_secret": str(client_secret)}:
                client = {"client_id": client_id, "client_secret": client_secret}
                return f"Bearer {self._token(client, permit).value}"
            case {"email": str(email), "api_token": str(api_token)}:
                return "Basic " + base64.b64encode(f"{email}/token:{api_token}".encode()).decode()
            case _:
                raise NotSent("zendesk_secret_malformed", "The secret holds neither an OAuth client nor an API token.")

    def renewable(self, refused: str) -> bool:
        kind, _, self._refused = refused.partition(" ")
        return kind == "Bearer"

    def _token(self, client: dict[str, str], permit: Permit) -> Token:
        # Another worker may be renewing it: wait for its token, but not for long. The row is safe; the poller comes.
        wait = Deadline.after(min(1.5, permit.left / 2))
        while True:
            stored = self._stored()
            if stored and self._good(stored, early=True):
                return self._remember(stored)
            if stored and stored.value == self._refused and self._now() - (stored.refused_at or 0) < REFUSALS_APART:
                raise NotSent("zendesk_unauthorized", "Zendesk does not accept the token that it has just given.")
            if mine := self._take_renewal(stored):
                return self._remember(self._renewed(client, mine, permit))
            if stored and self._good(stored, early=False):
                return self._remember(stored)
            if wait.left < PAUSE:
                raise NotSent("token_pending", "Another worker is fetching the token.")
            time.sleep(PAUSE)

    def _good(self, token: Token, *, early: bool) -> bool:
        if token.value == self._refused:
            return False
        return self._now() < (token.renew_at if early else token.valid_until)

    def _remember(self, token: Token) -> Token:
        self._remembered = token
        return token

    def _stored(self) -> Token | None:
        item = self._table.get(PK)
        if not item or "access_token" not in item:
            return None
        return Token(item["access_token"], item["renew_at"], item["valid_until"], item.get("refused_at"))

    def _take_renewal(self, stored: Token | None) -> float | None:
        """The end of this worker's turn, which is also its mark.

        None while it is another's turn, or if another had it since the token was read.
        """
        now = self._now()
        unchanged = "access_token = :stored" if stored else "attribute_not_exists(access_token)"
        try:
            self._table.update(
                PK,
                "SET renewing_until = :until",
                only_if=f"{unchanged} AND (attribute_not_exists(renewing_until) OR renewing_until < :now)",
                given={":until": now + RENEWAL_TIME, ":now": now} | ({":stored": stored.value} if stored else {}),
            )
        except ConditionFailed:
            return None
        return now + RENEWAL_TIME

    def _renewed(self, client: dict[str, str], mine: float, permit: Permit) -> Token:
        grant = {"grant_type": "client_credentials", **client, "scope": self._scope, "expires_in": LIFE}
        try:
            answer = self._transport.call(
                "POST", "/oauth/tokens", auth=None, permit=permit, body=json.dumps(grant).encode()
            )
        except Rejected:
            raise NotSent("zendesk_unauthorized", "Zendesk does not accept the OAuth client.") from None
        except OutcomeUnknown as error:
            # A token too many does no harm: for the ticket, nothing has happened.
            raise NotSent(error.code, "Zendesk's token endpoint did not answer as it should.") from None
        match answer.body:
            case {"access_token": str(value), "expires_in": int(life)}:
                pass
            case {"access_token": str(value)}:
                life = LIFE
            case _:
                raise NotSent("zendesk_unauthorized", "Zendesk's token endpoint gave no token.")
        now = self._now()
        token = Token(value, now + life * EARLY, now + life, now if self._refused else None)
        with suppress(ConditionFailed):  # It took so long that another worker took over; both tokens are good.
            self._table.update(
                PK,
                "SET access_token = :value, renew_at = :renew, valid_until = :until, refused_at = :refused "
                "REMOVE renewing_until",
                only_if="renewing_until = :mine",
                given={
                    ":value": value,
                    ":renew": token.renew_at,
                    ":until": token.valid_until,
                    ":refused": token.refused_at or 0,
                    ":mine": mine,
                },
            )
        return token
