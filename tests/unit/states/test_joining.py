"""What comes next for the event that is first in line: a pure decision, tried on whatever a worker may find."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW, ticket_row
from ticket_relay.states import joining
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.states.joining import TakeOver
from ticket_relay.storage.correlations import Correlation
from ticket_relay.storage.parts import Joining
from ticket_relay.storage.rows import TicketRow, TicketState, UpdateRow

PK = "correlation#acme#disk"
LEADER = ticket_row("leader", correlation=PK, leads=True)
CREATED = ticket_states.created(LEADER, 7, NOW)
FAILED = ticket_states.failed(LEADER, "TicketCreateFailed", "Description: cannot be blank", NOW)
THERE = Correlation(PK, LEADER.pk, 1, None, ("ticket#acme#evt_1",))
KNOWN = Correlation(PK, LEADER.pk, 1, 7, ("ticket#acme#evt_1",))


def first(do="create", *, changes=None, request=True, **policies):
    about = {"correlation": PK, "joining": Joining(do=do, wait=600, **policies), "changes": changes}
    return ticket_row(**about) if request else ticket_row(request=None, **about)


def step(row, there=THERE, leader=CREATED, update=None, now=NOW):
    return joining.next_step(row, there, leader, update, now)


def asked(update):
    return json.loads(update.event)


def ended(row, **change):
    """The row's update of its ticket, at its end."""
    return step(row).moved(NOW, **({"state": "applied"} | change))


def test_it_waits_for_a_ticket_that_is_under_way():
    row = step(first(), leader=LEADER)
    assert (row.state, row.error_code) == ("accepted", "waits_for_ticket")
    assert row.due_at > NOW


def test_its_ticket_would_be_the_comment_on_one_that_is_there():
    update = step(first())
    assert (update.ticket_id, update.of_event, update.due_at) == (7, "ticket#acme#evt_1", NOW)
    assert asked(update)["changes"] == {"comment": {"body": "It burns"}}
    assert asked(step(first(), there=KNOWN, leader=None)) == asked(update)


def test_its_case_may_say_what_it_changes():
    assert asked(step(first("update", changes=b'{"priority":"high"}')))["changes"] == {"priority": "high"}
    assert asked(step(first("solve", request=False)))["changes"] == {}


def test_a_description_is_a_comment_too():
    row = first().model_copy(update={"request": b'{"ticket":{"description":"It burns"}}'})
    assert asked(step(row))["changes"] == {"comment": {"body": "It burns"}}


def test_it_waits_for_its_update():
    row = first()
    waits = step(row, update=step(row))
    assert (waits.state, waits.error_code) == ("accepted", "handed_over")


@pytest.mark.parametrize(
    ("change", "reason"),
    [({}, None), ({"state": "skipped", "error_code": "ticket_open"}, "ticket_open")],
)
def test_it_has_joined_when_its_update_is_over(change, reason):
    row = first()
    over = step(row, update=ended(row, **change))
    assert (over.state, over.ticket_id, over.joined_to, over.error_code) == ("joined", 7, LEADER.pk, reason)
    assert (over.request, over.changes, over.due_at) == (None, None, None)


def test_it_fails_with_its_update_and_sets_it_going_again_when_redriven():
    row = first()
    refused = ended(row, state="failed", error_code="RecordInvalid", error_sentence="Comment: is invalid")
    over = step(row, update=refused)
    assert (over.state, over.error_code, over.error_sentence) == ("failed", "RecordInvalid", "Comment: is invalid")
    again = step(ticket_states.redriven(over, NOW + 60), update=refused, now=NOW + 61)
    assert (again.pk, again.state, again.error_code) == (refused.pk, "accepted", "redriven")


