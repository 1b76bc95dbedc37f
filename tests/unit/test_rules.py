import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.definitions import UpdateRule
from ticket_relay.errors import MappingFailed
from ticket_relay.rules import decide, needs_ticket, to_update
from ticket_relay.zendesk.tickets import TicketChanges, normal_tag

ROOT = Path(__file__).parents[2]
TICKET = {
    "id": 35436,
    "status": "open",
    "priority": "normal",
    "assignee_id": 7,
    "due_at": "2026-12-01T12:00:00Z",
    "collaborator_ids": [1, 2],
    "tags": ["red", "Blue"],
    "custom_fields": [{"id": 1, "value": "a"}, {"id": 2, "value": ["x", "y"]}, {"id": 3, "value": None}],
    "updated_at": "2026-11-21T22:00:00Z",
}
COMMENT = {"body": "Raised.", "public": False}


def rule(changes, when=None):
    return UpdateRule(rule="raise", sample={"event": "e.json", "ticket": "t.json"}, when=when, changes=changes)


def update(changes, ticket=TICKET):
    return to_update(TicketChanges.model_validate(changes), ticket)


def event(name):
    return json.loads((ROOT / "events" / name).read_text())


def test_the_shipped_rule_escalates_the_sample_ticket():
    escalate = UpdateRule.model_validate(yaml.safe_load((ROOT / "layers/config/updates/escalate-vip.yaml").read_text()))
    ticket = event("zendesk-ticket-vip-waiting.json")["ticket"]
    changes = decide(escalate, ticket, event("zendesk-ticket-update-escalate-vip.json"))
    assert to_update(changes, ticket) == {
        "priority": "high",
        "tags": ["checkout_api", "vip_customer", "escalated"],
        "comment": {"body": "Escalated from normal by the rule escalate-vip.", "public": False},
    }
    assert needs_ticket(escalate)


def test_the_shipped_rule_leaves_its_own_result_alone():
    escalate = UpdateRule.model_validate(yaml.safe_load((ROOT / "layers/config/updates/escalate-vip.yaml").read_text()))
    ticket = event("zendesk-ticket-vip-waiting.json")["ticket"]
    body = event("zendesk-ticket-update-escalate-vip.json")
    escalated = ticket | to_update(decide(escalate, ticket, body), ticket)
    assert decide(escalate, escalated, body) is None


def test_the_literal_changes_of_the_sample_are_decided_without_a_rule():
    body = event("zendesk-ticket-update-literal-changes.json")
    changes = decide(body["changes"], TICKET, body)
    assert to_update(changes, TICKET | {"tags": ["triage"]}) == {
        "priority": "high",
        "tags": ["vip"],
        "comment": body["changes"]["comment"],
    }


def test_a_condition_that_does_not_hold_means_no_changes():
    assert decide(rule({"priority": "high"}, when="ticket.status == 'closed'"), TICKET, {}) is None


def test_a_rule_sees_the_ticket_and_the_event():
    changes = decide(
        rule({"subject": "${ticket.id} ${event.actor_id}"}, when="event.actor_id == '3'"), TICKET, {"actor_id": "3"}
    )
    assert changes.given() == {"subject": "35436 3"}


def test_the_clock_of_a_rule_is_the_tickets():
    changes = decide(rule({"due_at": {"$fromNow": "2 hours"}}), TICKET, {})
    assert changes.due_at == "2026-11-22T00:00:00.000Z"


def test_a_rule_that_asks_for_the_time_of_no_ticket_fails_rather_than_look_at_the_clock():
    with pytest.raises(MappingFailed):
        decide(rule({"due_at": {"$fromNow": "2 hours"}}), {}, {})


@pytest.mark.parametrize(
    ("decider", "code", "sentence"),
    [
        (
            rule({"priority": "${ticket.nothing}"}),
            "mapping_failed",
            'changes.priority: object has no property "nothing".',
        ),
        (rule({}, when="ticket.nothing"), "mapping_failed", 'when: object has no property "nothing".'),
        (rule({"tags": {"add": "vip"}}), "changes_invalid", "changes.tags.add: Input should be a valid list."),
        (
            {"priority": "canary"},
            "changes_invalid",
            "changes.priority: Input should be 'urgent', 'high', 'normal' or 'low'.",
        ),
        ({"canary": 1}, "changes_invalid", "changes: unknown field."),
        ({"external_id": "canary"}, "changes_invalid", "changes: unknown field."),
        ({"safe_update": True}, "changes_invalid", "changes: unknown field."),
        ("canary", "changes_invalid", "changes: Input should be a valid dictionary or instance of TicketChanges."),
    ],
)
def test_what_cannot_be_decided_names_the_place_and_no_value(decider, code, sentence):
    with pytest.raises(MappingFailed) as failed:
        decide(decider, TICKET, {})
    assert (failed.value.code, failed.value.sentence) == (code, sentence)


