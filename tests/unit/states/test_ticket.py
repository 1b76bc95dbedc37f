"""How a ticket request moves: examples, and a machine that tries every order of outcomes."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.builders import NOW, ticket_row
from ticket_relay.errors import MappingFailed
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import waiting
from ticket_relay.states.ticket import (
    GIVE_UP_AFTER,
    KEY_LIFE,
    LEASE,
    LONGEST_ATTEMPT_PAUSE,
    MAX_FAILURES,
    RESULT_WAIT,
    YOUNG_JOB,
)
from ticket_relay.storage.events import Kept
from ticket_relay.storage.rows import DAY, TicketState
from ticket_relay.zendesk.client import Submission
from ticket_relay.zendesk.errors import Conflict, NotSent, OutcomeUnknown, Rejected, Throttled
from ticket_relay.zendesk.jobs import Job, read_job

FORGOTTEN_AFTER = 120.0
CERTAIN = [Throttled(429, 30), NotSent("zendesk_unreachable", "No connection.")]
DOUBTFUL = [OutcomeUnknown("zendesk_500", "Zendesk answered 500."), Throttled(503, 30)]
FINAL = [Rejected(422, "RecordInvalid", "Requester is suspended"), Conflict(409, "UpdateConflict", "Changed")]

errors = st.sampled_from(CERTAIN + DOUBTFUL + FINAL)
results = st.one_of(
    st.none(),
    st.just({"success": True}),
    st.just([]),
    st.just([{"index": 1, "id": 4}]),
    st.just([{"index": 0, "id": 5, "account_id": 1}]),
    st.just([{"index": 0, "success": True}]),
    st.just([{"index": 0, "error": "TicketCreateFailed", "details": "Description: cannot be blank"}]),
    st.just([{"index": 0, "error": "DatabaseTimeout", "details": ""}]),
    st.just([{"index": 0, "success": False}]),
)
jobs = st.one_of(
    st.none(),
    st.builds(
        lambda status, results, total: read_job(
            {"id": "V3-1", "status": status, "message": None, "total": total, "results": results}
        ),
        st.sampled_from(["queued", "working", "completed", "failed", "killed", "paused"]),
        results,
        st.sampled_from([None, 1, 2]),
    ),
)


def submitted_row(**changes):
    given = {"state": TicketState.SUBMITTED, "job_id": "V3-1", "ticket_id": 5, "submitted_at": NOW, "sent_at": NOW}
    return ticket_row(due_at=NOW + 2, **(given | changes))


def job(status, results=None, message=""):
    body = {"id": "V3-1", "status": status, "message": message, "total": 1, "results": results}
    read = read_job(body)
    assert isinstance(read, Job)
    return read


class TicketMachine(RuleBasedStateMachine):
    """Workers, as `submit` and `poll` are, do with one row whatever the row's state lets them do; anything may come of
    it. `may_exist` is the truth that the row cannot know: a request of this attempt may have had its effect.
    """

    @initialize(closed=st.booleans())
    def claim(self, closed):
        self.now = NOW
        self.row = ticket_states.claimed("acme", "evt", b"{}", self.now, closed_until=NOW + 30 if closed else None)
        self.may_exist = False
        self.first_use = {}
        if not closed:
            self.use_key()

    def use_key(self):
        """A request goes out under the row's key."""
        key = self.row.idempotency_key
        assert self.now - self.first_use.setdefault(key, self.now) <= KEY_LIFE, "Zendesk has forgotten this key"

    def move(self, new, *, attempts=0):
        old, self.row = self.row, new
        assert new.version == old.version + 1
        assert new.attempt == old.attempt + attempts
        assert new.created_at == old.created_at
        if new.state == TicketState.SUBMITTED:
            assert new.job_id
        if new.state == TicketState.CREATED:
            assert new.ticket_id
        if new.state == TicketState.FAILED:
            assert new.error_code
            assert new.error_sentence

    @precondition(lambda self: self.row.state not in self.row.working)
    @rule(closed=st.booleans())
    def another_event_comes(self, closed):
        self.claim(closed)

    @precondition(lambda self: self.row.state in self.row.working)
    @rule(seconds=st.sampled_from([0.0, 1.0, LEASE, 60.0, FORGOTTEN_AFTER, 3600.0, KEY_LIFE, DAY]))
    def time_passes(self, seconds):
        self.now = max(self.now + seconds, self.row.due_at)

    def accepted(self):
        return self.row.state == TicketState.ACCEPTED and self.row.due_at <= self.now

    def hold(self):
        """What every worker does first."""
        before = self.row.after_lease()
        expired = before.sent_at is not None and self.now - before.sent_at > KEY_LIFE
        self.move(ticket_states.held(before, self.now), attempts=int(expired))
        assert self.row.due_at == self.now + LEASE
        assert self.row.after_lease().in_doubt
        assert self.row.in_doubt == before.in_doubt

    @precondition(accepted)
    @rule(until=st.floats(1, 3600))
    def gate_is_closed(self, until):
        before = self.row.after_lease()
        self.move(waiting.deferred(before, self.now, self.now + until))
        assert (self.row.sent_at, self.row.leased_at) == (before.sent_at, None)

    @precondition(accepted)
    @rule(sent=st.booleans())
    def worker_dies(self, sent):
        self.hold()
        if sent:
            self.use_key()
            self.may_exist = True

    @precondition(accepted)
    @rule(error=errors)
    def sending_fails(self, error):
        self.hold()
        sent_before = self.row.sent_at
        self.use_key()
        in_doubt = error in DOUBTFUL
        self.may_exist = self.may_exist or in_doubt
        if not in_doubt and sent_before is None:
            del self.first_use[self.row.idempotency_key]
        self.move(ticket_states.on_create_error(self.row, error, self.now, doubtful_pause=15))
        if error in FINAL:
            assert self.row.state == TicketState.FAILED
        elif self.row.state == TicketState.ACCEPTED:
            assert self.row.due_at > self.now
            assert self.row.leased_at is None
            assert self.row.sent_at is not None or (not in_doubt and sent_before is None)

    @precondition(accepted)
    @rule(submission=st.sampled_from([Submission("V3-1", 5), Submission("V3-1", None), Submission(None, 5)]))
    def sending_succeeds(self, submission):
        self.hold()
        self.use_key()
        self.may_exist = True
        self.move(ticket_states.submitted(self.row, submission, self.now))

    @precondition(lambda self: self.accepted() and self.row.after_lease().in_doubt)
    @rule()
    def look_finds_it(self):
        self.hold()
        self.move(ticket_states.created(self.row, 5, self.now))

    @precondition(lambda self: self.accepted() and self.row.after_lease().in_doubt)
    @rule(error=errors.filter(lambda error: error not in FINAL))
    def look_fails(self, error):
        self.hold()
        sent_before = self.row.sent_at
        self.move(ticket_states.on_create_error(self.row, error, self.now, doubtful_pause=15, sent=False))
        assert self.row.sent_at == sent_before

    def submitted(self):
        return self.row.state == TicketState.SUBMITTED and self.row.due_at <= self.now

    @precondition(submitted)
    @rule(error=errors)
    def asking_fails(self, error):
        self.move(waiting.unanswered(self.row, error, self.now))
        assert self.row.state in {TicketState.SUBMITTED, TicketState.FAILED}

    @precondition(submitted)
    @rule(job=jobs, found=st.booleans())
    def job_is_seen(self, job, found):
        if not ticket_states.needs_look_up(self.row, job, self.now):
            self.move(ticket_states.polled(self.row, job, self.now))
            assert self.row.state != TicketState.ACCEPTED, "a new attempt without a look"
        elif found:
            self.move(ticket_states.created(self.row, 5, self.now))
        else:
            new = ticket_states.not_found(self.row, job, self.now, forgotten_after=FORGOTTEN_AFTER)
            self.move(new, attempts=int(new.state == TicketState.ACCEPTED))

    @invariant()
    def a_row_is_due_exactly_while_it_is_not_over(self):
        assert (self.row.due_at is None) == (self.row.state in {TicketState.CREATED, TicketState.FAILED})

    @invariant()
    def what_may_exist_is_looked_for_before_anything_is_sent(self):
        if self.may_exist and self.row.state == TicketState.ACCEPTED:
            assert self.row.after_lease().in_doubt

    @invariant()
    def failures_are_bounded(self):
        assert self.row.failures < MAX_FAILURES

    @invariant()
    def nobody_rests_for_much_longer_than_an_hour(self):
        if self.row.state in self.row.working:
            assert self.row.due_at - self.now <= LONGEST_ATTEMPT_PAUSE + 5


TicketMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestEveryOrderOfOutcomes = TicketMachine.TestCase


def test_a_claim_is_held_by_its_worker_and_in_doubt_should_it_die():
    row = ticket_states.claimed("acme", "evt", b"{}", NOW, closed_until=None)
    assert (row.due_at, row.leased_at, row.in_doubt) == (NOW + LEASE, NOW, False)
    assert (row.after_lease().sent_at, row.after_lease().in_doubt) == (NOW, True)


def test_what_must_be_looked_at_first_goes_alone():
    follow_up = b'{"ticket":{"comment":{"body":"Again"},"via_followup_source_id":7}}'
    quoting = b'{"ticket":{"comment":{"body":"\\"via_followup_source_id\\""}}}'
    assert ticket_states.may_go_together(ticket_row(), NOW)
    assert ticket_states.may_go_together(ticket_row(request=quoting), NOW)
    assert not ticket_states.may_go_together(ticket_row(request=follow_up), NOW)
    assert not ticket_states.may_go_together(ticket_row(sent_at=NOW), NOW)


def test_a_claim_at_a_closed_gate_waits_and_is_not_doubtful():
    row = ticket_states.claimed("acme", "evt", b"{}", NOW, closed_until=NOW + 30)
    assert (row.due_at, row.in_doubt) == (NOW + 30, False)


