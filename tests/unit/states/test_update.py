from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW
from ticket_relay.states import update as update_states
from ticket_relay.states import waiting
from ticket_relay.states.backoff import POLL_PAUSES
from ticket_relay.storage.rows import DAY, UpdateRow, UpdateState, Work, update_pk
from ticket_relay.zendesk.errors import Conflict, NotSent, OutcomeUnknown, Rejected, Throttled, ZendeskError
from ticket_relay.zendesk.jobs import Job, read_job

CONFLICT = Conflict(409, "UpdateConflict", "Safe Update prevented the update due to outdated ticket data.")
BROKEN = OutcomeUnknown("zendesk_timeout", "Zendesk did not answer in time.")
UNREACHED = NotSent("zendesk_unreachable", "Zendesk could not be connected to.")
CLOSED = Rejected(422, "RecordInvalid", "Status: closed prevents ticket update")


def claimed(closed_until: float | None = None) -> UpdateRow:
    return update_states.claimed(update_pk(7, "inv_1"), 7, "inv_1", b"{}", NOW, closed_until=closed_until)


def on_update_error(
    error: ZendeskError, row: UpdateRow | None = None, *, conflicts: int = 0, sent_before: float | None = None
) -> UpdateRow:
    row = row or claimed()
    row = row.model_copy(update={"sent_at": sent_before})
    return update_states.on_update_error(row, error, row.updated_at, conflicts=conflicts)


def test_a_claimed_update_is_held_and_doubtful_should_its_worker_die():
    row = claimed()
    assert (row.state, row.due_at, row.leased_at) == (UpdateState.ACCEPTED, NOW + update_states.LEASE, NOW)
    assert row.after_lease().sent_at == NOW


def test_an_update_claimed_before_a_closed_gate_waits_for_it_and_was_never_sent():
    row = claimed(closed_until=NOW + 60)
    assert (row.due_at, row.sent_at) == (NOW + 60, None)


def test_a_lease_does_not_forget_when_the_first_request_set_out():
    again = update_states.held(claimed().after_lease(), NOW + 30)
    assert (again.sent_at, again.due_at) == (NOW, NOW + 30 + update_states.LEASE)


def test_what_is_postponed_comes_after_the_gate_opens_and_stays_as_doubtful_as_it_was():
    row = waiting.deferred(claimed().after_lease(), NOW, NOW + 60)
    assert row.due_at is not None
    assert NOW + 60 <= row.due_at <= NOW + 62
    assert row.sent_at == NOW


@pytest.mark.parametrize(
    "end",
    [
        update_states.applied,
        update_states.skipped,
        lambda row, now: update_states.failed(row, "ticket_not_found", "Zendesk has no such ticket.", now),
    ],
    ids=["applied", "skipped", "failed"],
)
def test_an_ended_update_is_never_due_again(end: Callable[[UpdateRow, float], UpdateRow]):
    assert end(claimed(), NOW).due_at is None


@pytest.mark.parametrize("end", [update_states.applied, update_states.skipped])
def test_a_good_end_does_not_keep_an_old_error(end: Callable[[UpdateRow, float], UpdateRow]):
    row = end(on_update_error(BROKEN), NOW)
    assert (row.error_code, row.error_sentence) == (None, None)


@pytest.mark.parametrize("error", [CONFLICT, UNREACHED, Throttled(429, 7)])
def test_a_certain_refusal_leaves_no_doubt(error: ZendeskError):
    assert on_update_error(error).sent_at is None


@pytest.mark.parametrize("error", [CONFLICT, UNREACHED, Throttled(429, 7)])
def test_a_certain_refusal_does_not_lift_an_older_doubt(error: ZendeskError):
    assert on_update_error(error, sent_before=NOW - 60).sent_at == NOW - 60


@pytest.mark.parametrize("error", [BROKEN, Throttled(503, 7)])
def test_without_an_answer_the_update_stays_doubtful(error: ZendeskError):
    assert on_update_error(error).sent_at == NOW


def test_a_throttled_update_is_due_when_zendesk_said():
    due_at = on_update_error(Throttled(429, 90)).due_at
    assert due_at is not None
    assert NOW + 90 <= due_at <= NOW + 92


