import json
from pathlib import Path

import pytest
import yaml

from ticket_relay.changes.diff import applied_to, fields, to_update
from ticket_relay.definitions.models import CustomField, LiteralChanges, UpdateRule
from ticket_relay.errors import MappingFailed
from ticket_relay.update_ticket.rules import decide, needs_ticket

ROOT = Path(__file__).parents[3]
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


def shipped(name):
    return UpdateRule.model_validate(yaml.safe_load((ROOT / f"layers/config/updates/{name}.yaml").read_text()))


def literal(changes):
    return LiteralChanges(changes=changes)


def event(name):
    return json.loads((ROOT / "events" / name).read_text())


def test_the_shipped_rule_escalates_the_sample_ticket():
    escalate = shipped("escalate-vip")
    ticket = event("zendesk-ticket-vip-waiting.json")["ticket"]
    changes = decide(escalate, ticket, event("zendesk-ticket-update-escalate-vip.json"))
    assert to_update(changes, ticket) == {
        "priority": "high",
        "tags": ["checkout_api", "vip_customer", "escalated"],
        "comment": {"body": "Escalated from normal by the rule escalate-vip.", "public": False},
    }
    assert needs_ticket(escalate)


def test_the_shipped_rule_leaves_its_own_result_alone():
    escalate = shipped("escalate-vip")
    ticket = event("zendesk-ticket-vip-waiting.json")["ticket"]
    body = event("zendesk-ticket-update-escalate-vip.json")
    escalated = applied_to(ticket, to_update(decide(escalate, ticket, body), ticket))
    assert decide(escalate, escalated, body) is None


def test_the_shipped_rule_that_merges_touches_its_field_and_adds_who_does_not_follow_yet():
    hand_over = shipped("refund-to-finance")
    ticket = event("zendesk-ticket-refund-approved.json")["ticket"]
    update = to_update(decide(hand_over, ticket, event("zendesk-ticket-update-refund-to-finance.json")), ticket)
    assert update == {
        "custom_fields": [{"id": 360008591395, "value": "refund_stage_finance"}],
        "followers": [{"user_id": 377922500032}],
    }
    assert fields(update, ticket) == {"custom_fields.360008591395", "followers.377922500032"}
    assert hand_over.on_conflict == "merge"


def test_the_shipped_rule_that_merges_finds_nothing_to_do_on_its_own_result():
    hand_over = shipped("refund-to-finance")
    ticket = event("zendesk-ticket-refund-approved.json")["ticket"]
    body = event("zendesk-ticket-update-refund-to-finance.json")
    after = applied_to(ticket, to_update(decide(hand_over, ticket, body), ticket))
    assert to_update(decide(hand_over, after, body), after) == {}


def test_the_literal_changes_of_the_sample_are_decided_without_a_rule():
    body = event("zendesk-ticket-update-literal-changes.json")
    changes = decide(literal(body["changes"]), TICKET, body)
    assert to_update(changes, TICKET | {"tags": ["triage"]}) == {
        "priority": "high",
        "tags": ["vip"],
        "comment": body["changes"]["comment"],
    }


def test_literal_changes_are_no_template():
    changes = decide(literal({"comment": {"body": "${ticket.id}"}}), TICKET, {})
    assert changes.comment.body == "${ticket.id}"


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
        (rule({"subject": "${2 ** ticket.id ** 9}"}), "mapping_too_large", "changes: becomes too large."),
        (rule({"tags": {"add": "vip"}}), "changes_invalid", "changes.tags.add: Input should be a valid list."),
        (
            literal({"priority": "canary"}),
            "changes_invalid",
            "changes.priority: Input should be 'urgent', 'high', 'normal' or 'low'.",
        ),
        (literal({"canary": 1}), "changes_invalid", "changes: unknown field."),
        (literal({"external_id": "canary"}), "changes_invalid", "changes: unknown field."),
        (literal({"safe_update": True}), "changes_invalid", "changes: unknown field."),
    ],
)
def test_what_cannot_be_decided_names_the_place_and_no_value(decider, code, sentence):
    with pytest.raises(MappingFailed) as failed:
        decide(decider, TICKET, {})
    assert (failed.value.code, failed.value.sentence) == (code, sentence)


@pytest.mark.parametrize(
    ("decider", "expected"),
    [
        (literal({"priority": "high"}), False),
        (literal({"comment": COMMENT, "custom_fields": [{"id": 1, "value": "b"}]}), False),
        (literal({"comment": {"body": "${ticket.id}"}}), False),
        (literal({"tags": {"add": ["vip"]}}), True),
        (literal({"email_ccs": [{"user_id": 5}]}), True),
        (literal({"collaborators": {"remove": [5]}}), True),
        (literal({"additional_collaborators": [5]}), False),
        (LiteralChanges(changes={"priority": "high"}, on_conflict="merge", on_closed="follow_up"), False),
        (rule({"priority": "high"}), False),
        (rule({"priority": "${event.priority}"}, when="event.rule == 'raise'"), False),
        (rule({"comment": {"body": "This ticket was raised now, see its tags."}, "ticket_form_id": 4}), False),
        (rule({"priority": "high"}, when="ticket.status == 'open'"), True),
        (rule({"comment": {"body": "Was ${ticket.priority}."}}), True),
        (rule({"tags": {"add": ["vip"]}}), True),
        (rule({"email_ccs": [{"user_id": 5}]}), True),
        (rule({"collaborators": {"replace": [5]}}), True),
        (rule({"additional_collaborators": [5]}), False),
        (rule({"$merge": [{"tags": {"add": ["vip"]}}]}), True),
        (rule({"priority": {"$if": "ticket.status == 'open'", "then": "high", "else": "low"}}), True),
        (rule({"priority": {"$switch": {"ticket.status == 'open'": "high", "$default": "low"}}}), True),
        (rule({"custom_fields": {"$map": {"$eval": "ticket.custom_fields"}, "each(f)": {"$eval": "f"}}}), True),
        (rule({"due_at": {"$fromNow": "2 hours"}}), True),
        (rule({"due_at": "${event.due}"}), True),
        (literal({"due_at": "2026-12-01T12:00:00Z"}), True),
        (rule({"subject": "At ${now}"}), True),
    ],
)
def test_a_ticket_is_read_only_if_the_decision_needs_it(decider, expected):
    assert needs_ticket(decider) is expected


def test_a_value_that_a_field_does_not_take_fails_where_the_build_knew_the_field():
    changes = {"custom_fields": [{"id": 12, "value": "${event.seen}"}]}
    known = rule(changes).model_copy(update={"fields_set": {12: CustomField(title="Seen on", type="date")}})
    assert decide(known, {}, {"seen": "2026-11-20"}).custom_fields[0].value == "2026-11-20"
    with pytest.raises(MappingFailed) as failed:
        decide(known, {}, {"seen": "2026-11-20T08:14:30Z"})
    assert failed.value.code == "changes_invalid"
    assert failed.value.sentence == ("changes.custom_fields[0].value: Seen on takes a day, YYYY-MM-DD, without a time.")
    assert decide(rule(changes), {}, {"seen": "2026-11-20T08:14:30Z"})