def test_an_unmapped_event_is_kept_whole_for_a_year_with_its_reason():
    row = ticket_states.unmapped(
        "acme", "evt", Kept(event=b'{"a": 1}'), MappingFailed("mapping_failed", "ticket: no."), NOW
    )
    assert (row.state, row.event, row.error_code, row.error_sentence, row.due_at, row.expires_at) == (
        *(TicketState.UNMAPPED, b'{"a": 1}', "mapping_failed", "ticket: no.", None),
        NOW + 365 * DAY,
    )


@pytest.mark.parametrize("error", CERTAIN)
def test_a_certain_refusal_leaves_an_earlier_doubt(error):
    row = ticket_states.held(ticket_row(sent_at=NOW - 60), NOW)
    assert ticket_states.on_create_error(row, error, NOW, doubtful_pause=15).sent_at == NOW - 60


@pytest.mark.parametrize("error", DOUBTFUL)
def test_an_unknown_outcome_makes_doubtful(error):
    row = ticket_states.held(ticket_row(), NOW)
    assert ticket_states.on_create_error(row, error, NOW, doubtful_pause=15).sent_at == NOW


def test_a_throttled_row_waits_as_long_as_it_was_told():
    row = ticket_states.held(ticket_row(retries=9), NOW)
    new = ticket_states.on_create_error(row, Throttled(429, 93), NOW, doubtful_pause=15)
    assert NOW + 93 <= new.due_at <= NOW + 95


def test_pauses_grow_to_ten_minutes_and_no_further():
    error = NotSent("zendesk_unreachable", "No connection.")
    pauses = [
        ticket_states.on_create_error(ticket_row(retries=retries), error, NOW, doubtful_pause=15).due_at - NOW
        for retries in (0, 1, 5, 50, 5000)
    ]
    assert [int(pause) for pause in pauses[:3]] == [
        pytest.approx(2, abs=1),
        pytest.approx(4, abs=1),
        pytest.approx(64, abs=1),
    ]
    assert all(600 <= pause <= 601 for pause in pauses[3:])


def test_a_row_is_given_up_after_three_days_with_the_last_reason():
    row = ticket_row(now=NOW)
    error = NotSent("zendesk_unreachable", "No connection.")
    new = ticket_states.on_create_error(row, error, NOW + GIVE_UP_AFTER + 1, doubtful_pause=15)
    assert (new.state, new.error_code) == (TicketState.FAILED, "zendesk_unreachable")
    assert new.error_sentence == "Given up after three days. The last reason: No connection."


