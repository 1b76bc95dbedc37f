"""What an event does to the ticket that it joins, by the ticket's status and the event's case."""

import json

import pytest

from tests.builders import ticket_row
from ticket_relay.errors import MappingFailed
from ticket_relay.update_ticket.joined import EventUpdate, Replacement, Skip, decide

COMMENT = {"body": "It burns"}


def update(do="create", *, has_ticket=True, changes=None, **policies):
    content = {"comment": COMMENT} if changes is None else changes
    return EventUpdate.model_validate({"changes": content, "joining": {"do": do, **policies}, "has_ticket": has_ticket})


def ticket(status):
    return {"id": 7, "status": status, "subject": "Fire", "requester_id": 5, "tags": ["ours"]}


def given(decided):
    return decided.given()


OPEN = ["new", "open", "pending", "hold"]


@pytest.mark.parametrize("status", OPEN)
def test_an_open_ticket_gets_the_changes(status):
    assert given(decide(update(), ticket(status))) == {"comment": COMMENT}
    assert given(decide(update(again="update", changes={"priority": "high"}), ticket(status))) == {"priority": "high"}
    assert decide(update(again="ignore"), ticket(status)).reason == "ticket_open"
    assert given(decide(update("update"), ticket(status))) == {"comment": COMMENT}
    assert given(decide(update("solve"), ticket(status))) == {"comment": COMMENT, "status": "solved"}


@pytest.mark.parametrize("again", ["comment", "update", "ignore"])
def test_a_solved_ticket_is_reopened_with_the_changes(again):
    assert given(decide(update(again=again), ticket("solved"))) == {"comment": COMMENT, "status": "open"}


def test_a_solved_ticket_is_replaced_where_its_case_says_so():
    assert decide(update(on_solved="create"), ticket("solved")) == Replacement()
    assert decide(update(on_solved="follow_up"), ticket("solved")) == Replacement(names=7)


def test_an_update_of_a_solved_ticket_leaves_it_solved():
    assert given(decide(update("update"), ticket("solved"))) == {"comment": COMMENT}
    assert given(decide(update("solve"), ticket("solved"))) == {"comment": COMMENT, "status": "solved"}


@pytest.mark.parametrize("do", ["create", "update", "solve"])
def test_a_closed_ticket_is_replaced_or_left(do):
    assert decide(update(do), ticket("closed")) == Replacement(follows=7)
    assert decide(update(do, on_closed="create"), ticket("closed")) == Replacement()
    assert isinstance(decide(update(do, on_closed="ignore"), ticket("closed")), Skip)


def test_an_update_follows_up_with_its_comment_where_it_has_no_ticket_of_its_own():
    decided = decide(update("update", has_ticket=False), ticket("closed"))
    assert decided.creation.given() == {
        "comment": COMMENT,
        "requester_id": 5,
        "subject": "Fire",
        "via_followup_source_id": 7,
    }
    with pytest.raises(MappingFailed):
        decide(update("update", has_ticket=False, changes={"priority": "high"}), ticket("closed"))


def test_changes_that_are_none_are_refused():
    with pytest.raises(MappingFailed):
        decide(update("update", changes={"colour": "red"}), ticket("open"))


def test_the_new_ticket_is_the_events_own():
    row = ticket_row()
    assert (
        Replacement().request(row)
        == json.dumps(json.loads(row.request), sort_keys=True, separators=(",", ":")).encode()
    )
    assert json.loads(Replacement(follows=7).request(row))["ticket"]["via_followup_source_id"] == 7


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"comment": {"body": "It burns"}}, {"comment": {"body": "It burns\n\nFollows #7."}}),
        ({"comment": {"html_body": "<b>It</b>"}}, {"comment": {"html_body": "<b>It</b><p>Follows #7.</p>"}}),
        ({"description": "It burns"}, {"description": "It burns\n\nFollows #7."}),
    ],
)
def test_the_old_ticket_is_named_once_however_often_that_is_decided(content, named):
    row = ticket_row(request=json.dumps({"ticket": content}).encode())
    again = row.model_copy(update={"request": Replacement(names=7).request(row)})
    assert json.loads(again.request)["ticket"] == named
    assert Replacement(names=7).request(again) == again.request


def test_a_ticket_made_of_the_changes_carries_the_events_identity():
    creation = decide(update("update", has_ticket=False), ticket("closed")).creation
    row = ticket_row(request=None)
    assert json.loads(Replacement(creation).request(row))["ticket"]["external_id"] == "acme:evt_1"