@pytest.mark.parametrize(
    ("decider", "expected"),
    [
        ({"priority": "high"}, False),
        ({"comment": COMMENT, "custom_fields": [{"id": 1, "value": "b"}]}, False),
        ({"tags": {"add": ["vip"]}}, True),
        (rule({"priority": "high"}), False),
        (rule({"priority": "${event.priority}"}, when="event.rule == 'raise'"), False),
        (rule({"comment": {"body": "This ticket was raised now, see its tags."}, "ticket_form_id": 4}), False),
        (rule({"priority": "high"}, when="ticket.status == 'open'"), True),
        (rule({"comment": {"body": "Was ${ticket.priority}."}}), True),
        (rule({"tags": {"add": ["vip"]}}), True),
        (rule({"$merge": [{"tags": {"add": ["vip"]}}]}), True),
        (rule({"priority": {"$if": "ticket.status == 'open'", "then": "high", "else": "low"}}), True),
        (rule({"priority": {"$switch": {"ticket.status == 'open'": "high", "$default": "low"}}}), True),
        (rule({"custom_fields": {"$map": {"$eval": "ticket.custom_fields"}, "each(f)": {"$eval": "f"}}}), True),
        (rule({"due_at": {"$fromNow": "2 hours"}}), True),
        (rule({"subject": "At ${now}"}), True),
    ],
)
def test_a_ticket_is_read_only_if_the_decision_needs_it(decider, expected):
    assert needs_ticket(decider) is expected


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"priority": "normal"}, {}),
        ({"priority": "high", "status": "open"}, {"priority": "high"}),
        ({"assignee_id": "7"}, {}),
        ({"assignee_id": None}, {"assignee_id": None}),
        ({"priority": None}, {"priority": None}),
        ({"due_at": "2026-12-01T13:00:00+01:00"}, {}),
        ({"due_at": "2026-12-01T13:00:00Z"}, {"due_at": "2026-12-01T13:00:00Z"}),
        ({"collaborator_ids": [2, 1]}, {}),
        ({"collaborator_ids": [2]}, {"collaborator_ids": [2]}),
        ({"custom_fields": [{"id": 1, "value": "a"}, {"id": 2, "value": ["y", "x"]}, {"id": 3, "value": None}]}, {}),
        (
            {"custom_fields": [{"id": 1, "value": "a"}, {"id": 2, "value": ["x"]}, {"id": 9, "value": 1}]},
            {"custom_fields": [{"id": 2, "value": ["x"]}, {"id": 9, "value": 1}]},
        ),
        ({"tags": {"add": ["red", "blue"], "remove": ["green"]}}, {}),
        ({"tags": {"add": ["green"], "remove": ["blue"]}}, {"tags": ["red", "green"]}),
        ({"tags": {"remove": ["red", "blue"]}}, {"tags": []}),
        ({"tags": None, "custom_fields": None, "comment": None, "metadata": None}, {}),
        ({"comment": COMMENT}, {"comment": COMMENT}),
        ({"followers": [{"user_id": 1}]}, {"followers": [{"user_id": 1}]}),
        ({"metadata": {"by": "relay"}, "priority": "normal"}, {}),
        ({"metadata": {"by": "relay"}, "priority": "low"}, {"metadata": {"by": "relay"}, "priority": "low"}),
        ({}, {}),
    ],
)
def test_only_what_differs_from_the_ticket_is_sent(changes, sent):
    assert update(changes) == sent


def test_without_a_ticket_everything_is_sent():
    changes = {"priority": "high", "assignee_id": None, "custom_fields": [{"id": 1, "value": None}]}
    assert update(changes, {}) == changes


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


@given(current=tags, add=tags)
def test_tags_that_are_there_already_change_nothing(current, add):
    once = update({"tags": {"add": add}}, {"tags": current}).get("tags", current)
    assert update({"tags": {"add": add}}, {"tags": once}) == {}
