"""How a row's files come along: no row waits for ever, and none is sent with a token that is not good."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW, ticket_row
from ticket_relay.errors import FileUnavailable
from ticket_relay.states import files
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.storage.parts import Upload
from ticket_relay.storage.rows import DAY, TOKEN_MARGIN, TicketState, UpdateState
from ticket_relay.zendesk.errors import NotSent, OutcomeUnknown, Throttled

GONE = FileUnavailable("http_404", "its server answered 404")
BUSY = FileUnavailable("http_503", "its server answered 503", passing=True)
UNREACHABLE = NotSent("zendesk_unreachable", "Zendesk could not be connected to.")
FAILED = OutcomeUnknown("zendesk_500", "Zendesk answered 500.")
THROTTLED = Throttled(503, 30)


def row(count=2, **changes):
    return ticket_row(files=count, **changes)


def upload(name="t", life=3600.0, at=NOW):
    return Upload(token=name, expires_at=at + life)


def update(count=1):
    return update_states.claimed("update#7#a", 7, "a", b"{}", NOW, closed_until=NOW, of_event="ticket#a#b", files=count)


@pytest.mark.parametrize("make", [row, update])
def test_a_row_that_is_reserved_is_not_in_doubt_and_comes_back_by_itself(make):
    reserved = files.reserved(make(), 0, NOW)
    assert (reserved.in_doubt, reserved.leased_at, reserved.due_at) == (False, None, NOW + files.RESERVED)


def test_a_worker_that_died_while_sending_leaves_doubt_that_uploading_does_not_take_away():
    held = ticket_states.held(files.uploaded(row(1), 0, upload(), NOW), NOW)
    assert files.reserved(held, 0, NOW + 60).in_doubt


def test_files_are_brought_in_their_order_and_then_the_row_is_ready():
    first = files.uploaded(row(), 0, upload("a"), NOW)
    assert (first.next_file(NOW), first.due_at) == (1, NOW)
    both = files.uploaded(first, 1, upload("b"), NOW)
    assert (both.next_file(NOW), both.tokens) == (None, ["a", "b"])
    assert ticket_states.may_go_together(both, NOW)
    assert not ticket_states.may_go_together(first, NOW)


def test_what_expires_soon_is_brought_again_and_nothing_else():
    both = files.uploaded(files.uploaded(row(), 0, upload("a"), NOW), 1, upload("b", life=9999), NOW)
    later = NOW + 3600 - TOKEN_MARGIN + 1
    assert (both.next_file(later - 2), both.next_file(later)) == (None, 0)
    again = files.uploaded(both, 0, upload("c", at=later), later)
    assert (again.tokens, again.next_file(later)) == (["c", "b"], None)


@pytest.mark.parametrize(("sent_at", "attempt"), [(None, 1), (NOW - 9, 2)])
def test_other_tokens_are_another_request_where_one_may_be_known(sent_at, attempt):
    renewed = files.uploaded(row(1, sent_at=sent_at), 0, upload(), NOW)
    assert (renewed.attempt, renewed.sent_at) == (attempt, sent_at)


@given(st.floats(min_value=-1e9, max_value=1e9))
def test_whatever_life_zendesk_gives_a_token_is_good_for_a_while(life):
    assert files.uploaded(row(1), 0, upload(life=life), NOW).next_file(NOW + TOKEN_MARGIN) is None


@pytest.mark.parametrize("make", [row, update])
def test_an_optional_file_is_given_up_at_once_or_after_some_tries(make):
    assert files.not_had(make(), 0, GONE, NOW, required=False).uploads[0].reason == "http_404"
    tries, it, now = 0, make(), NOW
    while it.next_file(now) == 0:
        it = files.not_had(files.reserved(it, 0, now), 0, BUSY, now, required=False)
        tries, now = tries + 1, max(now, it.due_at)
    assert (tries, it.retries) == (files.MOST_TRIES, 0)
    assert now - NOW < 180


@pytest.mark.parametrize(("make", "failed"), [(row, TicketState.FAILED), (update, UpdateState.FAILED)])
@pytest.mark.parametrize("error", [GONE, BUSY])
def test_a_required_file_is_waited_for_with_growing_pauses_but_not_for_ever(make, failed, error):
    it, now, pauses = make(), NOW, []
    while it.state != failed:
        assert not files.exhausted(it, 0)
        it = files.not_had(files.reserved(it, 0, now), 0, error, now, required=True)
        if it.due_at is not None:
            pauses.append(it.due_at - now)
            now = it.due_at
    assert (it.error_code, it.tokens) == (f"file_{error.code}", [])
    assert pauses[0] < 7
    assert max(pauses) <= files.LONGEST_PAUSE + 1
    assert len(pauses) < 500


@pytest.mark.parametrize("make", [row, update])
def test_zendesk_not_answering_leaves_no_doubt(make):
    waits = files.not_uploaded(files.reserved(make(), 0, NOW), 0, NotSent("zendesk_unreachable", "No."), NOW, pause=15)
    assert not waits.in_doubt
    assert waits.due_at > NOW


@pytest.mark.parametrize("make", [row, update])
def test_what_workers_die_of_is_not_taken_up_for_ever(make):
    it, deaths = make(), 0
    while not files.exhausted(it, 0):
        it, deaths = files.reserved(it, 0, NOW), deaths + 1
    assert deaths == files.MOST_TRIES
    given_up = files.given_up(it, 0, GONE, NOW, required=False)
    assert (given_up.uploads[0].reason, given_up.uploads[0].tries) == ("http_404", 0)
    failed = files.given_up(it, 0, GONE, NOW, required=True)
    assert (failed.state, failed.error_code) == ("failed", "file_http_404")


@pytest.mark.parametrize("make", [row, update])
def test_a_crash_or_two_cost_the_file_nothing(make):
    crashed = files.reserved(files.reserved(make(), 0, NOW), 0, NOW)
    assert not files.exhausted(crashed, 0)
    assert files.uploaded(crashed, 0, upload(), NOW).uploads == files.uploaded(make(), 0, upload(), NOW).uploads


@pytest.mark.parametrize("make", [row, update])
@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED, FAILED])
def test_zendesks_faults_are_no_tries_of_the_file(make, error):
    it = make()
    for _ in range(files.MOST_TRIES):
        it = files.not_uploaded(files.reserved(it, 0, NOW), 0, error, NOW, pause=15)
    waits = files.not_had(files.reserved(it, 0, NOW), 0, BUSY, NOW, required=False)
    assert (waits.next_file(NOW), waits.error_code) == (0, "file_http_503")


@pytest.mark.parametrize("make", [row, update])
def test_the_file_is_to_blame_for_what_zendesk_fails_on_again_and_again(make):
    it, now, fails = make(), NOW, 1
    while not files.refused(it, 0, FAILED, now):
        it, fails = files.not_uploaded(files.reserved(it, 0, now), 0, FAILED, now, pause=15), fails + 1
        now = max(now, it.due_at)
    assert fails > files.MOST_FAULTS
    assert files.LONGEST_INCIDENT < now - NOW < files.LONGEST_INCIDENT + 1200
    assert files.given_up(it, 0, GONE, now, required=False).uploads == (Upload(reason="http_404", sentence=str(GONE)),)


def test_nor_is_the_file_for_an_incident_however_often_it_is_tried():
    it = row()
    for _ in range(3 * files.MOST_FAULTS):
        it = files.not_uploaded(files.reserved(it, 0, NOW), 0, FAILED, NOW, pause=15)
    assert not files.refused(it, 0, FAILED, NOW + files.LONGEST_INCIDENT - 1)


@pytest.mark.parametrize("error", [UNREACHABLE, THROTTLED])
def test_the_file_is_not_to_blame_for_zendesks_state_or_the_way_to_it(error):
    it = row()
    for _ in range(3 * files.MOST_FAULTS):
        assert not files.refused(it, 0, error, NOW + DAY)
        it = files.not_uploaded(files.reserved(it, 0, NOW), 0, error, NOW, pause=15)
    assert not files.refused(it, 0, FAILED, NOW + DAY)


def test_a_new_attempt_and_a_redriven_row_have_new_uploads():
    ready = files.uploaded(row(1), 0, upload(), NOW)
    assert ticket_states.new_attempt(ready, "job_killed", "Killed.", NOW).uploads == ()
    failed = ticket_states.failed(ready, "RecordInvalid", "No.", NOW)
    assert ticket_states.redriven(failed, NOW).uploads == ()
    assert update_states.redriven(files.uploaded(update(), 0, upload(), NOW), NOW).uploads == ()
