"""The poller over a scripted Zendesk: every order of accidents ends with one ticket for each event."""

import contextlib

import pytest
from hypothesis import settings as how_much
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.builders import NOW, ticket_row
from tests.fakes import Clock, FakeZendesk, Killed
from tests.unit.poll_jobs.scripted import made_services, run
from ticket_relay.create_ticket import submit
from ticket_relay.errors import StaleRow, WriteRefused
from ticket_relay.poll_jobs import poll_run, poller, send_due
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import TicketState, external_id
from ticket_relay.zendesk.errors import NotSent, OutcomeUnknown, Throttled


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


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


def test_rows_that_lack_files_do_not_hide_the_others(monkeypatch):
    monkeypatch.setattr(poll_run, "MOST_TO_SEND", 3)
    services = made_services(FakeZendesk(), Clock())
    for number in range(3):
        services.store.claim(ticket_row(f"evt_{number}", files=1, due_at=NOW - 60))
    services.store.claim(ticket_row("plain", due_at=NOW))
    assert "plain" in [row.event_id for row in poll_run.Run(services, lambda: 50).look()]


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
