"""Zendesk's limits of updates: 30 of one ticket in ten minutes, 100 of the account in one (Tickets reference)."""

import pytest

from local.zendesk_simulator import Fault
from ticket_relay.storage.rows import TicketState


def note(number):
    return {"changes": {"comment": {"body": f"Note {number}", "public": False}}}


NOTES = [f"Note {number}" for number in range(1, 41)]


@pytest.fixture
def statuses(zendesk):
    """How many answers of a status the relay got."""
    return lambda status: len(zendesk.account.journal.calls(status=status))


def test_forty_updates_of_one_ticket_that_come_one_by_one_never_meet_a_429(
    webhook, agent, clock, services, drive, row, statuses
):
    for number in range(1, 41):
        clock.advance(1)
        webhook(f"inv_{number}", **note(number))
    assert agent.comments[1:] == NOTES[:30]
    assert [row(f"inv_{number}").sent_at for number in range(31, 41)] == [None] * 10
    drive(services)
    assert [row(f"inv_{number}").state for number in range(1, 41)] == ["applied"] * 40
    assert agent.comments[1:] == NOTES
    assert statuses(429) == 0


def test_updates_that_wait_for_one_ticket_go_out_in_order_as_the_limit_allows(
    wait, agent, clock, services, drive, row, statuses
):
    agent.account.settings.limit_ticket_updates = 5
    wait(*(note(number) for number in range(1, 13)))
    clock.advance(60)
    drive(services, minutes=30)
    assert [row(f"inv_{number}").state for number in range(1, 13)] == ["applied"] * 12
    assert agent.comments[1:] == NOTES[:12]
    assert statuses(429) == 0


@pytest.fixture
def used_up(agent, webhook, clock):
    """The ticket's last update for ten minutes is done."""
    agent.account.settings.limit_ticket_updates = 1
    assert webhook("first", changes={"subject": "First"}).state == "applied"
    clock.advance(5)


@pytest.mark.usefixtures("used_up")
def test_what_comes_for_a_ticket_without_updates_left_is_only_stored_until_there_are_more(
    webhook, agent, zendesk, row, clock
):
    calls = len(zendesk.account.journal.entries)
    assert webhook(changes={"tags": {"add": ["late"]}}).state == "accepted"
    assert len(zendesk.account.journal.entries) == calls
    assert row().sent_at is None
    assert row().due_at - clock() == pytest.approx(595, abs=2)


@pytest.mark.usefixtures("used_up")
def test_other_tickets_do_not_wait_for_one_without_updates_left(webhook, agent):
    other = agent.new()
    stamp = agent.account.tickets.get(other)["updated_at"]
    assert webhook(ticket_id=str(other), updated_at=stamp, changes={"subject": "Other"}).state == "applied"


@pytest.mark.usefixtures("used_up")
def test_a_row_that_waits_for_the_limit_costs_no_call(webhook, polled, zendesk, row):
    webhook(changes={"tags": {"add": ["late"]}})
    calls = len(zendesk.account.journal.entries)
    for _ in range(3):
        polled()
    assert len(zendesk.account.journal.entries) == calls
    assert row().state == "accepted"


def test_a_429_for_one_ticket_is_remembered_and_leaves_the_gate_open(webhook, agent, services, clock, row, drive):
    agent.account.settings.limit_ticket_updates = 1
    agent.account.faults.add(Fault("drop", method="PUT", effect="before"))
    webhook("lost", changes={"subject": "First"})
    clock.advance(5)
    assert webhook("late", changes={"type": "incident"}).state == "accepted"
    assert agent.calls()[-1] == ("PUT", 429)
    assert services.gate.closed_until() is None
    assert set(services.update_limits.closed_until([agent.id], clock())) == {agent.id}
    drive(services)
    assert [row(name).state for name in ("lost", "late")] == ["applied"] * 2
    assert [status for _, status in agent.calls()].count(429) == 1


@pytest.fixture
def tickets_of_desk(agent):
    return [agent.new(subject=f"Fire {number}") for number in range(12)]


@pytest.fixture
def each(webhook, agent, tickets_of_desk, clock):
    """A webhook for each ticket; the states."""

    def send(**body):
        states = []
        for number, ticket_id in enumerate(tickets_of_desk):
            clock.advance(0.5)
            given = {"changes": {"priority": "high", "subject": f"Raised {number}"}} | body
            stamp = agent.account.tickets.get(ticket_id)["updated_at"]
            states.append(webhook(f"inv_{number}", ticket_id=str(ticket_id), updated_at=stamp, **given).state)
        return states

    return send


def test_updates_beyond_the_accounts_limit_wait_and_all_are_applied_without_a_429(
    each, agent, services, drive, statuses, tickets_of_desk
):
    agent.account.settings.limit_update = 5
    # From half of the limit on they wait, to go together.
    assert each() == ["applied"] * 3 + ["accepted"] * 9
    drive(services)
    assert {agent.account.tickets.get(ticket_id)["priority"] for ticket_id in tickets_of_desk} == {"high"}
    assert statuses(429) == 0


def test_creates_do_not_wait_for_the_limit_of_updates(each, agent, services, deliver, polled, tickets, clock):
    agent.account.settings.limit_update = 5
    each()
    assert services.gate.closed_until() is None
    assert deliver(services).state == TicketState.SUBMITTED
    polled()
    assert len(tickets()) == 1
    assert [entry.status for entry in agent.account.journal.calls("POST", "/api/v2/tickets")] == [202]


def test_a_429_for_the_account_holds_up_updates_alone(each, webhook, agent, services, deliver, clock, drive, statuses):
    agent.account.settings.limit_update = 0
    assert each() == ["accepted"] * 12
    assert statuses(429) == 1
    assert services.gate.closed_until() is None
    assert deliver(services).state == TicketState.SUBMITTED
    agent.account.settings.limit_update = 100
    drive(services)
    assert statuses(429) == 1


def test_a_batch_leaves_out_a_ticket_without_updates_left(each, agent, services, clock, polled, webhook, row, wire):
    services.gate.close(clock() + 30)
    each()
    webhook("limited", changes={"subject": "Limited"})
    services.update_limits.close(agent.id, clock() + 600)
    polled()
    assert row("limited").state == "accepted"
    assert row("limited").due_at > clock() + 400
    assert [put.path_url for put in wire.puts] == ["/api/v2/tickets/update_many"]