def test_a_job_without_success_that_names_no_ticket_is_looked_behind():
    assert ticket_states.needs_look_up(submitted_row(), job("killed"), NOW + 3)
    assert ticket_states.needs_look_up(submitted_row(), job("failed", [{"index": 0, "error": "X"}]), NOW + 3)
    assert not ticket_states.needs_look_up(submitted_row(), job("working"), NOW + 3)


def test_a_young_job_may_be_unknown():
    assert not ticket_states.needs_look_up(submitted_row(), None, NOW + YOUNG_JOB - 1)
    assert ticket_states.needs_look_up(submitted_row(), None, NOW + YOUNG_JOB + 1)


def test_a_completed_job_with_our_row_means_the_announced_ticket():
    row = ticket_states.polled(submitted_row(ticket_id=5), job("completed", [{"index": 0, "success": True}]), NOW)
    assert (row.state, row.ticket_id) == (TicketState.CREATED, 5)


def test_somebody_elses_row_is_not_ours():
    assert ticket_states.needs_look_up(submitted_row(job_index=1), job("completed", [{"index": 0, "id": 9}]), NOW)


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (None, "job_forgotten"),
        (job("failed"), "job_failed"),
        (job("killed"), "job_killed"),
        (job("completed"), "job_without_result"),
        (job("completed", [{"index": 0, "error": "DatabaseTimeout"}]), "DatabaseTimeout"),
        (job("failed", [{"index": 0, "success": False}]), "failed"),
    ],
)
def test_a_job_that_came_to_nothing_is_a_new_attempt_under_a_new_key(seen, code):
    old = submitted_row()
    late = NOW + max(FORGOTTEN_AFTER, RESULT_WAIT) + 1
    new = ticket_states.not_found(old, seen, late, forgotten_after=FORGOTTEN_AFTER)
    assert (new.state, new.attempt, new.failures, new.job_id) == (TicketState.ACCEPTED, 2, 1, None)
    assert new.error_code == code
    assert new.error_sentence is not None
    assert new.idempotency_key != old.idempotency_key
    assert new.in_doubt


def test_the_tickets_own_fault_is_final_and_says_why():
    seen = job("failed", [{"index": 0, "error": "TicketCreateFailed", "details": "Description: cannot be blank"}])
    new = ticket_states.not_found(submitted_row(), seen, NOW, forgotten_after=FORGOTTEN_AFTER)
    assert (new.state, new.error_code, new.error_sentence) == (
        TicketState.FAILED,
        "TicketCreateFailed",
        "Description: cannot be blank",
    )


@pytest.mark.parametrize(("seen", "wait"), [(None, FORGOTTEN_AFTER), (job("completed"), RESULT_WAIT)])
def test_a_missing_ticket_is_waited_for_before_a_new_attempt(seen, wait):
    new = ticket_states.not_found(submitted_row(), seen, NOW + wait - 1, forgotten_after=FORGOTTEN_AFTER)
    assert (new.state, new.attempt) == (TicketState.SUBMITTED, 1)


def test_the_fifth_job_that_comes_to_nothing_is_the_last():
    row = submitted_row(failures=MAX_FAILURES - 1)
    new = ticket_states.not_found(row, job("killed", message="Killed at noon"), NOW, forgotten_after=FORGOTTEN_AFTER)
    assert (new.state, new.error_code) == (TicketState.FAILED, "job_killed")
    assert "Killed at noon" in new.error_sentence


def test_a_job_is_asked_after_at_growing_intervals():
    row, pauses = submitted_row(), []
    for _ in range(6):
        moved = waiting.still_waiting(row, row.due_at)
        pauses.append(moved.due_at - row.due_at)
        row = moved
    assert pauses == [5, 10, 20, 60, 60, 60]


def test_a_throttled_question_waits_as_long_as_it_was_told():
    assert waiting.unanswered(submitted_row(), Throttled(429, 90), NOW).due_at >= NOW + 90
