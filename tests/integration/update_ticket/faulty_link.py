"""The way to the simulated Zendesk, without sockets: how long it takes and what goes wrong on it, chance decides."""

import random
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import requests
from requests.adapters import BaseAdapter

from local.zendesk_simulator import Account, Fault, api
from local.zendesk_simulator.wire import Answer, Call, endpoint
from tests.fakes import Killed, answered
from tests.integration.update_ticket.turns import Turns

type Trouble = Fault | Literal["late", "dies before", "dies after"]

WAIT = {"Retry-After": "2"}
TROUBLES: list[Trouble] = [
    Fault("drop"),
    Fault("drop", effect="before"),
    Fault("status", status=500),
    Fault("status", status=500, effect="before"),
    Fault("status", status=503),
    Fault("status", status=503, effect="before"),
    Fault("status", status=503, headers=WAIT),
    Fault("status", status=503, headers=WAIT, effect="before"),
    Fault("status", status=429, headers=WAIT),
    Fault("status", status=409),
    Fault("malformed"),
    Fault("malformed", status=200, effect="never"),
    Fault("html", effect="before"),
    "late",
    "late",
    "dies before",
    "dies after",
]
"""`late`: nothing is heard until the read time-out, and the request arrives so many seconds after it was sent: LATE.
A worker dies before its request has arrived, or after.
"""
LATE = [0, 0.4, 2, 10, 40]


class FaultyLink(BaseAdapter):
    """Each call about a ticket is in trouble with a probability of `rate`, until so many `troubles` are over."""

    def __init__(self, account: Account, turns: Turns, chance: random.Random, *, troubles: int, rate: float) -> None:
        super().__init__()
        self._account = account
        self._turns = turns
        self._chance = chance
        self._troubles = troubles
        self._rate = rate

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        trouble = self._trouble(request)
        if trouble == "late":
            self._turns.begin(lambda: self._arrives(request), after=self._chance.choice(LATE))
            self._turns.sleep(options["timeout"].read_timeout)
            raise requests.ReadTimeout
        self._travels()
        answer = self._answer(trouble, lambda: self._arrives(request))
        self._travels()
        if answer is None:
            raise requests.ConnectionError("Cut.")
        date = formatdate(self._account.clock.now(), usegmt=True)
        return answered(answer.status, answer.body, {"Date": date, **answer.headers})

    def close(self) -> None:
        pass

    def _travels(self) -> None:
        self._turns.sleep(self._chance.choice([0.01, 0.05, 0.1, 0.2]) * (1 + self._chance.random()))

    def _trouble(self, request: requests.PreparedRequest) -> Trouble | None:
        if "/tickets/" not in request.path_url or not self._troubles or self._chance.random() >= self._rate:
            return None
        self._troubles -= 1
        return self._chance.choice(TROUBLES)

    def _answer(self, trouble: Trouble | None, arrives: Callable[[], Answer]) -> Answer | None:
        if isinstance(trouble, Fault):
            return trouble.disguise(arrives() if trouble.moment == "before" else None)
        if trouble == "dies before":
            raise Killed
        answer = arrives()
        if trouble == "dies after":
            raise Killed
        return answer

    def _arrives(self, request: requests.PreparedRequest) -> Answer:
        url = urlsplit(request.path_url)
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.body if isinstance(request.body, bytes) else (request.body or "").encode()
        call = Call(request.method or "", endpoint(url.path), dict(parse_qsl(url.query)), headers, body)
        answer = api.answer(self._account, call)
        self._account.journal.note(call, answer.status, self._account.clock.now())
        return answer
