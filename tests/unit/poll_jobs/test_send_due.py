"""A backlog over a scripted Zendesk: what goes together, how much at a time, and what is left out."""

import contextlib
import dataclasses
import threading

import pytest
from hypothesis import given
from hypothesis import settings as how_much
from hypothesis import strategies as st

from tests.builders import NOW, ticket_row
from tests.fakes import Clock, FakeZendesk, OpenGate
from tests.unit.poll_jobs.scripted import a_backlog, made_services, run, states
from ticket_relay.create_ticket import submit
from ticket_relay.errors import StoreUnavailable
from ticket_relay.poll_jobs import poll_run, poller, send_due
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.storage.rows import TicketState, update_pk
from ticket_relay.zendesk.errors import OutcomeUnknown, Rejected, Throttled


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


def test_a_backlog_is_sent_in_one_job():
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services, 100)
    run(services)
    assert zendesk.calls == ["create_tickets", "job_statuses"]
    assert states(services) == {TicketState.CREATED}
    assert {zendesk.tickets[row.ticket_id] for row in services.store.rows.values()} == {
        row.external_id for row in services.store.rows.values()
    }


def test_a_few_are_sent_one_by_one():
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services, send_due.BACKLOG - 1)
    run(services)
    assert zendesk.calls.count("create_ticket") == send_due.BACKLOG - 1
    assert "create_tickets" not in zendesk.calls


def test_after_a_backlog_was_refused_each_is_sent_alone_without_a_look():
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services)
    zendesk.before.append(("create_tickets", Rejected(422, "RecordInvalid", "One of them.")))
    run(services)
    assert zendesk.calls.count("create_ticket") == send_due.BACKLOG
    assert "find_tickets" not in zendesk.calls
    assert states(services) == {TicketState.CREATED}


def test_a_backlog_whose_answer_was_lost_is_looked_for_one_by_one():
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services)
    zendesk.after.append(("create_tickets", OutcomeUnknown("zendesk_timeout", "No answer.")))
    run(services)
    services.sleep(60)  # Longer than the pause before the look, whatever its jitter.
    run(services)
    assert zendesk.calls.count("find_tickets") == send_due.BACKLOG
    assert "create_ticket" not in zendesk.calls
    assert states(services) == {TicketState.CREATED}


def test_a_backlog_that_met_a_429_goes_together_again():
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services)
    zendesk.before.append(("create_tickets", Throttled(429, 5)))
    run(services)
    assert zendesk.calls == ["create_tickets: Throttled", "create_tickets", "job_statuses"]


def test_the_batches_of_a_backlog_are_sent_at_the_same_time(monkeypatch):
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services, 100 * send_due.REQUESTS_AT_ONCE)
    all_under_way, create_tickets = threading.Barrier(send_due.REQUESTS_AT_ONCE, timeout=10), zendesk.create_tickets

    def waits_for_the_others(requests, permit):
        all_under_way.wait()
        return create_tickets(requests, permit)

    monkeypatch.setattr(zendesk, "create_tickets", waits_for_the_others)
    run(services)
    assert zendesk.calls.count("create_tickets") == send_due.REQUESTS_AT_ONCE
    assert states(services) == {TicketState.CREATED}
    assert len(zendesk.tickets) == 100 * send_due.REQUESTS_AT_ONCE


def test_a_turn_begins_no_more_batches_than_go_at_the_same_time(monkeypatch):
    """The time that is left is looked at once, for all of them."""
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services, 300)
    row = next(iter(services.store.rows.values()))
    monkeypatch.setattr(submit, "MOST_BYTES", 20 * len(row.request))
    this = poll_run.Run(services, lambda: 50)
    assert send_due.Sender(this).send_due(this.look())
    assert zendesk.calls == ["create_tickets"] * send_due.REQUESTS_AT_ONCE
    run(services)
    assert states(services) == {TicketState.CREATED}


@pytest.mark.parametrize("room", [0, 1, 2])
def test_no_more_batches_are_begun_than_there_is_room_for(monkeypatch, room):
    monkeypatch.setattr(send_due, "MOST_BATCHES", room)
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services, 300)
    this = poll_run.Run(services, lambda: 50)
    assert send_due.Sender(this).send_due(this.look()) == (room > 0)
    assert zendesk.calls == ["create_tickets"] * room
    assert len(this.batches) == room