def test_the_final_no_of_zendesk_ends_the_update_with_its_reason():
    row = on_update_error(CLOSED)
    assert (row.state, row.error_code, row.error_sentence) == (
        UpdateState.FAILED,
        "RecordInvalid",
        "Status: closed prevents ticket update",
    )


def test_a_conflict_is_no_final_no():
    row = on_update_error(CONFLICT, conflicts=3)
    assert (row.state, row.conflicts, row.error_code) == (UpdateState.ACCEPTED, 3, "UpdateConflict")


def test_too_many_conflicts_end_the_update_and_say_so():
    row = on_update_error(CONFLICT, conflicts=update_states.MAX_CONFLICTS + 1)
    assert (row.state, row.error_code) == (UpdateState.FAILED, "UpdateConflict")
    assert row.error_sentence == "Given up: the ticket was changed concurrently 31 times."


def test_after_a_day_an_unanswered_update_is_given_up_with_the_last_reason():
    row = update_states.on_update_error(claimed(), BROKEN, NOW + DAY + 1, conflicts=0)
    assert (row.state, row.error_code) == (UpdateState.FAILED, "zendesk_timeout")
    assert row.error_sentence == "Given up after a day. The last reason: Zendesk did not answer in time."


def test_the_pauses_grow_up_to_five_minutes():
    row, pauses = claimed(), []
    for _ in range(20):
        row = on_update_error(UNREACHED, row)
        assert row.due_at is not None
        pauses.append(row.due_at - row.updated_at)
    assert pauses[0] <= 3
    assert all(later > earlier for earlier, later in pairwise(pauses[:8]))
    assert 300 <= pauses[-1] <= 301


@given(
    st.lists(
        st.tuples(
            st.sampled_from([CONFLICT, BROKEN, UNREACHED, CLOSED, Throttled(429, 7), Throttled(503, 7)]),
            st.floats(0, DAY),
        ),
        max_size=20,
    )
)
def test_whatever_zendesk_answers_an_update_is_due_or_over(steps: list[tuple[ZendeskError, float]]):
    row, now = claimed(), NOW
    for error, passed in steps:
        if row.state is not UpdateState.ACCEPTED:
            assert row.error_code
            break
        assert row.due_at is not None
        now = max(now, row.due_at) + passed
        held = update_states.held(row.after_lease(), now)
        moved = update_states.on_update_error(held, error, now, conflicts=row.conflicts + 1)
        assert (held.version, moved.version) == (row.version + 1, row.version + 2)
        row = moved
    assert (row.due_at is not None) == (row.state is UpdateState.ACCEPTED)


def accepted(**changes: object) -> UpdateRow:
    return claimed().model_copy(update={"due_at": NOW, "leased_at": None, **changes})


def in_job(index: int = 3, **changes: object) -> UpdateRow:
    row = update_states.submitted(update_states.held(accepted(sent_at=None), NOW), "V3-1", index, NOW)
    return row.model_copy(update=changes)


def job(*rows: dict[str, object], status: str = "completed") -> Job:
    made = read_job({"id": "V3-1", "status": status, "total": 9, "results": list(rows)})
    assert made is not None
    return made


def polled(row: UpdateRow, found: Job | None, *, after: float = 5.0) -> UpdateRow:
    return update_states.polled(row, found, NOW + after, forgotten_after=600)


SUCCESS = {"action": "update", "status": "Updated", "success": True, "id": 7}
OLD_STAMP = {"index": 3, "id": 7, "error": "UpdateConflict", "details": "Safe Update prevented the update"}
CLOSED_ROW = {"index": 3, "id": 7, "error": "TicketUpdateFailed", "details": "Status: closed prevents ticket update"}
INVALID = {"index": 3, "id": 7, "error": "TicketUpdateFailed", "details": "Assignee: is invalid"}


def test_a_submitted_update_is_due_when_its_run_may_be_over_and_stays_doubtful():
    row = in_job()
    assert (row.state, row.work, row.job_id, row.job_index) == (UpdateState.SUBMITTED, Work.JOB, "V3-1", 3)
    assert (row.sent_at, row.submitted_at, row.due_at) == (NOW, NOW, NOW + 15)


def test_the_jobs_success_is_the_end():
    row = polled(in_job(), job(SUCCESS))
    assert (row.state, row.due_at, row.event, row.job_id) == (UpdateState.APPLIED, None, None, None)


