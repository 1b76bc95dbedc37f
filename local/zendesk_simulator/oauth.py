"""Authentication: OAuth tokens by client credentials, and Basic with an API token as legacy."""

import base64
import binascii
import secrets
from dataclasses import dataclass
from urllib.parse import parse_qsl

from .refusals import forbidden, invalid_token, missing_scope, unauthenticated
from .settings import Settings
from .users import User, Users
from .wire import Call, Json, Refusal, whole


@dataclass(frozen=True)
class Token:
    user: User
    scopes: frozenset[str] | None
    """None: the scope was sent as an array, which yields a token that may do nothing (OAuth guide)."""
    expires_at: float | None


@dataclass(frozen=True)
class Caller:
    user: User
    scopes: frozenset[str] | None = frozenset({"read", "write"})

    def require(self, right: str, resource: str | None) -> None:
        """Raises Refusal 403 unless a scope grants `right` (`read`, `write`) in general or for the resource."""
        if self.scopes is None:
            raise forbidden()
        if not self.scopes & {right, f"{resource}:{right}"}:
            raise missing_scope(right)


class OAuth:
    def __init__(self, client_id: str, client_secret: str, owner: User, settings: Settings) -> None:
        self._client = (client_id, client_secret)
        self._owner = owner
        self._settings = settings
        self._tokens: dict[str, Token] = {}

    def issue(self, call: Call, now: float) -> Json:
        """`POST /oauth/tokens`, as JSON or as a form.

        The token acts as the user who made the client ("API tokens to OAuth"). Raises Refusal; the `error` names are
        RFC 6749's, the sentences are assumptions.
        """
        form = "x-www-form-urlencoded" in call.headers.get("content-type", "")
        asked: Json = dict(parse_qsl(call.body.decode(errors="replace"))) if form else call.json()
        if asked.get("grant_type") != "client_credentials":
            raise _oauth_error(400, "unsupported_grant_type", "The grant type is not supported.")
        if (asked.get("client_id"), asked.get("client_secret")) != self._client:
            raise _oauth_error(401, "invalid_client", "Client authentication failed.")
        scope = asked.get("scope")
        if not scope or not isinstance(scope, str | list):
            # Assumption: documented as a required parameter; the answer without it is not.
            raise _oauth_error(400, "invalid_scope", "The requested scope is missing.")
        if isinstance(scope, str) and self._settings.allowed_scopes is not None:
            scope = " ".join(word for word in scope.split() if word in self._settings.allowed_scopes.split())
        seconds = self._life(asked.get("expires_in"))
        text = secrets.token_hex(32)
        scopes = frozenset(scope.split()) if isinstance(scope, str) else None
        self._tokens[text] = Token(self._owner, scopes, None if seconds is None else now + seconds)
        return {
            "access_token": text,
            "token_type": "bearer",
            "scope": scope if isinstance(scope, str) else " ".join(map(str, scope)),
            "expires_in": seconds,
        }

    def _life(self, asked: object) -> int | None:
        """OpenAPI file: "must be more than 300 and less than 172800 seconds"."""
        if asked is None:
            return self._settings.token_seconds
        seconds = whole(asked)
        if seconds is None or not 300 < seconds < 172800:
            raise _oauth_error(400, "invalid_request", "expires_in must be more than 300 and less than 172800 seconds.")
        return seconds

    def revoke_all(self) -> None:
        """Every token issued so far is answered 401 from now on."""
        self._tokens.clear()

    def caller(self, call: Call, users: Users, now: float) -> Caller:
        """Raises Refusal 401."""
        kind, _, credentials = call.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            token = self._tokens.get(credentials.strip())
            if token is None or (token.expires_at is not None and token.expires_at <= now):
                raise invalid_token()
            return Caller(token.user, token.scopes)
        if kind.lower() == "basic":
            return Caller(_basic(credentials, users))
        raise unauthenticated()


def _basic(credentials: str, users: Users) -> User:
    """`{email}/token:{api_token}`. Assumption: every API token is valid here; the address names the acting agent."""
    try:
        name, _, token = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise unauthenticated() from error
    email = name.removesuffix("/token")
    # Without `/token` it would be a password: removed in January 2026.
    if email == name or "@" not in email or not token:
        raise unauthenticated()
    user = users.agent(email)
    if not user.is_agent:
        raise forbidden()
    return user


def _oauth_error(status: int, error: str, description: str) -> Refusal:
    return Refusal(status, {"error": error, "error_description": description})
