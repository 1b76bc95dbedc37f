"""The poller over a scripted Zendesk: every order of accidents ends with one ticket for each event."""

import contextlib
import dataclasses
import threading

import pytest
from hypothesis import given
from hypothesis import settings as how_much
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests import builders
from tests.builders import NOW, ticket_row
from tests.fakes import Clock, FakeZendesk, Killed, MemoryStore, OpenGate
from ticket_relay.create_ticket import submit
from ticket_relay.errors import StaleRow, StoreUnavailable, WriteRefused
from ticket_relay.poll_jobs import poll_run, poller, send_due
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.services import Services
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.storage.rows import TicketState, external_id, update_pk
from ticket_relay.zendesk.errors import NotSent, OutcomeUnknown, Rejected, Throttled


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


def made_services(zendesk, clock):
    clock.time = NOW
    return Services(
        builders.settings(), None, MemoryStore(), OpenGate(), zendesk, None, None, now=clock, sleep=clock.advance
    )


def run(services, seconds=50):
    end = services.now() + seconds
    poller.run(services, lambda: end - services.now(), services.sleep)


CALLS = st.sampled_from(["create_ticket", "create_tickets", "find_tickets", "show_ticket", "job_statuses", "list_jobs"])
ACCIDENTS = st.sampled_from(
    [
        Throttled(429, 5),
        Throttled(503, 5),
        NotSent("zendesk_unreachable", "No connection."),
        OutcomeUnknown("zendesk_timeout", "No answer."),
        Killed(),
    ]
)
LOST = st.sampled_from([OutcomeUnknown("zendesk_timeout", "No answer."), Throttled(503, 5), Killed()])
JOBS = st.sampled_from(
    [
        ("failed", False, None),
        ("failed", True, None),
        ("killed", True, None),
        ("forgotten", True, None),
        ("forgotten", False, None),
        ("completed", False, "DatabaseTimeout"),
        ("queued", True, None),
    ]
)


class AccidentsMachine(RuleBasedStateMachine):
    """Partners send, workers die, pollers run and time passes, while calls fail before or after their effect."""

    @initialize(key_honoured=st.booleans())
    def begin(self, key_honoured):
        self.clock = Clock()
        self.zendesk = FakeZendesk(key_honoured=key_honoured)
        self.services = made_services(self.zendesk, self.clock)

    @rule(event_id=st.sampled_from("abc"))
    def event_comes(self, event_id):
        row = ticket_row(event_id, now=self.clock(), due_at=self.clock() + ticket_states.LEASE, leased_at=self.clock())
        if self.services.store.claim(row) is not None:
            return
        with contextlib.suppress(Killed, StaleRow):
            submit.send(self.services, row, Permit(Deadline.after(5)))

    @rule(call=CALLS, accident=ACCIDENTS)
    def next_call_will_fail(self, call, accident):
        self.zendesk.before.append((call, accident))

    @rule(accident=LOST)
    def next_answer_will_be_lost(self, accident):
        self.zendesk.after += [("create_ticket", accident), ("create_tickets", accident)]

    @rule()
    def backlog_comes(self):
        """Taken while the gate was closed."""
        for number in range(send_due.BACKLOG):
            self.services.store.claim(ticket_row(f"waiting-{number}", now=self.clock(), due_at=self.clock()))

    @rule(writes=st.integers(0, 2 * send_due.BACKLOG))
    def worker_will_die_in_the_middle_of_telling_its_rows(self, writes):
        self.services.store.writes_left = writes

    @rule(job=JOBS)
    def next_job_will_go_wrong(self, job):
        if len(self.zendesk.next_job) < 2:
            self.zendesk.next_job.append(job)

    @rule(seconds=st.sampled_from([1, 20, 60, 200, 3600]))
    def time_passes(self, seconds):
        self.clock.advance(seconds)
        # No queue is longer than a key lives: beyond that, only the look protects.
        if seconds >= 3600:
            self.zendesk.queue_moves_on()

    @rule()
    def poller_runs(self):
        with contextlib.suppress(Killed):
            run(self.services)

    @invariant()
    def no_event_has_two_tickets(self):
        owners = list(self.zendesk.tickets.values())
        assert len(owners) == len(set(owners))

    def teardown(self):
        """The trouble is over: everything comes to its end."""
        self.zendesk.before.clear()
        self.zendesk.after.clear()
        self.zendesk.next_job.clear()
        self.services.store.writes_left = None
        self.zendesk.queue_moves_on()
        for _ in range(30):
            run(self.services)
            self.clock.advance(600)
        for row in self.services.store.rows.values():
            assert row.state == TicketState.CREATED
            assert self.zendesk.tickets[row.ticket_id] == external_id("acme", row.event_id)