@pytest.mark.parametrize(
    ("row", "update"),
    [
        (first(), {"error_code": joining.REPLACED}),
        (first("update"), {"error_code": joining.REPLACED}),
        (first(), {"state": "failed", "error_code": update_states.NO_TICKET}),
    ],
)
def test_it_leads_where_the_ticket_is_solved_closed_or_gone(row, update):
    assert step(row, update=ended(row, **update)) == TakeOver()


def test_an_update_of_a_ticket_that_is_gone_fails():
    row = first("update")
    over = step(row, update=ended(row, state="failed", error_code=update_states.NO_TICKET))
    assert (over.state, over.error_code) == ("failed", update_states.NO_TICKET)


def test_one_that_always_makes_a_ticket_leads_in_its_turn():
    assert step(first(again="create")) == TakeOver()
    assert step(first(again="create"), leader=LEADER).error_code == "waits_for_ticket"


@pytest.mark.parametrize("leader", [FAILED, None])
def test_it_leads_where_nobody_makes_the_ticket(leader):
    assert step(first(), leader=leader) == TakeOver()


@pytest.mark.parametrize(
    ("missing", "state"), [("unmapped", "unmapped"), ("ignore", "ignored"), ("create", TakeOver())]
)
@pytest.mark.parametrize(("there", "leader"), [(Correlation(PK), None), (THERE, FAILED)])
def test_an_update_waits_for_a_ticket_as_long_as_its_case_says(missing, state, there, leader):
    row = first("update", missing=missing)
    waits = step(row, there, leader, now=NOW + 599)
    assert (waits.state, waits.error_code) == ("accepted", "ticket_missing")
    over = step(row, there, leader, now=NOW + 600)
    assert over == state if isinstance(state, TakeOver) else over.state == state


def test_one_that_no_ticket_came_for_keeps_what_it_wants_until_it_is_redriven():
    row = step(first("update", changes=b"{}"), Correlation(PK), None, now=NOW + 600)
    assert (row.state, row.changes, row.error_code) == ("unmapped", b"{}", "ticket_missing")
    again = ticket_states.redriven(row, NOW + 1000)
    assert step(again, Correlation(PK), None, now=NOW + 1599).state == "accepted"


LEADERS = st.sampled_from([None, LEADER, CREATED, FAILED])
POLICIES = st.fixed_dictionaries(
    {
        "do": st.sampled_from(["create", "update", "solve"]),
        "again": st.sampled_from(["comment", "update", "ignore", "create"]),
        "on_solved": st.sampled_from(["reopen", "create", "follow_up"]),
        "on_closed": st.sampled_from(["follow_up", "create", "ignore"]),
        "missing": st.sampled_from(["create", "ignore", "unmapped"]),
    }
)
ENDS = st.sampled_from(
    [
        {"state": "applied"},
        {"state": "applied", "error_code": joining.REPLACED},
        {"state": "skipped", "error_code": "ticket_closed"},
        {"state": "failed", "error_code": "RecordInvalid"},
        {"state": "failed", "error_code": update_states.NO_TICKET},
        {"state": "accepted", "due_at": NOW},
    ]
)


@given(POLICIES, LEADERS, st.none() | ENDS, st.sampled_from([0, 599, 601]), st.booleans())
def test_whatever_it_finds_it_goes_on_waits_with_a_time_or_is_over(policies, leader, end, later, redriven):
    row = first(**policies)
    if redriven:
        row = ticket_states.redriven(ticket_states.failed(row, "x", "y", NOW), NOW)
    update = None
    if end is not None and isinstance(asked_for := step(row), UpdateRow):
        update = asked_for.moved(NOW, **end)
    after = step(row, leader=leader, update=update, now=NOW + later)
    match after:
        case TicketRow(state=TicketState.ACCEPTED):
            assert after.due_at > NOW + later
        case TicketRow():
            assert after.state in {"joined", "failed", "unmapped", "ignored"}
        case UpdateRow():
            assert leader is CREATED
            assert after.state == "accepted"
        case _:
            assert after == TakeOver()
            assert leader is not LEADER
