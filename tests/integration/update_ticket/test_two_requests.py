"""E-mail CCs beside an internal note take two requests: Zendesk would drop the CCs in silence."""

import pytest

from cli import redrive
from local.zendesk_simulator import Fault
from tests.fakes import Killed
from tests.integration.update_ticket.agent import COMMENT

CC = {"user_email": "someone@example.com", "action": "put"}
CHANGES = {"comment": COMMENT, "email_ccs": [CC], "priority": "high"}
ONCE = ["It burns", COMMENT["body"]]


@pytest.fixture
def complete(agent, wire, row):
    """All of it is there, once."""

    def check():
        assert row().state == "applied"
        assert agent.comments == ONCE
        assert len(agent.ticket["email_cc_ids"]) == 1
        assert agent.ticket["priority"] == "high"
        return True

    return check


def halves(wire):
    """What each PUT was about."""
    return ["note" if "comment" in sent else "ccs" for sent in wire.sent()]


@pytest.mark.parametrize("public", [False, None])
def test_the_ccs_go_first_and_the_note_follows_when_the_second_is_over(webhook, polled, wire, row, agent, public):
    note = COMMENT if public is False else {"body": COMMENT["body"]}
    assert webhook(changes=CHANGES | {"comment": note}).state == "accepted"
    assert (row().sent_at, agent.comments, len(agent.ticket["email_cc_ids"])) == (None, ["It burns"], 1)
    polled()
    assert (row().state, agent.comments) == ("applied", ONCE)
    assert halves(wire) == ["ccs", "note"]


def test_a_public_comment_takes_one_request(webhook, wire, complete):
    assert webhook(changes=CHANGES | {"comment": COMMENT | {"public": True}}).state == "applied"
    assert len(wire.puts) == 1
    assert complete()


@pytest.mark.parametrize("effect", ["before", "never"])
@pytest.mark.parametrize("number", [1, 2])
def test_a_lost_answer_to_either_leaves_all_of_it_there_once(webhook, polled, agent, wire, complete, number, effect):
    lost = Fault("drop", method="PUT", effect=effect)
    wire.before = lambda request: request.method == "PUT" and len(wire.puts) == number - 1 and _once(agent, lost)
    webhook(changes=CHANGES)
    polled()
    assert complete()
    assert halves(wire).count("note") == (2 if (number, effect) == (2, "never") else 1)


def _once(agent, fault):
    if fault not in agent.account.faults.planned:
        agent.account.faults.add(fault)


def die():
    raise Killed


def test_a_worker_that_dies_before_the_first_leaves_both_to_the_next(webhook, polled, wire, complete):
    wire.before = lambda request: request.method == "PUT" and die()
    with pytest.raises(Killed):
        webhook(changes=CHANGES)
    wire.before = lambda _: None
    polled()
    assert complete()
    assert halves(wire) == ["ccs", "note"]


def test_a_worker_that_dies_after_the_first_leaves_the_note_to_the_next(webhook, polled, wire, complete):
    wire.meanwhile["PUT"] = [die]
    with pytest.raises(Killed):
        webhook(changes=CHANGES)
    polled()
    assert complete()
    assert halves(wire) == ["ccs", "note"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_that_dies_at_the_second_posts_no_second_note(webhook, polled, wire, complete, when):
    webhook(changes=CHANGES)
    if when == "after":
        wire.meanwhile["PUT"] = [die]
    else:
        wire.before = lambda request: request.method == "PUT" and die()
    with pytest.raises(Killed):
        polled()
    wire.before = lambda _: None
    polled()
    assert complete()
    assert halves(wire) == ["ccs", "note"]


def test_a_conflict_at_the_first_costs_neither(webhook, polled, agent, wire, complete):
    wire.before = lambda request: request.method == "PUT" and not wire.puts and agent.tag("theirs")
    webhook(changes=CHANGES)
    polled()
    assert halves(wire) == ["ccs", "ccs", "note"]
    assert complete()
    assert "theirs" in agent.ticket["tags"]


def test_a_conflict_at_the_second_costs_no_second_note(webhook, polled, agent, wire, complete):
    wire.before = lambda request: request.method == "PUT" and len(wire.puts) == 1 and agent.tag("theirs")
    webhook(changes=CHANGES)
    polled()
    assert halves(wire) == ["ccs", "note", "note"]
    assert complete()


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_a_refusal_of_the_first_for_a_while_costs_neither(webhook, polled, agent, complete, status):
    agent.account.faults.add(Fault("status", status=status, method="PUT", headers={"Retry-After": "3"}))
    webhook(changes=CHANGES)
    polled()
    assert complete()


RULE = {"comment": COMMENT, "email_ccs": [CC], "priority": "high"}


@pytest.mark.parametrize("lost", [False, True])
def test_a_rule_that_no_longer_holds_after_the_first_half_still_sends_the_note(
    webhook, polled, agent, rule, complete, lost
):
    if lost:
        agent.account.faults.add(Fault("drop", method="PUT", effect="before"))
    webhook(rule=rule(RULE, when="ticket.priority != 'high'"))
    polled()
    assert complete()


def test_others_who_change_the_ticket_between_the_two_are_in_nobodys_way(webhook, polled, agent, complete):
    webhook(changes=CHANGES, on_conflict="skip")
    agent.clock.advance(2)
    agent.edit(subject="Theirs")
    polled()
    assert complete()
    assert agent.ticket["subject"] == "Theirs"


def test_a_ticket_that_is_closed_between_the_two_fails_the_update_and_says_so(webhook, polled, agent, row):
    webhook(changes=CHANGES)
    agent.clock.advance(2)
    agent.edit(status="closed")
    polled()
    assert (row().state, row().error_code) == ("failed", "ticket_closed")
    assert agent.comments == ["It burns"]


def test_an_update_that_takes_two_requests_lets_earlier_and_later_ones_go_before_and_after(
    wait, polled, agent, wire, row
):
    wait({"changes": {"subject": "Before"}}, {"changes": CHANGES}, {"changes": {"subject": "After"}})
    polled()
    assert [row(f"inv_{number}").state for number in (1, 2, 3)] == ["applied"] * 3
    assert (agent.ticket["subject"], agent.comments) == ("After", ONCE)
    assert [sent.get("subject", "ccs" if "email_ccs" in sent else "note") for sent in wire.sent()][:2] == [
        "Before",
        "ccs",
    ]


def test_a_rejected_note_that_is_redriven_sends_no_ccs_twice(webhook, polled, agent, wire, services, row):
    rejected = Fault("status", status=422, method="PUT", body='{"error": "RecordInvalid", "description": "No."}')
    webhook(changes=CHANGES)
    agent.account.faults.add(rejected)
    polled()
    assert (row().state, row().error_code) == ("failed", "RecordInvalid")
    redrive.redrive(services.store, row(), agent.clock())
    polled()
    assert (row().state, agent.comments) == ("applied", ONCE)
    assert halves(wire) == ["ccs", "note", "note"]
