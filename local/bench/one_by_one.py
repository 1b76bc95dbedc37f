"""The peer of a burst: a client that makes its tickets one by one, and waits for as long as it is told to.

It calls the simulator itself, without a network, on a clock that only its own calls and waits turn: what would take
minutes is exact, and over at once.
"""

import json
from dataclasses import dataclass

from local.bench.conditions import Conditions
from local.zendesk_simulator import Account, api
from local.zendesk_simulator.wire import Answer, Call, Json

_START = 1_800_000_000.0


@dataclass(frozen=True, slots=True)
class OneByOne:
    """Seconds, calls, and those of them that were refused."""

    seconds: float
    calls: int
    refused: int


def measured(tickets: int, conditions: Conditions) -> OneByOne:
    """Make so many tickets under the conditions."""
    now = _START
    account = Account("secret", source=lambda: now)
    conditions.put_on(account)
    asked = {"grant_type": "client_credentials", "client_id": account.client_id, "client_secret": "secret"}
    token = json.loads(_post(account, "/oauth/tokens", asked | {"scope": "write"}).body)["access_token"]
    calls = refused = made = 0
    while made < tickets:
        ticket = {"subject": "Checkout fails", "comment": {"body": "It answers 502."}, "external_id": f"one:{made}"}
        answer = _post(account, "/api/v2/tickets", {"ticket": ticket}, token)
        now += conditions.call_seconds
        calls += 1
        if answer.status == 429:
            refused += 1
            now += float(answer.headers["Retry-After"])
        else:
            made += 1
    return OneByOne(now - _START, calls, refused)


def _post(account: Account, path: str, body: Json, token: str = "") -> Answer:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    return api.answer(account, Call("POST", path, headers=headers, body=json.dumps(body).encode()))
