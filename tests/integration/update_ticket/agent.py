"""An agent at the simulated Zendesk, and the relay's line to it."""

import json
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from local.zendesk_simulator.audits import comments_of
from tests.builders import CANARY
from tests.fakes import Clock

COMMENT = {"body": f"Raised. {CANARY}", "public": False}
RAISE = {"priority": "high", "comment": COMMENT}
TAGS = {"tags": {"add": ["ours"], "remove": ["triage"]}}


def _call(request: requests.PreparedRequest) -> str:
    return "audits" if "/audits" in request.path_url else str(request.method)


class Wire(HTTPAdapter):
    """The relay's line to Zendesk: what it sends is kept, and others can come in between."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self.puts: list[requests.PreparedRequest] = []
        self.before: Callable[[requests.PreparedRequest], None] = lambda _: None
        self.meanwhile: dict[str, list[Callable[[], object]]] = {}
        """By kind of call about a ticket: what happens, each once, while the answer is on its way back."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        self.before(request)
        if request.method == "PUT":
            self.puts.append(request)
        response = super().send(request, *args, **options)
        # aiohttp dates its answers by the real clock, Zendesk by the one that it stamps tickets with.
        response.headers["Date"] = formatdate(self._clock(), usegmt=True)
        if "/tickets/" in request.path_url and self.meanwhile.get(_call(request)):
            self.meanwhile[_call(request)].pop(0)()
        return response

    def arrives_again(self, number: int) -> requests.Response:
        """A PUT that the network had kept for itself reaches Zendesk."""
        return super().send(self.puts[number], timeout=5)

    def sent(self) -> list[dict[str, Any]]:
        return [json.loads(request.body or b"")["ticket"] for request in self.puts]


class Agent:
    """An agent at the simulated Zendesk, with one ticket."""

    def __init__(self, account: Any, clock: Clock) -> None:
        self.account = account
        self.clock = clock
        self.agent = account.users.add("Agent", "agent@example.com", "agent")
        self.id = self.new()

    def new(self, **changes: Any) -> int:
        given = {"subject": "Fire", "comment": {"body": "It burns"}, "tags": ["triage", "vip_customer"]}
        with self.account.lock:
            ticket, _ = self.account.tickets.create(given | changes, self.agent)
        return ticket["id"]

    @property
    def ticket(self) -> dict[str, Any]:
        return self.account.tickets.get(self.id)

    @property
    def comments(self) -> list[str]:
        return [comment["body"] for comment in comments_of(self.account.tickets.audits(self.id))]

    def edit(self, **changes: Any) -> None:
        with self.account.lock:
            self.account.tickets.update(self.id, changes, self.agent)

    def tag(self, *tags: str) -> None:
        self.edit(additional_tags=list(tags))

    def calls(self) -> list[tuple[str, int | None]]:
        """What was asked of Zendesk about tickets, in order: method (audits by their name) and status."""
        return [
            ("audits" if entry.path.endswith("/audits") else entry.method, entry.status)
            for entry in self.account.journal.calls(path="/api/v2/tickets*")
        ]