@pytest.mark.parametrize("result", [OLD_STAMP, CLOSED_ROW], ids=["conflict", "closed"])
def test_a_conflict_in_the_jobs_results_is_decided_again_without_a_doubt(result: dict[str, object]):
    row = polled(in_job(conflicts=2), job(result))
    assert (row.state, row.work, row.sent_at, row.conflicts) == (UpdateState.ACCEPTED, Work.SEND, None, 3)
    assert (row.job_id, row.error_code) == (None, result["error"])


def test_too_many_conflicts_in_jobs_end_the_update():
    row = polled(in_job(conflicts=update_states.MAX_CONFLICTS), job(OLD_STAMP))
    assert (row.state, row.error_code) == (UpdateState.FAILED, "UpdateConflict")


def test_another_error_in_the_jobs_results_fails_the_update_with_its_text():
    row = polled(in_job(), job(INVALID))
    assert (row.state, row.error_code, row.error_sentence) == (
        UpdateState.FAILED,
        "TicketUpdateFailed",
        "Assignee: is invalid",
    )


@pytest.mark.parametrize(
    "found",
    [
        job(),
        job(status="killed"),
        job(status="failed"),
        job(SUCCESS | {"id": 8}),
        job(SUCCESS | {"index": 2}),
        job({"index": 3, "error": "UpdateConflict"}),
    ],
    ids=["empty", "killed", "failed", "another ticket", "another place", "no ticket"],
)
def test_a_job_without_our_row_leaves_the_update_doubtful(found: Job):
    row = polled(in_job(), found)
    assert (row.state, row.sent_at, row.conflicts) == (UpdateState.ACCEPTED, NOW, 0)
    assert row.error_code == f"job_{found.status}"


@pytest.mark.parametrize("status", ["queued", "working", "something new"])
def test_an_unfinished_job_is_asked_about_later_and_later(status: str):
    row, pauses = in_job(), []
    for _ in range(8):
        row = polled(row, job(status=status))
        assert (row.state, row.due_at is not None) == (UpdateState.SUBMITTED, True)
        pauses.append((row.due_at or 0) - row.updated_at)
    assert pauses == sorted(pauses)
    assert pauses[-1] == POLL_PAUSES[-1]


def test_a_job_that_is_not_over_after_a_day_is_given_up():
    row = polled(in_job(), job(status="working"), after=DAY + 1)
    assert row.state is UpdateState.FAILED


@pytest.mark.parametrize(("after", "state"), [(599, UpdateState.SUBMITTED), (601, UpdateState.ACCEPTED)])
def test_a_job_that_zendesk_does_not_know_is_waited_for_before_it_counts_as_forgotten(after: float, state: UpdateState):
    row = polled(in_job(), None, after=after)
    assert row.state is state
    assert row.sent_at == NOW


@pytest.mark.parametrize(
    ("error", "details"),
    [
        ("DatabaseConflict", "Database: collision"),
        ("TicketUpdateFailed", "Mysql2::Error: Deadlock found when trying to get lock"),
        ("TicketUpdateFailed", "deadlock"),
        ("InternalServerError", ""),
        ("TooManyRequests", "Too many requests"),
    ],
)
def test_a_passing_error_of_one_ticket_goes_back_in_doubt(error: str, details: str):
    row = polled(in_job(), job({"index": 3, "id": 7, "error": error, "details": details}))
    assert (row.state, row.error_code, row.in_doubt) == (UpdateState.ACCEPTED, error, True)


def test_an_unanswered_question_about_the_job_changes_nothing_but_the_time():
    row = waiting.unanswered(in_job(), Throttled(429, 90), NOW)
    assert (row.state, row.job_id, row.sent_at) == (UpdateState.SUBMITTED, "V3-1", NOW)
    assert row.due_at is not None
    assert NOW + 90 <= row.due_at <= NOW + 92


def test_what_was_refused_together_is_sent_alone_at_once_and_without_a_doubt():
    before = accepted()
    row = update_states.refused_together(update_states.held(before, NOW), CLOSED, NOW + 1)
    assert (row.state, row.due_at, row.sent_at) == (UpdateState.ACCEPTED, NOW + 1, None)
    assert update_states.must_go_alone(row)
    assert not update_states.must_go_alone(before)


