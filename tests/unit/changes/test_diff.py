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
    reasons,
    tags,
    update,
    with_ccs,
)
from ticket_relay.changes.diff import applied_to, fields, foreseeable, in_order
from ticket_relay.zendesk.ticket_models import normal_tag


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"priority": "normal"}, {}),
        ({"priority": "high", "status": "open"}, {"priority": "high"}),
        ({"assignee_id": "7"}, {}),
        ({"assignee_id": None}, {"assignee_id": None}),
        ({"priority": None}, {"priority": None}),
        ({"requester": 5}, {}),
        ({"subject": "Flood", "raw_subject": "Storm"}, {"raw_subject": "Storm"}),
        ({"subject": "Flood", "raw_subject": None}, {"subject": "Flood"}),
        ({"requester": 6}, {"requester_id": 6}),
        ({"requester": ADDRESS, "requester_id": 6}, {"requester_id": 6}),
        ({"requester": ADDRESS}, {"requester": ADDRESS}),
        ({"due_at": "2026-12-01T13:00:00+01:00"}, {}),
        ({"due_at": "2026-12-01T13:00:00Z"}, {"due_at": "2026-12-01T13:00:00Z"}),
        ({"sharing_agreement_ids": [2, 1]}, {}),
        ({"sharing_agreement_ids": [2]}, {"sharing_agreement_ids": [2]}),
        ({"comment": COMMENT}, {"comment": COMMENT}),
        ({"metadata": {"by": "relay"}, "priority": "normal"}, {}),
        ({"metadata": {"by": "relay"}, "priority": "low"}, {"metadata": {"by": "relay"}, "priority": "low"}),
        (
            dict.fromkeys(["tags", "custom_fields", "comment", "metadata", "followers", "email_ccs", "collaborators"]),
            {},
        ),
        ({}, {}),
    ],
)
def test_only_what_differs_from_the_ticket_is_sent(changes, sent):
    assert update(changes) == sent


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ([(1, "a"), (2, ["y", "x"]), (3, None), (4, "7"), (5, False)], []),
        ([(4, 7), (5, "false")], []),
        ([(4, 7.5), (5, True)], [(4, 7.5), (5, True)]),
        ([(1, "a"), (2, ["x"]), (9, 1)], [(2, ["x"]), (9, 1)]),
        ([(1, "b"), (1, "a")], []),
    ],
)
def test_only_the_custom_fields_that_differ_are_sent(given, sent):
    changed = update({"custom_fields": [{"id": key, "value": value} for key, value in given]})
    assert [(field["id"], field["value"]) for field in changed.get("custom_fields", [])] == sent


@pytest.mark.parametrize("name", ["collaborators", "collaborator_ids", "additional_collaborators"])
def test_collaborators_are_added_and_never_replaced(name):
    assert update({name: [21, 31, 41, 41]}) == {"additional_collaborators": [41]}
    assert update({name: [31]}) == {}
    assert update({name: []}) == {}


def test_collaborators_of_all_three_properties_are_added():
    changes = {
        "collaborators": [ADDRESS, {"email": ADDRESS}],
        "collaborator_ids": [41],
        "additional_collaborators": [42],
    }
    assert update(changes) == {"additional_collaborators": [42, 41, ADDRESS, {"email": ADDRESS}]}


@pytest.mark.parametrize(
    ("wanted", "sent"),
    [
        ({"replace": [31, 21, 31]}, None),
        ({"replace": [21]}, [21]),
        ({"replace": []}, []),
        ({"replace": [21, 31, ADDRESS, ADDRESS]}, [21, 31, ADDRESS]),
        ({"replace": [{"email": ADDRESS, "name": "Else"}]}, [{"email": ADDRESS, "name": "Else"}]),
        ({"remove": [21, 41]}, [31]),
        ({"remove": [31, 21]}, []),
        ({"remove": [41]}, None),
        ({"remove": []}, None),
    ],
)
def test_collaborators_are_replaced_and_removed_only_on_demand(wanted, sent):
    assert update({"collaborators": wanted}) == ({} if sent is None else {"collaborators": sent})


def test_whoever_is_on_the_ticket_in_another_role_stays_when_others_are_removed():
    ticket = {"collaborator_ids": [31], "follower_ids": [21], "email_cc_ids": [31, 51]}
    assert update({"collaborators": {"remove": [31]}}, ticket) == {"collaborators": [21, 51]}


@pytest.mark.parametrize("wanted", [{"replace": [21]}, {"remove": [21]}])
def test_no_list_is_sent_without_the_tickets_own(wanted):
    assert reasons(update, {"collaborators": wanted}, {"id": 1})[0] == "collaborators_unknown"


@pytest.mark.parametrize(("name", "there", "not_there"), [("followers", 21, 31), ("email_ccs", 31, 21)])
def test_only_watchers_who_are_not_as_they_should_be_are_sent(name, there, not_there):
    wanted = [{"user_id": not_there}, {"user_id": there, "action": "delete"}]
    assert update({name: wanted}) == {name: wanted}
    assert update({name: [{"user_id": str(there)}, {"user_id": not_there, "action": "delete"}]}) == {}


