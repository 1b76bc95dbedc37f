import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.changes.examples import (
    ADDRESS,
    COMMENT,
    REPLY,
    TICKET,
    decided,
    known,
    pair,
    update,
    with_ccs,
)
from ticket_relay.changes.combine import marked, room_for_markers, together
from ticket_relay.changes.diff import applied_to, fields, in_order
from ticket_relay.zendesk.ticket_models import MARKER, TicketChanges


@given(decided, decided)
def test_two_updates_in_one_do_what_they_do_one_by_one(one, other):
    first = update(one)
    between = applied_to(TICKET, first)
    second = update(other, between)
    both = together(first, second, TICKET)
    if both is None:
        return
    assert known(applied_to(TICKET, both)) == known(applied_to(between, second))
    assert fields(both, TICKET) == fields(first, TICKET) | fields(second, between)
    assert both.get("comment") == first.get("comment", second.get("comment"))
    assert both.get("metadata", {}) == first.get("metadata", {}) | second.get("metadata", {})
    if first:
        assert in_order(both) == [both]
        assert room_for_markers(both.get("metadata", {})) >= 2


def test_two_updates_that_have_nothing_to_do_with_one_another_are_one():
    one = {"custom_fields": [{"id": 1, "value": "b"}], "comment": COMMENT}
    other = {
        "custom_fields": [{"id": 3, "value": "c"}],
        "priority": "high",
        "followers": [{"user_id": 41}],
    }
    assert pair(one, other) == {
        "custom_fields": [{"id": 1, "value": "b"}, {"id": 3, "value": "c"}],
        "comment": COMMENT,
        "priority": "high",
        "followers": [{"user_id": 41}],
    }


@pytest.mark.parametrize("name", ["followers", "email_ccs"])
def test_a_list_of_all_people_does_not_go_with_single_ones(name):
    assert pair({name: [{"user_id": 41}]}, {"collaborators": {"remove": [21]}}) is None
    assert pair({"collaborators": {"remove": [21]}}, {name: [{"user_id": 41}]}) is None


def test_tags_that_each_adds_are_in_one_list():
    one, other = {"tags": {"add": ["vip"], "remove": ["red"]}}, {"tags": {"add": ["late"]}}
    assert pair(one, other) == {"tags": ["Blue", "vip", "late"]}


def test_an_option_that_may_bring_its_tag_does_not_go_with_anothers_list_of_tags():
    option, tags = {"custom_fields": [{"id": 1, "value": "b"}]}, {"tags": {"add": ["vip"]}}
    assert pair(option, tags) is None
    assert pair(tags, option) is None


def test_what_the_first_one_made_true_the_second_one_need_not():
    assert pair({"priority": "high"}, {"priority": "high", "status": "pending"}) == {
        "priority": "high",
        "status": "pending",
    }
    assert pair({"priority": "high"}, {"priority": "high"}) == {"priority": "high"}
    assert pair({}, {"priority": "high"}) == {"priority": "high"}


def test_an_update_together_with_nothing_is_itself_even_where_there_is_room_for_one_marker_only():
    alone = {"priority": "high", "metadata": {"note": "x" * 950}}
    assert room_for_markers(alone["metadata"]) == 1
    assert together({}, alone, TICKET) == alone


def test_nothing_goes_together_with_what_cannot_be_foreseen_even_if_it_seemed_true_already():
    assert together({"assignee_email": ADDRESS}, {}, TICKET) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"comment": COMMENT}, {"comment": COMMENT}),
        ({"priority": "high"}, {"priority": "low"}),
        ({"priority": "high"}, {"priority": "normal"}),
        ({"subject": "Flood"}, {"raw_subject": "Storm"}),
        ({"status": "pending"}, {"custom_status_id": 81}),
        ({"assignee_id": 8}, {"assignee_email": ADDRESS}),
        ({"assignee_email": ADDRESS}, {"priority": "high"}),
        ({"custom_fields": [{"id": 1, "value": "b"}]}, {"custom_fields": [{"id": 1, "value": "a"}]}),
        ({"tags": {"add": ["vip"]}}, {"tags": {"remove": ["vip"]}}),
        ({"tags": {"remove": ["red"]}}, {"tags": {"add": ["red"]}}),
        ({"followers": [{"user_id": 41}]}, {"followers": [{"user_id": 41, "action": "delete"}]}),
        ({"followers": [{"user_id": 41}]}, {"followers": [{"user_email": ADDRESS, "action": "delete"}]}),
        ({"followers": [{"user_email": ADDRESS}]}, {"followers": [{"user_id": 41, "action": "delete"}]}),
        ({"email_ccs": [{"user_id": 41}]}, {"comment": COMMENT}),
        ({"email_ccs": [{"user_id": 41}]}, {"comment": {"body": "As public as the first one."}}),
        ({"comment": COMMENT}, {"email_ccs": [{"user_id": 41}]}),
        ({"priority": "high", "macro_id": 1}, {"status": "pending", "macro_id": 2}),
        ({"priority": "high", "metadata": {"a": 1}}, {"status": "pending", "metadata": {"a": 2}}),
        ({"priority": "high", "metadata": {"a": "x" * 450}}, {"status": "pending", "metadata": {"b": "x" * 480}}),
    ],
)
def test_what_contradicts_or_would_be_dropped_goes_one_by_one(one, other):
    assert pair(one, other) is None


def test_two_updates_that_make_too_many_email_ccs_go_one_by_one():
    first, second = {"email_ccs": [{"user_id": 41}]}, {"email_ccs": [{"user_email": ADDRESS}]}
    assert together(first, second, with_ccs(46)) == {"email_ccs": first["email_ccs"] + second["email_ccs"]}
    assert together(first, second, with_ccs(47)) is None


def test_a_public_comment_and_email_ccs_are_one():
    assert pair({"comment": REPLY}, {"email_ccs": [{"user_id": 41}]}) == {
        "comment": REPLY,
        "email_ccs": [{"user_id": 41}],
    }


def test_one_marker_is_a_text_and_several_are_a_list():
    sent = {"priority": "high", "metadata": {"by": "relay"}}
    assert marked(sent, ["m"]) == {"priority": "high", "metadata": {"by": "relay", MARKER: "m"}}
    assert marked({"priority": "high"}, ["m", "n"])["metadata"] == {MARKER: ["m", "n"]}
    assert sent["metadata"] == {"by": "relay"}


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=600), max_size=2))
def test_as_many_markers_as_there_is_room_for_fit_into_a_kilobyte_and_no_more(metadata):
    def size(number):
        markers = [f"{index:032}" for index in range(number)]
        return len(json.dumps(marked({"metadata": metadata}, markers)["metadata"], separators=(",", ":")).encode())

    room = room_for_markers(metadata)
    assert room == 0 or size(room) <= 1024
    assert size(room + 1) > 1024


def test_changes_that_are_valid_have_room_for_a_marker():
    metadata = {"note": "x" * (1024 - len('{"note":"","ticket_relay":""}') - 32)}
    assert TicketChanges.model_validate({"metadata": metadata})
    assert room_for_markers(metadata) == 1
