"""When somebody else is at the ticket."""

import dataclasses

from tests.integration.update_ticket.agent import COMMENT, RAISE, TAGS
from ticket_relay.states import update as update_states
from ticket_relay.update_ticket import safe_update


def test_an_edit_between_trigger_and_update_survives_and_ours_lands_too(webhook, desk, clock, counted):
    known = desk.ticket["updated_at"]
    clock.advance(2)
    desk.edit(subject="Still burning", tags=["theirs"])
    assert webhook(changes=RAISE, updated_at=known).state == "applied"
    assert (desk.ticket["subject"], desk.ticket["tags"]) == ("Still burning", ["theirs"])
    assert (desk.ticket["priority"], desk.comments[1:]) == ("high", [COMMENT["body"]])
    assert desk.calls()[0] == ("PUT", 409)
    assert counted("UpdateConflicted") == 1


def test_an_edit_between_reading_and_sending_is_decided_upon_anew(webhook, desk, wire):
    wire.meanwhile["GET"] = [lambda: desk.edit(tags=["triage", "theirs"])]
    assert webhook(changes=TAGS).state == "applied"
    assert desk.ticket["tags"] == ["ours", "theirs"]


def test_a_rule_whose_condition_ends_between_reading_and_sending_is_skipped(webhook, desk, wire):
    wire.meanwhile["GET"] = [lambda: desk.edit(status="solved")]
    assert webhook(rule="escalate-vip").state == "skipped"
    assert (desk.ticket["status"], desk.ticket["priority"]) == ("solved", None)


def test_after_a_few_conflicts_the_update_waits_for_the_poller_which_goes_on(webhook, desk, wire, row, polled):
    wire.before = lambda request: request.method == "PUT" and len(wire.puts) < 4 and desk.tag(f"t{len(wire.puts)}")
    assert webhook(changes=TAGS).state == "accepted"
    assert (row().conflicts, row().error_code, row().sent_at) == (safe_update.ROUNDS, "UpdateConflict", None)
    polled()
    assert row().state == "applied"
    assert desk.ticket["tags"] == ["ours", "t0", "t1", "t2", "t3", "vip_customer"]


def test_an_update_that_meets_nothing_but_conflicts_fails_in_the_end_and_says_why(webhook, desk, wire, row, go_on):
    desk.account.settings.limit_ticket_updates = 1000
    wire.before = lambda request: request.method == "PUT" and desk.tag(f"t{len(wire.puts)}")
    webhook(changes=TAGS)
    for _ in range(update_states.MAX_CONFLICTS):
        if go_on().state != "accepted":
            break
    assert (row().state, row().error_code) == ("failed", "UpdateConflict")
    assert row().error_sentence == "Given up: the ticket had changed 33 times under our hands."
    assert len(wire.puts) == update_states.MAX_CONFLICTS + safe_update.ROUNDS
    assert "ours" not in desk.ticket["tags"]


def test_between_two_decisions_there_is_a_pause_of_no_fixed_length(webhook, relay, desk, clock):
    pauses = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        clock.advance(seconds)

    patient = dataclasses.replace(relay, sleep=sleep)
    for number in range(3):
        known = desk.ticket["updated_at"]
        clock.advance(2)
        desk.tag(f"t{number}")
        webhook(f"inv_{number}", by=patient, changes=RAISE | {"subject": f"{number}"}, updated_at=known)
    jitter = [pause for pause in pauses if pause <= 0.2]
    assert len(set(jitter)) == 3
    assert all(pause >= 0.02 for pause in jitter)


def test_a_change_within_the_second_that_was_read_is_not_overwritten(webhook, desk, wire, go_on, relay):
    relay.gate.close(desk.clock() + 10)
    assert webhook(changes=TAGS).state == "accepted"
    desk.clock.advance(20)

    def two_in_a_second() -> None:
        desk.clock.advance(0.2)
        desk.tag("second")

    desk.tag("first")
    wire.meanwhile["GET"] = [two_in_a_second]
    assert go_on().state == "applied"
    assert desk.ticket["tags"] == ["first", "ours", "second", "vip_customer"]


def test_a_change_within_the_second_that_was_read_is_not_overwritten_in_the_webhooks_own_time_either(
    webhook, relay, desk, wire, clock
):
    def sleep(seconds: float) -> None:
        clock.advance(seconds)
        if seconds >= 1:
            desk.tag("first")

    wire.meanwhile["GET"] = [lambda: desk.tag("second")]
    assert webhook(by=dataclasses.replace(relay, sleep=sleep), changes=TAGS).state == "applied"
    assert desk.ticket["tags"] == ["first", "ours", "second", "vip_customer"]
