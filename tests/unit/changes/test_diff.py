import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.changes.combine import marked, room_for_markers, together
from ticket_relay.changes.diff import applied_to, fields, foreseeable, in_order, to_update
from ticket_relay.changes.follow_up import follow_up
from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk.ticket_models import MARKER, TicketChanges, normal_tag, to_request

TICKET = {
    "id": 35436,
    "subject": "Fire",
    "raw_subject": "Fire",
    "status": "open",
    "custom_status_id": 81,
    "priority": "normal",
    "requester_id": 5,
    "assignee_id": 7,
    "due_at": "2026-12-01T12:00:00Z",
    "collaborator_ids": [21, 31],
    "follower_ids": [21],
    "email_cc_ids": [31],
    "sharing_agreement_ids": [1, 2],
    "tags": ["red", "Blue"],
    "custom_fields": [
        {"id": 1, "value": "a"},
        {"id": 2, "value": ["x", "y"]},
        {"id": 3, "value": None},
        {"id": 4, "value": "7"},
        {"id": 5, "value": False},
    ],
    "updated_at": "2026-11-21T22:00:00Z",
}
COMMENT = {"body": "Raised.", "public": False}
REPLY = {"body": "Raised.", "public": True}
ADDRESS = "someone@example.com"


def update(changes, ticket=TICKET):
    return to_update(TicketChanges.model_validate(changes), ticket)


def reasons(call, *arguments):
    with pytest.raises(MappingFailed) as failed:
        call(*arguments)
    return failed.value.code, failed.value.sentence


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
    by_address = [{"user_email": ADDRESS, "user_name": "Someone"}]
    assert update({"email_ccs": by_address}) == {"email_ccs": by_address}


def with_ccs(number):
    return TICKET | {"email_cc_ids": list(range(1000, 1000 + number))}


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


tags = st.lists(st.sampled_from(["red", "Blue", "green", "vip", "a b", "late"]), unique=True)


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


people = st.lists(
    st.builds(
        lambda who, action: {"user_id": who, "action": action},
        st.sampled_from([21, 31, 41, 51]),
        st.sampled_from(["put", "delete"]),
    ),
    max_size=3,
)
values = st.none() | st.sampled_from(["a", "b", "7", "true"]) | st.booleans() | st.integers(6, 8) | st.just(["x"])
decided = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.sampled_from(["high", "normal", None]),
        "status": st.sampled_from(["open", "pending"]),
        "subject": st.sampled_from(["Fire", "Flood"]),
        "raw_subject": st.sampled_from(["Fire", "Storm"]),
        "requester": st.sampled_from([5, 6]),
        "assignee_id": st.sampled_from([7, 8, None]),
        "due_at": st.sampled_from(["2026-12-01T13:00:00+01:00", "2026-12-02T12:00:00Z"]),
        "tags": st.builds(
            lambda add, remove: {"add": add, "remove": [tag for tag in remove if tag not in add]}, tags, tags
        ),
        "custom_fields": st.lists(
            st.builds(lambda key, value: {"id": key, "value": value}, st.integers(1, 6), values), max_size=3
        ),
        "followers": people,
        "email_ccs": people,
        "comment": st.sampled_from([COMMENT, REPLY, {"body": "x"}]),
        "metadata": st.dictionaries(st.sampled_from("ab"), st.sampled_from(["1", "2", "x" * 450]), max_size=2).filter(
            lambda metadata: len(json.dumps(metadata)) < 900
        ),
        "macro_id": st.sampled_from([1, 2]),
    },
)


def known(ticket):
    """A ticket with what is a set to Zendesk as a set, and a number as the text in which a field may give it back."""
    shown = ticket | {name: set(ticket[name]) for name in ("follower_ids", "email_cc_ids", "tags")}
    values = {field["id"]: field["value"] for field in ticket["custom_fields"]}
    return shown | {
        "custom_fields": {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
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


def pair(one, other, ticket=TICKET):
    first = update(one, ticket)
    return together(first, update(other, applied_to(ticket, first)), ticket)


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


CLOSED = TICKET | {"status": "closed"}


def followed(changes, ticket=CLOSED):
    return follow_up(TicketChanges.model_validate(changes), ticket).given()


def test_a_follow_up_refers_to_the_closed_ticket_and_inherits_its_tags():
    assert followed({"comment": COMMENT, "priority": "normal"}) == {
        "via_followup_source_id": 35436,
        "requester_id": 5,
        "subject": "Fire",
        "comment": COMMENT,
        "priority": "normal",
    }


def test_tags_of_a_follow_up_are_the_closed_tickets_changed():
    assert followed({"comment": COMMENT, "tags": {"add": ["vip"], "remove": ["red"]}})["tags"] == ["blue", "vip"]


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({"requester": ADDRESS}, {"requester": ADDRESS}),
        ({"requester": 6}, {"requester_id": 6}),
        ({"raw_subject": "Flood"}, {"raw_subject": "Flood"}),
    ],
)
def test_what_the_changes_say_themselves_is_not_carried_over(changes, given):
    expected = {"via_followup_source_id": 35436, "requester_id": 5, "subject": "Fire", "comment": COMMENT} | given
    expected.pop("requester_id" if "requester" in given else "", None)
    expected.pop("subject" if "raw_subject" in given else "", None)
    assert followed({"comment": COMMENT} | changes) == expected


def test_a_follow_up_is_not_born_closed_and_clears_nothing():
    changes = {"comment": COMMENT, "status": "closed", "assignee_id": None, "priority": None}
    assert followed(changes).keys() == {"via_followup_source_id", "requester_id", "subject", "comment"}


def test_collaborators_of_a_follow_up_are_added():
    assert followed({"comment": COMMENT, "collaborator_ids": [41]})["additional_collaborators"] == [41]


def test_a_follow_up_of_a_ticket_without_subject_gets_none():
    assert "subject" not in followed({"comment": COMMENT}, CLOSED | {"subject": None})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"priority": "high"}, "follow_up_needs_comment"),
        ({"comment": COMMENT, "email_ccs": [{"user_id": 41}]}, "follow_up_loses_email_ccs"),
    ],
)
def test_what_cannot_become_a_follow_up_says_why(changes, code):
    assert reasons(followed, changes)[0] == code


def test_a_follow_up_can_be_requested():
    creation = follow_up(TicketChanges.model_validate({"comment": COMMENT}), CLOSED)
    assert json.loads(to_request(creation, "zendesk:follow-up"))["ticket"]["via_followup_source_id"] == 35436
