"""Others changed the ticket since the trigger fired: what a rule's policy makes of it."""

import pytest

from cli import redrive
from local.zendesk_simulator import Fault
from tests.integration.update_ticket.agent import COMMENT, TAGS

OUTCOMES = {"reapply": "applied", "skip": "skipped", "merge": "conflict"}
BOTH = {"priority": "high", "subject": "Ours"}
POLICIES = pytest.mark.parametrize(("policy", "outcome"), OUTCOMES.items())


@pytest.fixture
def known(agent, clock):
    """The stamp that the webhook tells, some seconds old; the agent has time for something else."""
    updated_at = agent.ticket["updated_at"]
    clock.advance(5)
    return updated_at


@pytest.fixture
def ended(row):
    """How an update ended, and what its row says of it."""

    def end(invocation="inv_1"):
        found = row(invocation)
        return found.state, found.error_code, found.error_sentence

    return end


def named(*fields):
    sentence = f"Others changed since the stamp what this would change: {', '.join(fields)}."
    return "conflict", "update_conflict", sentence


ENDS = {
    "applied": ("applied", None, None),
    "skipped": (
        "skipped",
        "ticket_changed",
        "Others changed the ticket since the stamp, and the rule's policy is to skip.",
    ),
    "conflict": named("subject"),
}
AFTER = {
    "reapply": {"priority": "high", "subject": "Ours"},
    "skip": {"priority": None, "subject": "Theirs"},
    "merge": {"priority": None, "subject": "Theirs"},
}


def values(agent):
    return {name: agent.ticket[name] for name in BOTH}


@POLICIES
def test_after_a_conflict_the_policy_decides_on_the_newer_ticket(webhook, agent, known, ended, policy, outcome):
    agent.edit(subject="Theirs", type="incident")
    assert webhook(changes=BOTH, on_conflict=policy, updated_at=known).state == outcome
    assert ended() == ENDS[outcome]
    assert values(agent) == AFTER[policy]
    assert agent.ticket["type"] == "incident"
    last = {"reapply": [("PUT", 200)], "skip": [], "merge": [("audits", 200)]}[policy]
    assert agent.calls() == [("PUT", 409), ("GET", 200), *last]


@POLICIES
def test_a_stamp_that_is_old_when_the_ticket_is_read_costs_no_put(webhook, agent, known, ended, policy, outcome):
    agent.edit(subject="Theirs")
    assert webhook(changes=BOTH | TAGS, on_conflict=policy, updated_at=known).state == outcome
    assert ended() == ENDS[outcome]
    assert values(agent) == AFTER[policy]
    last = {"reapply": [("PUT", 200)], "skip": [], "merge": [("audits", 200)]}[policy]
    assert agent.calls() == [("GET", 200), *last]


@pytest.fixture
def minute(agent, clock):
    """A stamp to the minute, of which ten seconds are over."""
    clock.advance(70 - clock() % 60)
    agent.edit(type="incident")
    clock.advance(5)
    return f"{agent.ticket['updated_at'][:16]}Z"


@pytest.mark.parametrize("policy", OUTCOMES)
def test_within_the_minute_of_a_stamp_without_seconds_nobody_counts_as_another(webhook, agent, minute, ended, policy):
    agent.edit(subject="Theirs")
    assert webhook(changes=BOTH, on_conflict=policy, updated_at=minute).state == "applied"
    assert ended() == ENDS["applied"]
    assert agent.calls() == [("GET", 200), ("PUT", 200)]


@POLICIES
def test_after_the_minute_of_a_stamp_without_seconds_the_policy_decides(
    webhook, agent, clock, minute, ended, policy, outcome
):
    clock.advance(60)
    agent.edit(subject="Theirs")
    assert webhook(changes=BOTH, on_conflict=policy, updated_at=minute).state == outcome
    assert ended() == ENDS[outcome]
    assert values(agent) == AFTER[policy]


@pytest.mark.parametrize("stamp", ["", "Nov21", ...], ids=str)
@POLICIES
def test_without_a_stamp_what_counts_is_what_happens_after_the_first_reading(
    webhook, agent, wire, clock, known, ended, stamp, policy, outcome
):
    agent.edit(priority="low")
    wire.meanwhile["GET"] = [lambda: clock.advance(2), lambda: None]
    wire.before = lambda request: (
        request.method == "PUT" and not agent.ticket["type"] and agent.edit(subject="Theirs", type="incident")
    )
    assert webhook(changes=BOTH, on_conflict=policy, updated_at=stamp).state == outcome
    assert ended() == ENDS[outcome]
    assert agent.ticket["subject"] == AFTER[policy]["subject"]