class LimitedGate(OpenGate):
    """Open, but for the endpoints of creates and updates: one of their limits is used up."""

    @contextlib.contextmanager
    def permit(self, by, *_endpoints, **_options):
        yield Permit(by, closed_until=NOW + 30)


def a_backlog_of_updates(services):
    for ticket_id in range(send_due.BACKLOG):
        pk = update_pk(ticket_id, "inv_1")
        services.store.claim(update_states.claimed(pk, ticket_id, "inv_1", b"{}", NOW, closed_until=NOW))


@pytest.mark.parametrize("come", [a_backlog, a_backlog_of_updates])
def test_what_waits_for_an_endpoints_limit_is_not_looked_at_again_at_once(come):
    zendesk = FakeZendesk()
    services = dataclasses.replace(made_services(zendesk, Clock()), gate=LimitedGate())
    come(services)
    before = dict(services.store.rows)
    naps = []

    def nap(seconds):
        naps.append(seconds)
        services.sleep(seconds)

    end = NOW + 20
    poller.run(services, lambda: end - services.now(), nap)
    assert set(naps) == {poller.LONGEST_NAP}
    assert services.store.rows == before
    assert zendesk.calls == []


@pytest.mark.parametrize(
    ("answer", "calls"), [(NOW + 30, []), (StoreUnavailable("The table is slow."), ["create_tickets"])]
)
def test_while_its_rows_were_held_others_may_have_been_told_to_wait(monkeypatch, answer, calls):
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services)

    def closed_until(*_endpoints):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(services.gate, "closed_until", closed_until)
    rows = list(services.store.rows.values())
    submit.send_together(services, rows, Deadline.after(5), lambda *_: pytest.fail("left out"))
    assert zendesk.calls == calls
    if not calls:
        kept = services.store.rows.values()
        assert {(row.state, row.due_at, row.in_doubt) for row in kept} == {(TicketState.ACCEPTED, NOW + 30, False)}


def test_a_bug_in_one_batch_does_not_stop_those_beside_it(monkeypatch):
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services, 200)
    create_tickets, first = zendesk.create_tickets, threading.Lock()

    def breaks_once(requests, permit):
        if first.acquire(blocking=False):
            raise RuntimeError("a bug")
        return create_tickets(requests, permit)

    monkeypatch.setattr(zendesk, "create_tickets", breaks_once)
    with pytest.raises(poller.Unfinished, match="100 rows"):
        run(services)
    assert len(zendesk.tickets) == 100


def test_whoever_was_moved_meanwhile_is_left_out_of_the_job():
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    a_backlog(services)
    rows = list(services.store.rows.values())
    services.store.move(rows[3], ticket_states.held(rows[3], NOW))
    left_out = []
    assert submit.send_together(services, rows, Deadline.after(5), lambda row, _: left_out.append(row))
    assert left_out == [rows[3]]
    assert len(zendesk.tickets) == send_due.BACKLOG - 1
    assert services.store.get(rows[3].pk).state == TicketState.ACCEPTED
    assert [services.store.get(row.pk).job_index for row in rows[4:]] == list(range(3, send_due.BACKLOG - 1))


class Sized(bytes):
    """As long as it says."""

    def __new__(cls, size):
        one = super().__new__(cls, b"x")
        one.size = size
        return one

    def __len__(self):
        return self.size


@how_much(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(1, submit.MOST_BYTES * 2) | st.integers(1, 9), max_size=250))
def test_parcels_keep_order_and_bounds(sizes):
    rows = [
        ticket_row(f"evt_{number}").model_copy(update={"request": Sized(size)}) for number, size in enumerate(sizes)
    ]
    batches = list(submit.batches(rows))
    assert [row for batch in batches for row in batch] == rows
    for batch in batches:
        assert len(batch) <= 100
        assert len(batch) == 1 or sum(len(row.request) for row in batch) <= submit.MOST_BYTES
