"""Sends an event as its partner does: signed by the partner's scheme, with a secret of the partner's."""

import time
from dataclasses import dataclass, field
from typing import Any

import click
import requests

from cli.where import Where, on_loopback
from local import ready
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.secrets_manager import Secrets
from ticket_relay.storage.rows import TicketRow, TicketState
from ticket_relay.webhooks.signatures import sign

LOCAL = "http://127.0.0.1:8080"
_SECRETS = "PartnerSecrets"
"""The logical id in template.yaml."""
_TIMEOUT = (5, 30)
_PAUSE = 1.0
_NO_TICKET = {TicketState.UNMAPPED, TicketState.FAILED}


@dataclass(frozen=True, slots=True)
class Target:
    """The relay that is sent to: its address, the stack in AWS if it is one, and a secret of the partner if the user
    gave one.
    """

    url: str
    where: Where | None = None
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the relay answered: the HTTP status, and the JSON body."""

    status: int
    body: dict[str, Any]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The `state` and `id` of each event of the delivery."""
        return self.body.get("events") or [self.body]

    @property
    def settled(self) -> bool:
        """Whether another delivery would be told nothing new."""
        if self.status == requests.codes.too_many_requests or self.status >= 500:
            return False
        return all(event.get("state") not in TicketRow.working for event in self.events)

    @property
    def good(self) -> bool:
        """Whether the relay took it, and no event has failed."""
        return self.status < 300 and all(event.get("state") not in _NO_TICKET for event in self.events)


def url_of(where: Where) -> str:
    """The address of a deployed relay. Raises ClickException where there is no such stack."""
    return where.output("ApiUrl")


def secret_of(partner: str, target: Target) -> str:
    """A secret of the partner: the user's own, of a deployed stack, or made up by the stack on this machine that has
    this address.

    Raises ClickException if there is none to be found.
    """
    if target.secret is not None:
        return target.secret
    url = target.url
    if target.where is not None:
        arn = target.where.resource(_SECRETS)
        known = Secrets(target.where.client("secretsmanager")).signing(arn, partner)
        if not known:
            raise click.ClickException(f"The stack has no secret of {partner}.")
        return known[0]
    stack = ready.read(url) if on_loopback(url) else None
    if stack is None:
        raise click.ClickException(
            f"No local stack runs at {url} (start one with `make local`). For another relay, give a secret of the "
            "partner with --secret-file or RELAY_SECRET, or name the stack with --stack."
        )
    if partner not in stack["partners"]:
        raise click.ClickException(f"The local stack does not know {partner}: start it with the same definitions.")
    return str(stack["partners"][partner]["secret"])


def delivered(url: str, definition: PartnerDefinition, body: bytes, secret: str, id: str) -> Answer:
    """One delivery. To repeat it with the same id and body is safe: that is what a sender does.

    Raises SignatureRefused for a secret that is none of the scheme, ClickException if nobody answers as the relay does.
    """
    headers = sign(definition.signature, id=id, timestamp=time.time(), body=body, secret=secret)
    try:
        response = requests.post(
            f"{url.rstrip('/')}/webhooks/{definition.partner}",
            data=body,
            headers={"content-type": "application/json"} | headers,
            timeout=_TIMEOUT,
            allow_redirects=False,
        )
        told = response.json()
    except requests.exceptions.JSONDecodeError:
        raise click.ClickException(f"HTTP {response.status_code}, without JSON: that is not the relay.") from None
    except requests.RequestException as error:
        raise click.ClickException(f"There is no answer from {url} ({type(error).__name__}).") from None
    if not isinstance(told, dict):
        raise click.ClickException(f"HTTP {response.status_code}, and no object: that is not the relay.")
    return Answer(response.status_code, told)


def delivered_until_settled(
    url: str, definition: PartnerDefinition, body: bytes, secret: str, id: str, *, seconds: float
) -> Answer:
    """Deliver it, and again each second until the answer is the last, for so many seconds. Raises as `delivered`."""
    end = time.monotonic() + seconds
    answer = delivered(url, definition, body, secret, id)
    while not answer.settled and time.monotonic() < end:
        time.sleep(_PAUSE)
        answer = delivered(url, definition, body, secret, id)
    return answer