def test_the_first_reading_still_counts_when_the_poller_goes_on(webhook, agent, wire, services, clock, polled, ended):
    wire.before = lambda request: request.method == "PUT" and agent.edit(subject="Theirs")
    by = agent.account.settings
    by.limit_update = 0
    assert webhook(changes=BOTH, on_conflict="merge", updated_at="").state == "accepted"
    wire.before, by.limit_update = lambda _: None, 100
    clock.advance(60)
    polled()
    assert ended() == named("subject")


def test_what_was_set_going_again_is_meant_for_the_ticket_as_it_is_then(
    webhook, agent, known, services, row, clock, polled, ended
):
    agent.edit(subject="Theirs")
    webhook(changes=BOTH, on_conflict="merge", updated_at=known)
    redrive.redrive(services.store, row(), clock())
    polled()
    assert ended() == ENDS["applied"]
    assert values(agent) == BOTH


def test_what_was_set_going_again_minds_what_happens_after_that(
    webhook, agent, wire, known, services, row, clock, polled, ended
):
    agent.edit(subject="Theirs")
    webhook(changes=BOTH, on_conflict="merge", updated_at=known)
    redrive.redrive(services.store, row(), clock())
    wire.before = lambda request: request.method == "PUT" and agent.edit(priority="low")
    polled()
    assert ended() == named("priority")
    assert values(agent) == {"priority": "low", "subject": "Theirs"}


FIELD, OTHER_FIELD = 360001, 360002


def field(number, value):
    return {"custom_fields": [{"id": number, "value": value}]}


def merged(webhook, known, changes):
    return webhook(changes=changes, on_conflict="merge", updated_at=known).state


def test_a_conflict_names_every_field_that_is_in_the_way_and_no_other(webhook, agent, known, ended):
    agent.edit(subject="Theirs", priority="low", type="incident", **field(FIELD, "theirs"))
    wanted = BOTH | field(FIELD, "ours") | {"status": "pending", "comment": COMMENT}
    assert merged(webhook, known, wanted) == "conflict"
    assert ended() == named(f"custom_fields.{FIELD}", "priority", "subject")
    assert agent.comments == ["It burns"]


def test_a_merge_goes_through_where_others_left_its_fields_alone(webhook, agent, known, ended):
    agent.edit(type="incident", subject="Theirs", **field(OTHER_FIELD, "theirs"))
    assert merged(webhook, known, {"priority": "high"} | field(FIELD, "ours")) == "applied"
    ticket = agent.ticket
    assert (ticket["priority"], ticket["type"], ticket["subject"]) == ("high", "incident", "Theirs")
    assert {it["id"]: it["value"] for it in ticket["custom_fields"]} == {FIELD: "ours", OTHER_FIELD: "theirs"}


def test_a_merge_goes_through_where_others_only_commented(webhook, agent, known):
    agent.edit(comment={"body": "Theirs"})
    assert merged(webhook, known, BOTH | {"comment": COMMENT}) == "applied"
    assert agent.comments == ["It burns", "Theirs", COMMENT["body"]]


def test_a_merge_goes_through_where_others_touched_another_tag(webhook, agent, known):
    agent.edit(tags=["triage", "theirs"])
    assert merged(webhook, known, TAGS) == "applied"
    assert agent.ticket["tags"] == ["ours", "theirs"]


def test_a_tag_that_others_took_away_is_not_put_back_by_a_merge(webhook, agent, known, ended):
    agent.edit(remove_tags=["vip_customer"])
    assert merged(webhook, known, {"tags": {"add": ["vip_customer", "ours"]}}) == "conflict"
    assert ended() == named("tags.vip_customer")
    assert agent.ticket["tags"] == ["triage"]


def test_a_merge_is_done_where_others_did_the_same(webhook, agent, known):
    agent.edit(**BOTH)
    assert merged(webhook, known, BOTH) == "applied"
    assert agent.calls() == [("PUT", 409), ("GET", 200)]


def test_an_earlier_update_of_ours_counts_as_anothers(webhook, agent, clock, known, ended):
    assert webhook("inv_1", changes={"subject": "Earlier"}, updated_at=known).state == "applied"
    clock.advance(5)
    assert webhook("inv_2", changes=BOTH, on_conflict="merge", updated_at=known).state == "conflict"
    assert ended("inv_2") == named("subject")


def test_the_updates_own_lost_effect_is_in_nobodys_way(webhook, agent, go_on, known):
    """What it did is true already: no conflict with itself."""
    agent.account.faults.add(Fault("drop", method="PUT", effect="before"))
    assert merged(webhook, known, BOTH | {"comment": COMMENT}) == "accepted"
    assert go_on().state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]
