"""A partner whose events are about things: they are fired, noted and resolved; and what Zendesk holds of each."""

from collections.abc import Callable
from typing import Any

import pytest

from local.zendesk_simulator import Server
from local.zendesk_simulator.audits import comments_of
from tests.builders import CANARY
from tests.fakes import Clock
from ticket_relay.create_ticket.webhook import Receipt
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.services import Services
from ticket_relay.storage.correlations import Correlation, Correlations
from ticket_relay.storage.rows import correlation_pk

TICKET = {
    "subject": "${event.thing}",
    "requester": {"name": "Monitoring", "email": "monitoring@acme.example.com"},
    "comment": {"body": "${event.text}"},
}
FIRED: dict[str, Any] = {"when": "event.kind == 'fired'", "do": "create", "ticket": TICKET}
NOTED: dict[str, Any] = {
    "when": "event.kind == 'noted'",
    "do": "update",
    "changes": {"comment": {"body": "${event.text}", "public": False}},
}
RESOLVED: dict[str, Any] = {
    "when": "event.kind == 'resolved'",
    "do": "solve",
    "changes": {"comment": {"body": "${event.text}", "public": False}},
}
NOISE: dict[str, Any] = {"when": "event.kind == 'noise'", "do": "ignore"}


def definition(*cases: dict[str, Any], **parts: Any) -> PartnerDefinition:
    return PartnerDefinition.model_validate(
        {
            "partner": "acme",
            "scheme": "standard-webhooks",
            "sample": "events/acme.json",
            "correlate": "${event.thing}",
            "events": cases or (FIRED, NOTED, RESOLVED, NOISE),
        }
        | parts
    )


class Things:
    """The tickets that events made, by their subject: the thing that they are about."""

    def __init__(self, zendesk: Server) -> None:
        self.account = zendesk.account

    def tickets(self, thing: str = "disk") -> list[dict[str, Any]]:
        return [ticket for ticket in self.account.tickets.all() if ticket["subject"] == thing]

    def only(self, thing: str = "disk") -> dict[str, Any]:
        (ticket,) = self.tickets(thing)
        return ticket

    def comments(self, thing: str = "disk") -> list[str]:
        """Of all its tickets, those that follow others last."""
        return [
            comment["body"]
            for ticket in sorted(self.tickets(thing), key=lambda ticket: ticket["id"])
            for comment in comments_of(self.account.tickets.audits(ticket["id"]))
        ]

    def set(self, ticket_id: int, **changes: Any) -> None:
        """An agent, who is not the relay, changes a ticket."""
        with self.account.lock:
            agent = self.account.users.named("agent@example.com") or self.account.users.add(
                "Agent", "agent@example.com", "agent"
            )
            self.account.tickets.update(ticket_id, changes, agent)


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def define(*cases: dict[str, Any], **parts: Any) -> None:
        made = definition(*cases, **parts)
        monkeypatch.setattr(loader, "partners", lambda: {"acme": made})

    define()
    return define


@pytest.fixture
def things(zendesk: Server) -> Things:
    return Things(zendesk)


@pytest.fixture
def send(services: Services, deliver: Callable[..., Receipt], define: object) -> Callable[..., Receipt]:
    """An event about a thing; its text is its id, unless one is given."""

    def send(
        kind: str, event_id: str, *, thing: str = "disk", by: Services = services, text: str | None = None
    ) -> Receipt:
        return deliver(by, event_id, {"kind": kind, "thing": thing, "text": text or event_id, "secret": CANARY})

    return send


@pytest.fixture
def correlation(services: Services) -> Callable[..., Correlation]:
    return lambda thing="disk": Correlations(services.table).get(correlation_pk("acme", thing))


@pytest.fixture
def minutes(
    services: Services, run_poller: Callable[[Services], None], clock: Clock, zendesk: Server
) -> Callable[..., None]:
    """Minutes pass, with a run of the poller in each."""

    def pass_by(count: int = 3) -> None:
        for _ in range(count):
            run_poller(services)
            clock.advance(10)
            zendesk.account.settle()

    return pass_by
