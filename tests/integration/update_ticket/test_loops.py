"""An update fires the trigger that asked for it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from local.zendesk_simulator import Fault, Trigger
from tests.builders import SECRETS
from tests.integration.update_ticket.agent import COMMENT, RAISE, TAGS
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.update_ticket import webhook


@pytest.fixture
def triggered(zendesk, agent) -> Callable[..., list[str]]:
    """Zendesk's own trigger fires at each update; the relay gets what it sends, until there is nothing more."""
    delivered = 0

    def run(services: Any, body: dict[str, Any]) -> list[str]:
        nonlocal delivered
        # Nobody listens at this address: the test itself carries the webhooks.
        zendesk.account.triggers.rules = [Trigger("http://127.0.0.1:9/", SECRETS["zendesk"], json.dumps(body))]
        agent.tag("begin")
        states = []
        while (invocations := zendesk.account.deliveries.invocations[delivered:]) and len(states) < 10:
            delivered += len(invocations)
            for invocation in invocations:
                headers = {
                    **invocation.headers(agent.clock()),
                    "x-zendesk-webhook-invocation-id": invocation.id,
                    "content-type": "application/json",
                }
                states.append(webhook.receive(services, headers, invocation.body, Deadline.after(3.5)).state)
        return states

    return run


def pasted(**body: Any) -> dict[str, Any]:
    return {
        "ticket_id": "{{ticket.id}}",
        "updated_at": "{{ticket.updated_at_with_timestamp}}",
        "actor_id": "{{current_user.id}}",
        **body,
    }


@pytest.mark.parametrize("precision", ["minute", "second"])
def test_our_own_update_fires_the_trigger_again_and_is_ignored(triggered, services, agent, precision):
    agent.account.settings.stamp_precision = precision
    assert triggered(services, pasted(changes=RAISE | TAGS)) == ["applied", "ignored"]
    assert agent.ticket["tags"] == ["begin", "ours", "vip_customer"]
    assert agent.comments == ["It burns", COMMENT["body"]]


@pytest.mark.parametrize("status", [403, 404, 500])
def test_where_zendesk_does_not_say_who_the_relay_is_its_first_update_does(triggered, services, agent, status):
    agent.account.faults.add(Fault("status", status=status, path="/api/v2/users/me", times=None))
    assert triggered(services, pasted(changes=RAISE | TAGS)) == ["applied", "ignored"]
    assert agent.comments == ["It burns", COMMENT["body"]]


def anonymous(**body: Any) -> dict[str, Any]:
    """Pasted without the actor."""
    return {name: value for name, value in pasted(**body).items() if name != "actor_id"}


@pytest.mark.parametrize("precision", ["minute", "second"])
def test_without_an_actor_the_relay_finds_its_changes_true_and_the_circle_ends(triggered, services, agent, precision):
    agent.account.settings.stamp_precision = precision
    assert triggered(services, anonymous(changes={"priority": "high"} | TAGS)) == ["applied", "applied"]
    assert [call for call, _ in agent.calls()] == ["GET", "PUT", "GET"]


def test_a_rule_that_undoes_its_own_condition_ends_the_circle_by_itself(triggered, services):
    assert triggered(services, anonymous(rule="escalate-vip")) == ["applied", "skipped"]


def test_whoever_lent_the_name_for_a_comment_is_not_taken_for_the_relay(webhook, agent):
    agent.account.faults.add(Fault("status", status=500, path="/api/v2/users/me", times=None))
    in_her_name = {"body": "On behalf of the agent.", "author_id": agent.agent.id}
    assert webhook("inv_1", changes={"comment": in_her_name}).state == "applied"
    assert webhook("inv_2", changes=TAGS).state == "applied"
    assert "ours" in agent.ticket["tags"]
