import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.builders import NOW, ticket_row
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import (
    EXTERNAL_ID_LIMIT,
    HISTORY_LENGTH,
    RETENTION,
    UNFINISHED_RETENTION,
    TicketRow,
    TicketState,
    correlation_pk,
    external_id,
)


@pytest.mark.parametrize(
    ("state", "due_at"),
    [
        (TicketState.ACCEPTED, None),
        (TicketState.SUBMITTED, None),
        (TicketState.CREATED, NOW),
        (TicketState.FAILED, NOW),
        (TicketState.UNMAPPED, NOW),
    ],
)
def test_a_row_is_due_exactly_while_there_is_work(state, due_at):
    with pytest.raises(ValidationError, match="due_at exactly while"):
        ticket_row(state=state, due_at=due_at)


def test_a_move_is_one_version_on_and_leaves_the_old_row_as_it_was():
    old = ticket_row()
    new = old.moved(NOW + 5, retries=3)
    assert (old.version, old.retries) == (1, 0)
    assert (new.version, new.retries, new.updated_at) == (2, 3, NOW + 5)


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"retries": 1}, UNFINISHED_RETENTION),
        ({"state": TicketState.CREATED, "ticket_id": 7}, RETENTION),
        ({"state": TicketState.FAILED}, RETENTION),
        ({"state": TicketState.UNMAPPED}, UNFINISHED_RETENTION),
    ],
)
def test_what_is_not_over_outlives_any_outage(change, kept):
    assert ticket_row().moved(NOW + 5, **change).expires_at == NOW + 5 + kept


def test_a_history_tells_what_is_new_and_no_more():
    row = ticket_row()
    for seconds in range(3):
        row = row.moved(NOW + seconds, retries=seconds)
    row = row.moved(NOW + 9, state=TicketState.FAILED, error_code="x")
    assert [(step.state, step.at, step.reason) for step in row.history] == [
        ("accepted", NOW, None),
        ("failed", NOW + 9, "x"),
    ]


def test_a_long_history_keeps_its_beginning_and_its_end():
    row = ticket_row()
    for attempt in range(1, 60):
        row = row.moved(NOW + attempt, attempt=attempt)
    attempts = [step.attempt for step in row.history]
    assert len(attempts) == HISTORY_LENGTH
    assert (attempts[0], attempts[1], attempts[-1]) == (1, 60 - HISTORY_LENGTH + 1, 59)


def test_a_move_to_an_end_takes_the_due_time_away():
    assert ticket_row().moved(NOW, state=TicketState.CREATED, ticket_id=7).due_at is None


def test_an_error_about_a_row_does_not_quote_it():
    with pytest.raises(ValidationError) as raised:
        TicketRow.model_validate({**ticket_row().model_dump(), "request": ["secret words"]})
    assert "secret words" not in str(raised.value)


def test_each_attempt_and_each_row_has_a_key_of_its_own():
    keys = {ticket_row(event, attempt=attempt).idempotency_key for event in ("a", "b") for attempt in (1, 2)}
    assert len(keys) == 4


def test_a_key_is_no_longer_than_zendesk_takes():
    assert len(ticket_row("x" * 256, attempt=99).idempotency_key) <= 255


@given(st.text(min_size=1, max_size=300), st.text(min_size=1, max_size=300))
def test_external_ids_fit_and_tell_events_apart(one, other):
    assert len(external_id("acme", one)) <= EXTERNAL_ID_LIMIT
    assert (external_id("acme", one) == external_id("acme", other)) == (one == other)


def test_an_external_id_is_readable_as_long_as_it_fits():
    longest = "x" * (EXTERNAL_ID_LIMIT - len("acme:"))
    assert external_id("acme", longest) == f"acme:{longest}"
    assert external_id("acme", longest + "x").startswith("acme:sha256:")


def test_a_change_of_an_attribute_that_a_row_does_not_have_is_a_bug():
    with pytest.raises(TypeError, match="a row has no tires"):
        ticket_row().moved(NOW, tires=4)


def test_whatever_a_correlation_is_called_its_key_is_short():
    assert len(correlation_pk("acme", "x" * 100_000)) < 100
    assert correlation_pk("acme", "a#b") != correlation_pk("acme", "a")


def test_the_row_of_a_tickets_first_event_is_kept_for_those_that_come_months_later():
    row = ticket_row(correlation="correlation#acme#1", leads=True)
    assert ticket_states.created(row, 7, NOW).expires_at == NOW + UNFINISHED_RETENTION
    assert ticket_states.created(ticket_row(), 7, NOW).expires_at == NOW + RETENTION
