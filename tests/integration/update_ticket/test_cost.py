"""What one update takes of Zendesk, and what goes over the line."""

import re

import pytest

from local.zendesk_simulator.clock import stamp
from tests.integration.update_ticket.agent import COMMENT, RAISE, TAGS
from ticket_relay.update_ticket.webhook import Receipt
from ticket_relay.zendesk.ticket_models import MARKER


def test_literal_changes_with_an_exact_stamp_take_one_call(webhook, agent):
    assert webhook(changes=RAISE) == Receipt("applied", "inv_1", agent.id)
    assert agent.calls() == [("PUT", 200)]
    assert agent.ticket["priority"] == "high"
    assert agent.comments == ["It burns", COMMENT["body"]]


@pytest.mark.parametrize("updated_at", ["2026-11-21T22:00Z", "2026-11-21T22:00+0100", "Nov21", "", None, ...], ids=str)
def test_a_stamp_that_is_not_exact_is_read_from_the_ticket(webhook, agent, updated_at):
    assert webhook(changes=RAISE, updated_at=updated_at).state == "applied"
    assert agent.calls() == [("GET", 200), ("PUT", 200)]


def test_an_exact_stamp_may_have_a_fraction_and_an_offset(webhook, agent, clock):
    moment = stamp(clock() + 3600).replace("Z", ".123456789+01:00")
    assert webhook(changes=RAISE, updated_at=moment).state == "applied"
    assert agent.calls() == [("PUT", 200)]


def test_a_stamp_later_than_the_webhook_itself_protects_from_nothing_and_is_not_used(webhook, agent, clock):
    assert webhook(changes=RAISE, updated_at=stamp(clock() + 3600)).state == "applied"
    assert agent.calls() == [("GET", 200), ("PUT", 200)]


def test_tags_are_added_and_removed_relative_to_the_fresh_ticket(webhook, agent):
    agent.edit(tags=["a", "triage"])
    assert webhook(changes=TAGS).state == "applied"
    assert agent.calls() == [("GET", 200), ("PUT", 200)]
    assert agent.ticket["tags"] == ["a", "ours"]


def test_the_shipped_rule_takes_two_calls(webhook, agent):
    assert webhook(rule="escalate-vip").state == "applied"
    assert agent.calls() == [("GET", 200), ("PUT", 200)]
    assert (agent.ticket["priority"], agent.ticket["tags"]) == ("high", ["escalated", "vip_customer"])


def test_a_rule_that_needs_nothing_of_the_ticket_takes_one_call(webhook, agent, rule):
    assert webhook(rule=rule({"priority": "${event.level}"}), level="urgent").state == "applied"
    assert agent.calls() == [("PUT", 200)]
    assert agent.ticket["priority"] == "urgent"


def test_an_update_whose_changes_are_true_already_is_not_sent(webhook, agent, rule):
    name = rule({"tags": {"add": ["vip_customer"]}, "subject": "${ticket.subject}"})
    assert webhook(rule=name).state == "applied"
    assert agent.calls() == [("GET", 200)]


def test_a_rule_whose_condition_does_not_hold_leaves_the_ticket_alone(webhook, agent):
    agent.edit(tags=["triage"])
    assert webhook(rule="escalate-vip").state == "skipped"
    assert agent.calls() == [("GET", 200)]


def test_a_rule_that_does_not_fit_the_ticket_fails_with_the_place(webhook, agent, rule, row):
    assert webhook(rule=rule({"priority": "${ticket.subject}"})).state == "failed"
    assert (row().error_code, row().error_sentence.split(":")[0]) == ("changes_invalid", "changes.priority")


def test_every_update_is_safe_stamped_and_marked_and_keeps_the_rules_metadata(webhook, agent, wire, rule, row):
    name = rule({"tags": {"add": ["ours"]}, "metadata": {"why": "${event.why}"}, "comment": COMMENT})
    wire.meanwhile["GET"] = [lambda: agent.tag("theirs")]
    assert webhook(rule=name, why="test").state == "applied"
    first, second = wire.sent()
    for sent in (first, second):
        assert sent["safe_update"] is True
        assert sent["metadata"] == {"why": "test", MARKER: row().marker}
    assert first["updated_stamp"] < second["updated_stamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", second["updated_stamp"])
