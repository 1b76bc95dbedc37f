"""One Zendesk webhook becomes one safe update, whatever comes in between."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import body_of, signed
from tests.fakes import reached_through
from tests.integration.update_ticket import many_tickets
from tests.integration.update_ticket.agent import Agent, Wire
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import UpdateRule
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.storage.rows import UpdateRow, update_pk
from ticket_relay.update_ticket.webhook import Receipt, receive, resume

updaters, all_wait, next_job = many_tickets.updaters, many_tickets.all_wait, many_tickets.next_job


@pytest.fixture
def wire(clock) -> Wire:
    return Wire(clock)


@pytest.fixture
def other_services(other_services, wire):
    def make():
        services = other_services()
        reached_through(services, wire)
        return services

    return make


@pytest.fixture
def agent(zendesk, clock) -> Agent:
    return Agent(zendesk.account, clock)


@pytest.fixture
def webhook(services, agent) -> Callable[..., Receipt]:
    """Zendesk tells the relay of the ticket as it is now."""

    def send(invocation: str = "inv_1", *, by=services, at: float | None = None, **body: Any) -> Receipt:
        given = {"ticket_id": str(agent.id), "actor_id": str(agent.agent.id)}
        if "updated_at" not in body:
            given["updated_at"] = agent.ticket["updated_at"]
        content = body_of({name: value for name, value in (given | body).items() if value is not ...})
        headers = signed(content, sender="zendesk", id=invocation, at=agent.clock() if at is None else at)
        # Real seconds: a slow machine must not decide how far one delivery gets.
        return receive(by, headers, content, Deadline.after(20))

    return send


@pytest.fixture
def row(services, agent) -> Callable[..., UpdateRow]:
    def read(invocation: str = "inv_1", ticket_id: int | None = None) -> UpdateRow:
        found = services.store.get(update_pk(ticket_id or agent.id, invocation))
        assert isinstance(found, UpdateRow)
        return found

    return read


@pytest.fixture
def wait(services, webhook, clock) -> Callable[..., None]:
    """Webhooks that come, one each second, while the gate is closed: inv_1, inv_2, and so on."""

    def come(*bodies: dict[str, Any]) -> None:
        services.gate.close(clock() + len(bodies) + 10)
        for number, body in enumerate(bodies, start=1):
            clock.advance(1)
            assert webhook(f"inv_{number}", **body).state == "accepted"

    return come


@pytest.fixture
def go_on(services, row, clock) -> Callable[..., UpdateRow]:
    """The poller comes to the row as soon as it is due."""

    def again(by=services) -> UpdateRow:
        found = row()
        clock.advance(max(0.0, found.due_at - clock()))
        resume(by, [found], Deadline.after(8))
        return row()

    return again


@pytest.fixture
def polled(services, run_poller, clock) -> Callable[[], None]:
    """A minute later, the poller runs."""

    def run() -> None:
        clock.advance(60)
        run_poller(services)

    return run


@pytest.fixture
def stored(dynamo) -> Callable[[], set[str]]:
    """The keys of what is in the table, but for what any call to Zendesk leaves there."""

    def scan() -> set[str]:
        items = dynamo.scan(TableName="relay")["Items"]
        return {item["pk"]["S"] for item in items} - {"token", "identity", "gate"}

    return scan


@pytest.fixture
def rule(monkeypatch) -> Callable[..., str]:
    """Defines the one rule there is, and gives its name."""

    def define(changes: dict[str, Any], when: str | None = None, **policies: str) -> str:
        sample = {"event": "e.json", "ticket": "t.json"}
        made = UpdateRule(rule="the-rule", sample=sample, when=when, changes=changes, **policies)
        monkeypatch.setattr(loader, "rules", lambda: {"the-rule": made})
        return "the-rule"

    return define
