"""When another user changes the ticket."""

import dataclasses

import pytest

from tests.integration.update_ticket.agent import COMMENT, RAISE, TAGS
from ticket_relay.states import update as update_states
from ticket_relay.update_ticket import safe_update


def test_an_edit_between_trigger_and_update_survives_and_ours_lands_too(webhook, agent, clock, counted):
    known = agent.ticket["updated_at"]
    clock.advance(2)
    agent.edit(subject="Still burning", tags=["theirs"])
    assert webhook(changes=RAISE, updated_at=known).state == "applied"
    assert (agent.ticket["subject"], agent.ticket["tags"]) == ("Still burning", ["theirs"])
    assert (agent.ticket["priority"], agent.comments[1:]) == ("high", [COMMENT["body"]])
    assert agent.calls()[0] == ("PUT", 409)
    assert counted("UpdateConflicted") == 1


def test_an_edit_between_reading_and_sending_is_decided_upon_anew(webhook, agent, wire):
    wire.meanwhile["GET"] = [lambda: agent.edit(tags=["triage", "theirs"])]
    assert webhook(changes=TAGS).state == "applied"
    assert agent.ticket["tags"] == ["ours", "theirs"]


@pytest.mark.parametrize(
    ("wanted", "left"),
    [({"remove": ["first"]}, {"second", "third"}), ({"replace": ["second"]}, {"second"})],
)
def test_a_list_of_collaborators_is_decided_upon_anew_with_whoever_was_added_meanwhile(
    webhook, agent, wire, wanted, left
):
    users = agent.account.users
    ids = {name: users.resolve("collaborator", f"{name}@example.com").id for name in ("first", "second", "third")}
    agent.edit(collaborators=[ids["first"], ids["second"]])
    wire.meanwhile["GET"] = [lambda: agent.edit(additional_collaborators=[ids["third"]])]
    told = {verb: [ids[name] for name in names] for verb, names in wanted.items()}
    assert webhook(changes={"collaborators": told}).state == "applied"
    assert set(agent.ticket["collaborator_ids"]) == {ids[name] for name in left}
    assert ("PUT", 409) in agent.calls()


def test_a_rule_whose_condition_ends_between_reading_and_sending_is_skipped(webhook, agent, wire):
    wire.meanwhile["GET"] = [lambda: agent.edit(status="solved")]
    assert webhook(rule="escalate-vip").state == "skipped"
    assert (agent.ticket["status"], agent.ticket["priority"]) == ("solved", None)


def test_after_a_few_conflicts_the_update_waits_for_the_poller_which_goes_on(webhook, agent, wire, row, polled):
    wire.before = lambda request: request.method == "PUT" and len(wire.puts) < 4 and agent.tag(f"t{len(wire.puts)}")
    assert webhook(changes=TAGS).state == "accepted"
    assert (row().conflicts, row().error_code, row().sent_at) == (safe_update.ROUNDS, "UpdateConflict", None)
    polled()
    assert row().state == "applied"
    assert agent.ticket["tags"] == ["ours", "t0", "t1", "t2", "t3", "vip_customer"]


def test_an_update_that_meets_nothing_but_conflicts_fails_in_the_end_and_says_why(webhook, agent, wire, row, go_on):
    agent.account.settings.limit_ticket_updates = 1000
    wire.before = lambda request: request.method == "PUT" and agent.tag(f"t{len(wire.puts)}")
    webhook(changes=TAGS)
    for _ in range(update_states.MAX_CONFLICTS):
        if go_on().state != "accepted":
            break
    assert (row().state, row().error_code) == ("failed", "UpdateConflict")
    assert row().error_sentence == "Given up: the ticket was changed concurrently 33 times."
    assert len(wire.puts) == update_states.MAX_CONFLICTS + safe_update.ROUNDS
    assert "ours" not in agent.ticket["tags"]


def test_between_two_decisions_there_is_a_pause_of_no_fixed_length(webhook, services, agent, clock):
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds)

    patient = dataclasses.replace(services, sleep=sleep)
    for number in range(3):
        known = agent.ticket["updated_at"]
        clock.advance(2)
        agent.tag(f"t{number}")
        webhook(f"inv_{number}", by=patient, changes=RAISE | {"subject": f"{number}"}, updated_at=known)
    jitter = [pause for pause in pauses if pause <= 0.2]
    assert len(set(jitter)) == 3
    assert all(pause >= 0.02 for pause in jitter)


def test_a_change_within_the_second_that_was_read_is_not_overwritten(webhook, agent, wire, go_on, services):
    services.gate.close(agent.clock() + 10)
    assert webhook(changes=TAGS).state == "accepted"
    agent.clock.advance(20)

    def two_in_a_second() -> None:
        agent.clock.advance(0.2)
        agent.tag("second")

    agent.tag("first")
    wire.meanwhile["GET"] = [two_in_a_second]
    assert go_on().state == "applied"
    assert agent.ticket["tags"] == ["first", "ours", "second", "vip_customer"]


def test_a_change_within_the_second_that_was_read_is_not_overwritten_in_the_webhooks_own_time_either(
    webhook, services, agent, wire, clock
):
    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        if seconds >= 1:
            agent.tag("first")

    wire.meanwhile["GET"] = [lambda: agent.tag("second")]
    assert webhook(by=dataclasses.replace(services, sleep=sleep), changes=TAGS).state == "applied"
    assert agent.ticket["tags"] == ["first", "ours", "second", "vip_customer"]