def test_of_several_watchers_for_one_person_the_last_counts():
    assert update({"followers": [{"user_id": 41}, {"user_id": 41, "action": "delete"}]}) == {}
    by_address = [{"user_email": ADDRESS}, {"user_email": ADDRESS.upper(), "action": "delete"}]
    assert update({"followers": by_address}) == {"followers": by_address[1:]}


def test_watchers_by_address_cannot_be_known_and_are_sent():
    by_address = [
        {"user_email": ADDRESS, "user_name": "Someone"},
        {"user_email": "nobody@example.com", "action": "delete"},
    ]
    assert update({"email_ccs": by_address}) == {"email_ccs": by_address}


DUE = {"due_at": "2026-12-24T12:00:00Z"}


@pytest.mark.parametrize(
    ("changes", "ticket"),
    [(DUE, {"type": "question"}), (DUE, {"type": None}), (DUE | {"type": "incident"}, {"type": "task"})],
)
def test_only_a_task_can_be_due(changes, ticket):
    assert reasons(update, changes, TICKET | ticket)[0] == "due_at_without_task"


@pytest.mark.parametrize(
    ("changes", "ticket"),
    [(DUE, {"type": "task"}), (DUE | {"type": "task"}, {"type": None}), ({"due_at": None}, {"type": "question"})],
)
def test_a_task_can_be_due_and_anything_can_be_due_no_more(changes, ticket):
    assert update(changes, TICKET | ticket)["due_at"] == changes["due_at"]


@pytest.mark.parametrize("added", [{"user_id": 41}, {"user_email": ADDRESS}])
def test_the_49th_email_cc_is_a_failure_since_zendesk_would_drop_it_in_silence(added):
    assert update({"email_ccs": [added]}, with_ccs(47))
    assert reasons(update, {"email_ccs": [added]}, with_ccs(48)) == (
        "too_many_email_ccs",
        "changes.email_ccs: a ticket keeps no more than 48.",
    )


def test_who_is_an_email_cc_already_or_makes_room_does_not_count():
    assert update({"email_ccs": [{"user_id": 1000}]}, with_ccs(48)) == {}
    assert update({"email_ccs": [{"user_id": 1000, "action": "delete"}, {"user_id": 41}]}, with_ccs(48))
    assert update({"priority": "high"}, with_ccs(48))


def test_without_a_ticket_everything_is_sent():
    changes = {
        "priority": "high",
        "assignee_id": None,
        "custom_fields": [{"id": 1, "value": None}],
        "followers": [{"user_id": 21}, {"user_id": 31, "action": "delete"}],
        "additional_collaborators": [21],
    }
    assert update(changes, {}) == changes


def test_tags_are_not_sent_without_knowing_the_tickets_own():
    assert reasons(update, {"tags": {"add": ["vip"]}}, {})[0] == "tags_unknown"
    assert update({"tags": {"add": ["vip"]}}, {"tags": None}) == {"tags": ["vip"]}


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"add": ["red", "blue"], "remove": ["green"]}, {}),
        ({"add": ["green"], "remove": ["blue"]}, {"tags": ["red", "green"]}),
        ({"remove": ["red", "blue"]}, {"tags": []}),
        ({}, {}),
    ],
)
def test_tags_are_changed_relative_to_the_tickets_own(changes, sent):
    assert update({"tags": changes}) == sent


@given(
    current=st.lists(st.sampled_from(["red", "Blue", "green", "vip", "a_b", "late"]), unique=True),
    add=tags,
    remove=tags,
)
def test_tags_are_added_and_removed_and_the_others_stay_in_their_order(current, add, remove):
    remove = [tag for tag in remove if tag not in add]
    sent = update({"tags": {"add": add, "remove": remove}}, {"tags": current}).get("tags", current)
    after = [normal_tag(tag) for tag in sent]
    assert {normal_tag(tag) for tag in add} <= set(after)
    assert not {normal_tag(tag) for tag in remove} & set(after)
    untouched = [tag for tag in current if normal_tag(tag) not in map(normal_tag, [*add, *remove])]
    assert [tag for tag in sent if tag in untouched] == untouched
    assert set(after) <= {normal_tag(tag) for tag in [*current, *add]}
    assert len(after) == len(set(after))


def test_an_update_is_one_request():
    assert in_order({"comment": COMMENT, "priority": "high"}) == [{"comment": COMMENT, "priority": "high"}]
    assert in_order({"comment": REPLY, "email_ccs": [{"user_id": 41}]}) == [
        {"comment": REPLY, "email_ccs": [{"user_id": 41}]}
    ]


