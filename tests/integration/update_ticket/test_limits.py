"""Zendesk's limits of updates: 30 of one ticket in ten minutes, 100 of the account in one (Tickets reference)."""

import pytest

from local.zendesk_simulator import Fault
from tests.fixtures import on_moto
from ticket_relay.rate_limits.headers import UPDATES_OF_TICKET, Limit
from ticket_relay.storage.rows import TicketState


def note(number):
    return {"changes": {"comment": {"body": f"Note {number}", "public": False}}}


NOTES = [f"Note {number}" for number in range(1, 41)]


@pytest.fixture
def statuses(zendesk):
    """How many answers of a status the relay got."""
    return lambda status: len(zendesk.account.journal.calls(status=status))


@on_moto
def test_forty_updates_of_one_ticket_that_come_one_by_one_never_meet_a_429(
    webhook, desk, clock, relay, drive, row, statuses
):
    for number in range(1, 41):
        clock.advance(1)
        webhook(f"inv_{number}", **note(number))
    assert desk.comments[1:] == NOTES[:30]
    assert [row(f"inv_{number}").sent_at for number in range(31, 41)] == [None] * 10
    drive(relay)
    assert [row(f"inv_{number}").state for number in range(1, 41)] == ["applied"] * 40
    assert desk.comments[1:] == NOTES
    assert statuses(429) == 0


@on_moto
def test_updates_that_wait_for_one_ticket_go_out_in_order_as_the_limit_allows(
    wait, desk, clock, relay, drive, row, statuses
):
    desk.account.settings.limit_ticket_updates = 5
    wait(*(note(number) for number in range(1, 13)))
    clock.advance(60)
    drive(relay, minutes=30)
    assert [row(f"inv_{number}").state for number in range(1, 13)] == ["applied"] * 12
    assert desk.comments[1:] == NOTES[:12]
    assert statuses(429) == 0


@pytest.fixture
def used_up(desk, webhook, clock):
    """The ticket's last update for ten minutes is done."""
    desk.account.settings.limit_ticket_updates = 1
    assert webhook("first", changes={"subject": "First"}).state == "applied"
    clock.advance(5)


@pytest.mark.usefixtures("used_up")
def test_what_comes_for_a_ticket_without_updates_left_is_only_stored_until_there_are_more(
    webhook, desk, zendesk, row, clock
):
    calls = len(zendesk.account.journal.entries)
    assert webhook(changes={"tags": {"add": ["late"]}}).state == "accepted"
    assert len(zendesk.account.journal.entries) == calls
    assert row().sent_at is None
    assert row().due_at - clock() == pytest.approx(595, abs=2)


@pytest.mark.usefixtures("used_up")
def test_other_tickets_do_not_wait_for_one_without_updates_left(webhook, desk):
    other = desk.new()
    stamp = desk.account.tickets.get(other)["updated_at"]
    assert webhook(ticket_id=str(other), updated_at=stamp, changes={"subject": "Other"}).state == "applied"


@pytest.mark.usefixtures("used_up")
def test_a_row_that_waits_for_the_limit_costs_no_call(webhook, polled, zendesk, row):
    webhook(changes={"tags": {"add": ["late"]}})
    calls = len(zendesk.account.journal.entries)
    for _ in range(3):
        polled()
    assert len(zendesk.account.journal.entries) == calls
    assert row().state == "accepted"


def test_a_429_for_one_ticket_is_remembered_for_it_and_leaves_the_gate_open(webhook, desk, relay, clock, row, drive):
    desk.account.settings.limit_ticket_updates = 1
    desk.account.faults.add(Fault("drop", method="PUT", effect="before"))
    webhook("lost", changes={"subject": "First"})
    clock.advance(5)
    assert webhook("late", changes={"type": "incident"}).state == "accepted"
    assert desk.calls()[-1] == ("PUT", 429)
    assert relay.gate.closed_until(clock()) is None
    assert set(relay.limits.closed_until([desk.id], clock())) == {desk.id}
    drive(relay)
    assert [row(name).state for name in ("lost", "late")] == ["applied"] * 2
    assert [status for _, status in desk.calls()].count(429) == 1


@pytest.fixture
def tickets_of_desk(desk):
    return [desk.new(subject=f"Fire {number}") for number in range(12)]


@pytest.fixture
def each(webhook, desk, tickets_of_desk, clock):
    """A webhook for each ticket; the states."""

    def send(**body):
        states = []
        for number, ticket_id in enumerate(tickets_of_desk):
            clock.advance(0.5)
            given = {"changes": {"priority": "high", "subject": f"Raised {number}"}} | body
            stamp = desk.account.tickets.get(ticket_id)["updated_at"]
            states.append(webhook(f"inv_{number}", ticket_id=str(ticket_id), updated_at=stamp, **given).state)
        return states

    return send


@on_moto
def test_updates_beyond_the_accounts_limit_wait_and_all_are_applied_without_a_429(
    each, desk, relay, drive, statuses, tickets_of_desk
):
    desk.account.settings.limit_update = 5
    assert each() == ["applied"] * 5 + ["accepted"] * 7
    drive(relay)
    assert {desk.account.tickets.get(ticket_id)["priority"] for ticket_id in tickets_of_desk} == {"high"}
    assert statuses(429) == 0


def test_creates_do_not_wait_for_the_limit_of_updates(each, desk, relay, deliver, polled, tickets, clock):
    desk.account.settings.limit_update = 5
    each()
    assert relay.gate.closed_until(clock()) is None
    assert deliver(relay).state == TicketState.SUBMITTED
    polled()
    assert len(tickets()) == 1
    assert [entry.status for entry in desk.account.journal.calls("POST", "/api/v2/tickets")] == [202]


@on_moto
def test_a_429_for_the_account_holds_up_updates_alone(each, webhook, desk, relay, deliver, clock, drive, statuses):
    desk.account.settings.limit_update = 0
    assert each() == ["accepted"] * 12
    assert statuses(429) == 1
    assert relay.gate.closed_until(clock()) is None
    assert deliver(relay).state == TicketState.SUBMITTED
    desk.account.settings.limit_update = 100
    drive(relay)
    assert statuses(429) == 1


def test_a_batch_leaves_out_the_ticket_that_has_no_updates_left(each, desk, relay, clock, polled, webhook, row, wire):
    relay.gate.close(clock() + 30)
    each()
    webhook("limited", changes={"subject": "Limited"})
    relay.limits.heed([desk.id], [Limit(UPDATES_OF_TICKET, 0, 600)], clock())
    polled()
    assert row("limited").state == "accepted"
    assert row("limited").due_at > clock() + 400
    assert [put.path_url for put in wire.puts] == ["/api/v2/tickets/update_many"]
