"""What goes over the line, and by what it is recognised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import NOW
from ticket_relay.states import update as update_states
from ticket_relay.update_ticket import safe_update
from ticket_relay.update_ticket.plan import Plan

STAMP = "2026-11-21T22:00:00Z"


def safe(update, *markers):
    return safe_update.safe(Plan(update=update, markers=list(markers or ["mark"])), STAMP)


def test_an_update_is_safe_stamped_and_marked():
    assert safe({"priority": "high"}) == {
        "priority": "high",
        "safe_update": True,
        "updated_stamp": STAMP,
        "metadata": {"ticket_relay": "mark"},
    }


def test_updates_that_go_together_leave_each_its_marker():
    assert safe({"priority": "high"}, "one", "two")["metadata"] == {"ticket_relay": ["one", "two"]}


def test_the_rules_own_metadata_is_kept_beside_the_marker():
    assert safe({"metadata": {"batch": 7}})["metadata"] == {"batch": 7, "ticket_relay": "mark"}


@given(
    st.dictionaries(st.sampled_from(["safe_update", "updated_stamp", "priority"]), st.sampled_from([False, None, ""]))
)
def test_nothing_turns_the_safety_off(changes):
    ticket = safe(changes)
    assert ticket["safe_update"] is True
    assert ticket["updated_stamp"] == STAMP


@pytest.mark.parametrize("other", [("update#7#inv_2", 7, "inv_2"), ("update#8#inv_1", 8, "inv_1")])
def test_two_updates_have_different_markers(other):
    mine = update_states.claimed("update#7#inv_1", 7, "inv_1", b"{}", NOW, closed_until=None)
    theirs = update_states.claimed(*other, b"{}", NOW, closed_until=None)
    assert len({mine.marker, theirs.marker, mine.marker_of_first}) == 3