@pytest.mark.parametrize("comment", [COMMENT, {"body": "As public as the first one."}])
def test_email_ccs_and_what_may_be_an_internal_note_are_two_requests_and_the_note_comes_last(comment):
    companions = {"metadata": {"by": "relay"}, "macro_id": 3}
    assert in_order({"comment": comment, "email_ccs": [{"user_id": 41}], "status": "open", **companions}) == [
        {"email_ccs": [{"user_id": 41}], "status": "open"},
        {"comment": comment, **companions},
    ]


def test_the_fields_of_an_update_are_named_in_parts():
    changes = {
        "raw_subject": "{{dc.fire}}",
        "assignee_email": "agent@example.com",
        "custom_status_id": 82,
        "requester": ADDRESS,
        "priority": "high",
        "tags": {"add": ["vip"], "remove": ["blue"]},
        "custom_fields": [{"id": 1, "value": "a"}, {"id": 3, "value": "b"}],
        "followers": [{"user_id": 41}, {"user_id": 21, "action": "delete"}],
        "email_ccs": [{"user_email": ADDRESS}],
        "collaborators": [42, ADDRESS, {"email": ADDRESS}],
        "comment": COMMENT,
        "metadata": {"by": "relay"},
        "macro_ids": [3],
    }
    assert fields(update(changes), TICKET) == {
        *("subject", "assignee_id", "status", "requester_id", "priority", "tags.vip", "tags.blue", "custom_fields.3"),
        *("followers.41", "followers.21", "email_ccs", "collaborators.42", "collaborators", "comment"),
    }


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({"remove": [21]}, {"collaborators.21"}),
        ({"replace": [21, 41]}, {"collaborators.31", "collaborators.41"}),
        ({"replace": [21, 31, ADDRESS]}, {"collaborators"}),
    ],
)
def test_who_comes_and_who_goes_is_named(wanted, names):
    assert fields(update({"collaborators": wanted}), TICKET) == names


def test_a_name_holds_no_address_even_where_a_tag_does():
    assert fields({"tags": ["red", "Blue", ADDRESS]}, TICKET) == {"tags"}


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({"priority": "high", "comment": COMMENT, "tags": {"add": ["vip"]}, "followers": [{"user_id": 41}]}, True),
        ({"requester_id": 6, "assignee_id": 8}, True),
        ({"requester": ADDRESS}, False),
        ({"assignee_email": ADDRESS}, False),
        ({"custom_status_id": 82}, False),
        ({"collaborator_ids": [41]}, False),
        ({"collaborators": {"remove": [21]}}, False),
        ({"email_ccs": [{"user_id": 41}, {"user_email": ADDRESS}]}, False),
    ],
)
def test_what_zendesk_has_to_find_out_cannot_be_foreseen(changes, known):
    assert foreseeable(update(changes), TICKET) is known


def test_whether_a_new_ticket_opens_when_it_is_assigned_cannot_be_foreseen():
    assert not foreseeable({"assignee_id": 8}, TICKET | {"status": "new"})
    assert foreseeable({"priority": "high"}, TICKET | {"status": "new"})


def test_an_update_leaves_the_ticket_that_it_was_decided_on_alone():
    before = json.dumps(TICKET)
    applied_to(TICKET, update({"custom_fields": [{"id": 1, "value": "b"}], "followers": [{"user_id": 41}]}))
    assert json.dumps(TICKET) == before


def test_the_ticket_after_an_update():
    changes = {
        "raw_subject": "Flood",
        "status": "pending",
        "tags": {"add": ["vip"]},
        "custom_fields": [{"id": 3, "value": "b"}, {"id": 9, "value": "c"}],
        "followers": [{"user_id": 41}, {"user_id": 21, "action": "delete"}],
        "comment": COMMENT,
        "metadata": {"by": "relay"},
    }
    after = applied_to(TICKET, update(changes))
    assert after == TICKET | {
        "subject": "Flood",
        "raw_subject": "Flood",
        "status": "pending",
        "custom_status_id": None,
        "tags": ["red", "Blue", "vip"],
        "custom_fields": [
            *TICKET["custom_fields"][:2],
            {"id": 3, "value": "b"},
            *TICKET["custom_fields"][3:],
            {"id": 9, "value": "c"},
        ],
        "follower_ids": [41],
    }


@given(decided)
def test_changes_that_were_applied_are_true(changes):
    again = update(changes, applied_to(TICKET, update(changes)))
    assert again.keys() <= {"comment", "metadata", "macro_id"}
    assert again.keys() - {"metadata", "macro_id"} == changes.keys() & {"comment"}


@given(decided)
def test_what_an_update_sets_is_what_differs_afterwards(changes):
    sent = update(changes)
    after = applied_to(TICKET, sent)
    named = {name.partition(".")[0] for name in fields(sent, TICKET)} - {"comment"}
    shown = {"followers": "follower_ids", "email_ccs": "email_cc_ids"}
    different = {name for name in TICKET if TICKET[name] != after[name]} - {"raw_subject", "custom_status_id"}
    assert {shown.get(name, name) for name in named} == different
