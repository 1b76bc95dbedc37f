"""The simulated account without sockets, with its clock held still."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import pytest

from local.zendesk_simulator import Account, api
from local.zendesk_simulator.wire import Answer, Call, endpoint

NOW = 1_795_000_000.0


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Client:
    """Calls the account as the relay's OAuth client, or as the user that `authorization` names."""

    account: Account
    authorization: str | None = None

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Reply:
        path, _, query = path.partition("?")
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = {
            "content-type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        if self.authorization:
            sent.setdefault("authorization", self.authorization)
        parameters = dict(part.split("=", 1) for part in query.split("&") if part)
        prefix = "" if path.startswith("/") else "/api/v2/"
        return reply(api.answer(self.account, Call(method, endpoint(prefix + path), parameters, sent, raw)))

    def get(self, path: str, **headers: str) -> Reply:
        return self.send("GET", path, **headers)

    def post(self, path: str, body: object, **headers: str) -> Reply:
        return self.send("POST", path, body, **headers)

    def put(self, path: str, body: object, **headers: str) -> Reply:
        return self.send("PUT", path, body, **headers)

    def delete(self, path: str, body: object = None, **headers: str) -> Reply:
        return self.send("DELETE", path, body, **headers)

    def agent(self, email: str) -> "Client":
        """The same account as seen by an agent with an API token."""
        return Client(self.account, "Basic " + base64.b64encode(f"{email}/token:any".encode()).decode())

    def ticket(self, **changes: Any) -> Any:
        """A ticket that exists."""
        created = self.post("tickets", {"ticket": {"subject": "Broken", "comment": {"body": "It broke."}, **changes}})
        assert created.status == 201, created.text
        return created.json()["ticket"]

    def token(self, **asked: Any) -> Reply:
        known = {"client_id": self.account.client_id, "client_secret": self.account.client_secret}
        body = {"grant_type": "client_credentials", "scope": "read write", **known, **asked}
        return self.post("/oauth/tokens", body)

    def later(self, seconds: float) -> None:
        self.account.clock.advance(seconds)
        self.account.settle()


def reply(answer: Answer) -> Reply:
    return Reply(answer.status, answer.headers, answer.body.decode())


@pytest.fixture
def account() -> Account:
    return Account("secret", source=lambda: NOW)


@pytest.fixture
def zendesk(account: Account) -> Client:
    """The relay's client, with a token for two days."""
    client = Client(account)
    client.authorization = f"Bearer {client.token(expires_in=172799).json()['access_token']}"
    return client
