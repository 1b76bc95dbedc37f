from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW
from ticket_relay import update_states
from ticket_relay.errors import Conflict, Rejected, Throttled, Uncertain, Unreached, ZendeskError
from ticket_relay.rows import DAY, UpdateRow, UpdateState, update_pk

CONFLICT = Conflict(409, "UpdateConflict", "Safe Update prevented the update due to outdated ticket data.")
BROKEN = Uncertain("zendesk_timeout", "Zendesk did not answer in time.")
UNREACHED = Unreached("zendesk_unreachable", "Zendesk could not be connected to.")
CLOSED = Rejected(422, "RecordInvalid", "Status: closed prevents ticket update")


def claimed(closed_until: float | None = None) -> UpdateRow:
    return update_states.claimed(update_pk(7, "inv_1"), 7, "inv_1", b"{}", NOW, closed_until=closed_until)


def not_applied(
    error: ZendeskError, row: UpdateRow | None = None, *, conflicts: int = 0, sent_before: float | None = None
) -> UpdateRow:
    row = row or claimed()
    before = row.model_copy(update={"sent_at": sent_before})
    return update_states.not_applied(row, error, row.updated_at, before=before, conflicts=conflicts)


def test_a_claimed_update_is_held_and_doubtful_should_its_worker_die():
    row = claimed()
    assert (row.state, row.due_at, row.sent_at) == (UpdateState.ACCEPTED, NOW + update_states.LEASE, NOW)


def test_an_update_claimed_before_a_closed_gate_waits_for_it_and_was_never_sent():
    row = claimed(closed_until=NOW + 60)
    assert (row.due_at, row.sent_at) == (NOW + 60, None)


def test_a_lease_does_not_forget_when_the_first_request_set_out():
    again = update_states.held(claimed(), NOW + 30)
    assert (again.sent_at, again.due_at) == (NOW, NOW + 30 + update_states.LEASE)


def test_what_is_postponed_comes_after_the_gate_opens_and_stays_as_doubtful_as_it_was():
    row = update_states.postponed(claimed(), NOW, NOW + 60)
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
    row = end(not_applied(BROKEN), NOW)
    assert (row.error_code, row.error_sentence) == (None, None)


@pytest.mark.parametrize("error", [CONFLICT, UNREACHED, Throttled(429, 7)])
def test_a_certain_refusal_leaves_no_doubt(error: ZendeskError):
    assert not_applied(error).sent_at is None


@pytest.mark.parametrize("error", [CONFLICT, UNREACHED, Throttled(429, 7)])
def test_a_certain_refusal_does_not_lift_an_older_doubt(error: ZendeskError):
    assert not_applied(error, sent_before=NOW - 60).sent_at == NOW - 60


@pytest.mark.parametrize("error", [BROKEN, Throttled(503, 7)])
def test_without_an_answer_the_update_stays_doubtful(error: ZendeskError):
    assert not_applied(error).sent_at == NOW


def test_a_throttled_update_is_due_when_zendesk_said():
    due_at = not_applied(Throttled(429, 90)).due_at
    assert due_at is not None
    assert NOW + 90 <= due_at <= NOW + 92


def test_the_final_no_of_zendesk_ends_the_update_with_its_reason():
    row = not_applied(CLOSED)
    assert (row.state, row.error_code, row.error_sentence) == (
        UpdateState.FAILED,
        "RecordInvalid",
        "Status: closed prevents ticket update",
    )


def test_a_conflict_is_no_final_no():
    row = not_applied(CONFLICT, conflicts=3)
    assert (row.state, row.conflicts, row.error_code) == (UpdateState.ACCEPTED, 3, "UpdateConflict")


def test_too_many_conflicts_end_the_update_and_say_so():
    row = not_applied(CONFLICT, conflicts=update_states.MAX_CONFLICTS + 1)
    assert (row.state, row.error_code) == (UpdateState.FAILED, "UpdateConflict")
    assert row.error_sentence == "Given up: the ticket had changed 31 times under our hands."


def test_after_a_day_an_unanswered_update_is_given_up_with_the_last_reason():
    row = update_states.not_applied(claimed(), BROKEN, NOW + DAY + 1, before=claimed(), conflicts=0)
    assert (row.state, row.error_code) == (UpdateState.FAILED, "zendesk_timeout")
    assert row.error_sentence == "Given up after a day. The last reason: Zendesk did not answer in time."


def test_the_pauses_grow_up_to_five_minutes():
    row, pauses = claimed(), []
    for _ in range(20):
        row = not_applied(UNREACHED, row)
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
        held = update_states.held(row, now)
        moved = update_states.not_applied(held, error, now, before=row, conflicts=row.conflicts + 1)
        assert (held.version, moved.version) == (row.version + 1, row.version + 2)
        row = moved
    assert (row.due_at is not None) == (row.state is UpdateState.ACCEPTED)
