"""A closed ticket can no longer be updated: a new one follows it, if the rule says so."""

import pytest

from local.zendesk_simulator import Fault
from tests.fakes import DOWN, Killed, Outage
from tests.integration.update_ticket.agent import COMMENT, RAISE, TAGS

FOLLOW = {"changes": RAISE | TAGS, "on_closed": "follow_up"}


@pytest.fixture
def follow_ups(agent):
    """The tickets that follow the closed one."""
    return lambda: [agent.account.tickets.get(found) for found in agent.ticket["followup_ids"]]


def test_a_closed_ticket_is_followed_by_one_that_the_poller_creates(webhook, agent, row, services, drive, follow_ups):
    agent.edit(status="closed")
    assert webhook(**FOLLOW).state == "applied"
    assert row().error_code == "followed_up"
    assert not follow_ups()
    drive(services)
    (ticket,) = follow_ups()
    assert ticket["via"]["source"]["from"]["ticket_id"] == agent.id
    assert (ticket["subject"], ticket["priority"]) == ("Fire", "high")
    assert (ticket["tags"], ticket["description"]) == (["ours", "vip_customer"], COMMENT["body"])
    assert ticket["external_id"] == f"zendesk.follow-up:{agent.id}/inv_1"


def test_no_put_is_wasted_on_a_ticket_that_is_closed_already(webhook, agent):
    agent.edit(status="closed")
    webhook(changes=RAISE, on_closed="follow_up")
    assert agent.calls() == [("GET", 200)]


def test_a_rule_may_follow_up_too_and_its_condition_still_counts(webhook, agent, rule, services, drive, follow_ups):
    agent.edit(status="closed")
    name = rule({"comment": COMMENT}, when="event.level == 'urgent'", on_closed="follow_up")
    assert webhook("inv_1", rule=name, level="low").state == "skipped"
    assert webhook("inv_2", rule=name, level="urgent").state == "applied"
    drive(services)
    assert len(follow_ups()) == 1


@pytest.mark.parametrize("again", ["inv_1", "inv_2"])
def test_the_same_webhook_twice_makes_one_follow_up(webhook, agent, services, drive, follow_ups, again):
    agent.edit(status="closed")
    content = FOLLOW | {"at": agent.clock(), "updated_at": agent.ticket["updated_at"]}
    webhook("inv_1", **content)
    webhook(again, **content)
    drive(services)
    webhook(again, **content)
    drive(services)
    assert len(follow_ups()) == 1


def test_a_worker_that_dies_before_it_says_so_leaves_one_follow_up(webhook, agent, dynamo, polled, follow_ups, row):
    agent.edit(status="closed")

    def die(operation, request):
        item = request.get("Item", {})
        if operation == "put_item" and item["pk"]["S"].startswith("update#") and item["state"]["S"] == "applied":
            raise Killed

    dynamo.before = die
    with pytest.raises(Killed):
        webhook(**FOLLOW)
    dynamo.before = lambda _operation, _request: None
    assert row().state == "accepted"
    polled()
    polled()
    assert row().state == "applied"
    assert len(follow_ups()) == 1


@pytest.mark.parametrize("landed", [True, False])
def test_a_table_that_fails_at_the_follow_up_leaves_it_to_the_poller(
    webhook, agent, dynamo, polled, follow_ups, row, landed
):
    agent.edit(status="closed")
    ticket_rows = Outage(("put_item",), DOWN, landed=landed, fits=lambda put: put["Item"]["pk"]["S"][:7] == "ticket#")
    dynamo.outages = [ticket_rows]
    assert webhook(**FOLLOW).state == "accepted"
    polled()
    polled()
    assert row().state == "applied"
    assert len(follow_ups()) == 1


def test_an_answer_that_is_lost_on_the_way_makes_no_second_follow_up(webhook, agent, services, drive, follow_ups):
    agent.edit(status="closed")
    webhook(**FOLLOW)
    agent.account.faults.add(Fault("drop", method="POST", path="/api/v2/tickets", effect="before"))
    drive(services)
    assert len(follow_ups()) == 1


@pytest.mark.parametrize("on_closed", ["fail", None])
def test_by_default_a_closed_ticket_fails_the_update(webhook, agent, row, services, drive, follow_ups, on_closed):
    agent.edit(status="closed")
    assert webhook(changes=TAGS, **({"on_closed": on_closed} if on_closed else {})).state == "failed"
    assert (row().error_code, row().error_sentence) == (
        "ticket_closed",
        "The ticket is closed, and can no longer be updated.",
    )
    drive(services)
    assert not follow_ups()


@pytest.mark.parametrize(("on_closed", "state", "number"), [("follow_up", "applied", 1), ("fail", "failed", 0)])
def test_a_ticket_that_is_closed_between_the_reading_and_the_put_is_closed(
    webhook, agent, wire, services, drive, follow_ups, on_closed, state, number
):
    wire.meanwhile["GET"] = [lambda: agent.edit(status="closed")]
    assert webhook(changes=RAISE | TAGS, on_closed=on_closed).state == state
    drive(services)
    assert len(follow_ups()) == number
    assert [call for call in agent.calls() if call[0] == "PUT"] == [("PUT", 422)]


def test_each_of_several_that_wait_for_a_closed_ticket_is_followed_up(wait, agent, polled, follow_ups, row):
    second = {"changes": {"comment": {"body": "Second"}}, "on_closed": "follow_up"}
    wait(FOLLOW, second, {"changes": TAGS})
    agent.edit(status="closed")
    polled()
    polled()
    assert [row(f"inv_{number}").state for number in (1, 2, 3)] == ["applied", "applied", "failed"]
    assert sorted(ticket["description"] for ticket in follow_ups()) == [COMMENT["body"], "Second"]


def test_what_makes_no_follow_up_fails_with_its_reason(webhook, agent, row):
    agent.edit(status="closed")
    assert webhook(changes=TAGS, on_closed="follow_up").state == "failed"
    assert row().error_code == "follow_up_needs_comment"