AccidentsMachine.TestCase.settings = how_much(max_examples=200, stateful_step_count=25, deadline=None)
TestEveryOrderOfAccidents = AccidentsMachine.TestCase


def test_jobs_are_asked_after_in_hundreds():
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    for number in range(100):
        row = ticket_row(f"evt_{number}", due_at=NOW + 20, sent_at=NOW)
        services.store.claim(row)
        submit.send(services, row, Permit(Deadline.after(5)))
    run(services)
    assert zendesk.calls.count("job_statuses") == 1
    assert {row.state for row in services.store.rows.values()} == {TicketState.CREATED}


def test_what_is_due_in_a_minute_is_left_to_the_next_run():
    services = made_services(FakeZendesk(), Clock())
    services.store.claim(ticket_row(due_at=NOW + 60))
    poller.run(services, lambda: 50, nap=lambda _: pytest.fail("waited"))


def test_without_time_nothing_is_begun():
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    services.store.claim(ticket_row())
    poller.run(services, lambda: poll_run.CALL_TIME, nap=services.sleep)
    assert zendesk.calls == []


def test_an_unexpected_error_is_told_of_by_type_and_fails_the_run(capsys):
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    services.store.claim(ticket_row("bad"))
    services.store.claim(ticket_row("good"))
    zendesk.before.append(("create_ticket", KeyError("canary")))
    with pytest.raises(poller.Unfinished, match="1 rows"):
        run(services)
    assert sorted(row.state for row in services.store.rows.values()) == [TicketState.ACCEPTED, TicketState.CREATED]
    assert services.store.get("ticket#acme#bad").due_at >= NOW + poll_run.DEFERRED_SECONDS
    assert "canary" not in capsys.readouterr().out


def a_backlog(services, number=send_due.BACKLOG):
    for each in range(number):
        services.store.claim(ticket_row(f"evt_{each}", created_at=NOW + each, due_at=NOW))


def states(services):
    return {row.state for row in services.store.rows.values()}


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


def test_rows_that_lack_files_do_not_hide_the_others(monkeypatch):
    monkeypatch.setattr(poll_run, "MOST_TO_SEND", 3)
    services = made_services(FakeZendesk(), Clock())
    for number in range(3):
        services.store.claim(ticket_row(f"evt_{number}", files=1, due_at=NOW - 60))
    services.store.claim(ticket_row("plain", due_at=NOW))
    assert "plain" in [row.event_id for row in poll_run.Run(services, lambda: 50).look()]


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


def test_a_row_that_cannot_be_written_is_deferred_and_reported(monkeypatch):
    zendesk = FakeZendesk()
    services = made_services(zendesk, Clock())
    services.store.claim(ticket_row("bad", now=services.now(), due_at=services.now()))
    services.store.claim(ticket_row("good", now=services.now(), due_at=services.now()))
    move = services.store.move

    def refuses(old, new):
        if old.event_id == "bad":
            raise WriteRefused("DynamoDB answered ValidationException.")
        return move(old, new)

    monkeypatch.setattr(services.store, "move", refuses)
    now = services.now()
    with pytest.raises(poller.Unfinished, match="1 rows"):
        run(services)
    assert services.store.get("ticket#acme#good").state == TicketState.CREATED
    assert services.store.get("ticket#acme#bad").due_at >= now + poll_run.DEFERRED_SECONDS