def test_half_an_update_leaves_the_rest_to_be_sent_when_the_second_is_over():
    first = update_states.held(accepted(retries=4), NOW, b'{"comment": {}}')
    row = update_states.half_applied(first, NOW + 1)
    assert (row.state, row.sent_at, row.rest, row.retries) == (UpdateState.ACCEPTED, None, b'{"comment": {}}', 0)
    assert row.due_at == NOW + 1 + update_states.SETTLED


def test_a_certain_refusal_of_the_first_of_two_leaves_nothing_half_done():
    before = accepted()
    first = update_states.held(before, NOW, b'{"comment": {}}')
    row = update_states.on_update_error(first, Throttled(429, 7), NOW, conflicts=0)
    assert (row.rest, row.sent_at) == (None, None)


def test_a_lost_answer_to_the_first_of_two_keeps_the_rest_in_mind():
    before = accepted()
    first = update_states.held(before, NOW, b'{"comment": {}}')
    row = update_states.on_update_error(first, BROKEN, NOW, conflicts=0)
    assert (row.rest, row.sent_at) == (b'{"comment": {}}', NOW)


def test_a_conflict_that_the_policy_makes_keeps_its_event_for_an_operator():
    row = update_states.conflict(accepted(), ["priority", "subject"], NOW)
    assert (row.state, row.due_at, row.event) == (UpdateState.CONFLICT, None, b"{}")
    assert row.error_sentence == "Others changed since the stamp what this would change: priority, subject."


def test_a_conflict_with_very_many_fields_has_a_sentence_that_fits():
    row = update_states.conflict(accepted(), [f"custom_fields.{number}" for number in range(200)], NOW)
    assert len(row.error_sentence or "") == 500


def test_what_is_set_going_again_begins_anew_and_is_as_doubtful_as_it_ended():
    ended = update_states.failed(accepted(conflicts=9, base="x", sent_at=NOW), "Error", "No.", NOW)
    row = update_states.redriven(ended, NOW + 5)
    assert (row.state, row.due_at, row.retry_window_start) == (UpdateState.ACCEPTED, NOW + 5, NOW + 5)
    assert (row.base, row.conflicts, row.sent_at) == (None, 0, NOW)


STEPS = {
    "held": lambda row, now: update_states.held(row, now, b"{}"),
    "deferred": lambda row, now: waiting.deferred(row, now, now + 600),
    "half": update_states.half_applied,
    "together": lambda row, now: update_states.refused_together(row, CLOSED, now),
    "submitted": lambda row, now: update_states.submitted(row, "V3-1", 3, now),
    "applied": update_states.applied,
    "skipped": update_states.skipped,
    "conflict": lambda row, now: update_states.conflict(row, ["priority"], now),
    **{
        f"refused-{error.code}": lambda row, now, error=error: update_states.on_update_error(
            row, error, now, conflicts=row.conflicts + 1
        )
        for error in (CONFLICT, BROKEN, UNREACHED, CLOSED, Throttled(429, 7), Throttled(503, 7))
    },
}
ANSWERS = [None, job(), job(SUCCESS), job(OLD_STAMP), job(INVALID), job(status="queued"), job(status="killed")]


@given(st.data())
def test_whatever_comes_an_update_is_due_or_over(data: st.DataObject):
    row, now = claimed(), NOW
    for _ in range(data.draw(st.integers(1, 12))):
        assert (row.due_at is not None) == (row.state in UpdateRow.working)
        if row.state not in UpdateRow.working:
            stopped = row.state in {UpdateState.FAILED, UpdateState.CONFLICT}
            assert bool(row.event) == stopped
            row = update_states.redriven(row.model_copy(update={"event": b"{}"}), now)
            continue
        now = max(now, row.due_at or 0) + data.draw(st.sampled_from([0, 1, 60, DAY / 3]))
        if row.state is UpdateState.SUBMITTED:
            new = update_states.polled(row, data.draw(st.sampled_from(ANSWERS)), now, forgotten_after=120)
        else:
            new = STEPS[data.draw(st.sampled_from(sorted(STEPS)))](row, now)
        assert new.version == row.version + 1
        assert new.due_at is None or new.due_at >= now
        row = new
