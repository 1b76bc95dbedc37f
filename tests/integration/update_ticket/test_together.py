"""Several updates wait for one ticket: decided in their order on one reading, and sent as few requests as can be."""

import pytest

from local.zendesk_simulator import Fault
from tests.integration.update_ticket.agent import COMMENT
from ticket_relay.zendesk.ticket_models import MARKER


def changes(**wanted):
    return {"changes": wanted}


def tag(*, add=(), remove=()):
    return changes(tags={"add": list(add), "remove": list(remove)})


def note(text):
    return changes(comment={"body": text, "public": False})


@pytest.fixture
def states(row):
    return lambda number: [str(row(f"inv_{each}").state) for each in range(1, number + 1)]


@pytest.fixture
def marked(wire):
    """The markers that each PUT left, in its order."""

    def markers():
        found = [sent["metadata"][MARKER] for sent in wire.sent()]
        return [each if isinstance(each, list) else [each] for each in found]

    return markers


def test_updates_that_wait_for_one_ticket_are_read_and_sent_together(
    wait, polled, agent, wire, row, states, marked, services
):
    wait(
        changes(priority="high"),
        tag(add=["one"], remove=["triage"]),
        tag(add=["two"]),
        changes(subject="Ours"),
        changes(type="incident", comment=COMMENT),
    )
    polled()
    assert states(5) == ["applied"] * 5
    assert agent.calls() == [("GET", 200), ("PUT", 200)]
    assert marked() == [[row(f"inv_{number}").marker for number in range(1, 6)]]
    assert [agent.ticket[name] for name in ("priority", "subject", "type")] == ["high", "Ours", "incident"]
    assert agent.ticket["tags"] == ["one", "two", "vip_customer"]
    assert agent.comments == ["It burns", COMMENT["body"]]


def test_custom_fields_of_several_updates_are_merged_by_their_ids(wait, polled, agent, wire):
    agent.edit(custom_fields=[{"id": 1, "value": "theirs"}])
    wait(changes(custom_fields=[{"id": 2, "value": "a"}]), changes(custom_fields=[{"id": 3, "value": "b"}]))
    polled()
    assert {it["id"]: it["value"] for it in agent.ticket["custom_fields"]} == {1: "theirs", 2: "a", 3: "b"}
    assert len(wire.puts) == 1


def test_two_comments_are_two_requests_in_the_order_in_which_they_came(wait, polled, agent, wire, states):
    wait(note("First"), note("Second"), note("Third"))
    polled()
    assert states(3) == ["applied"] * 3
    assert agent.comments == ["It burns", "First", "Second", "Third"]
    assert len(wire.puts) == 3


def test_of_updates_that_contradict_each_other_the_later_one_wins(wait, polled, agent, wire, states):
    wait(changes(priority="high"), tag(add=["one"]), changes(priority="low"), tag(remove=["one"]))
    polled()
    assert states(4) == ["applied"] * 4
    assert (agent.ticket["priority"], agent.ticket["tags"]) == ("low", ["triage", "vip_customer"])
    assert [sent.get("priority") for sent in wire.sent()] == ["high", "low"]


def test_what_an_earlier_update_makes_true_is_not_sent_again(wait, polled, agent, row, states, marked):
    wait(tag(add=["one"]), tag(add=["one"]), changes(priority="high"))
    polled()
    assert states(3) == ["applied"] * 3
    assert agent.calls() == [("GET", 200), ("PUT", 200)]
    assert marked() == [[row("inv_1").marker, row("inv_3").marker]]


def test_a_rule_is_decided_on_what_an_earlier_update_makes_of_the_ticket(wait, polled, agent, rule, states):
    name = rule({"tags": {"add": ["late"]}, "comment": COMMENT}, when="ticket.status != 'solved'")
    wait(changes(status="solved"), {"rule": name})
    polled()
    assert states(2) == ["applied", "skipped"]
    assert agent.calls() == [("GET", 200), ("PUT", 200)]
    assert agent.comments == ["It burns"]


def test_what_an_earlier_update_would_have_made_true_is_decided_again_if_that_does_not_land(
    wait, polled, agent, wire, states
):
    wait(tag(add=["one"]), tag(add=["one"]))
    wire.before = lambda request: request.method == "PUT" and len(wire.puts) < 1 and agent.edit(status="closed")
    polled()
    assert states(2) == ["failed", "failed"]


def test_a_rule_that_fails_on_the_ticket_does_not_stop_the_others(wait, polled, agent, rule, row, states):
    wait({"rule": rule({"priority": "${ticket.subject}"})}, changes(priority="high"))
    polled()
    assert states(2) == ["failed", "applied"]
    assert row("inv_1").error_code == "changes_invalid"


@pytest.mark.parametrize("effect", ["before", "never"])
def test_after_a_lost_answer_all_are_recognised_by_their_markers(wait, polled, agent, states, effect):
    wait(changes(priority="high"), tag(add=["one"]), note("Once"))
    agent.account.faults.add(Fault("drop", method="PUT", effect=effect))
    polled()
    assert states(3) == ["applied"] * 3
    assert (agent.ticket["priority"], agent.ticket["tags"]) == ("high", ["one", "triage", "vip_customer"])
    assert agent.comments == ["It burns", "Once"]
    landed = {"before": 0, "never": 1}[effect]
    assert agent.calls().count(("PUT", 200)) == landed


def test_a_comment_that_did_not_fit_waits_for_the_answer_that_was_lost(wait, polled, agent, states):
    wait(note("First"), note("Second"))
    agent.account.faults.add(Fault("drop", method="PUT"))
    polled()
    assert states(2) == ["applied"] * 2
    assert agent.comments == ["It burns", "First", "Second"]


@pytest.mark.parametrize("times", [1, 5])
def test_the_later_of_two_that_contradict_each_other_wins_though_the_first_is_refused_for_a_while(
    wait, agent, states, services, drive, clock, times
):
    wait(changes(priority="high"), changes(priority="low"))
    agent.account.faults.add(Fault("status", status=500, method="PUT", times=times))
    clock.advance(60)
    drive(services)
    assert states(2) == ["applied"] * 2
    assert agent.ticket["priority"] == "low"


def test_after_a_conflict_all_are_decided_again_on_the_newer_ticket(wait, polled, agent, wire, rule, states):
    name = rule({"tags": {"add": ["late"]}}, when="ticket.type != 'incident'")
    wait(changes(priority="high"), {"rule": name}, tag(add=["one"], remove=["triage"]))
    wire.before = lambda request: request.method == "PUT" and agent.edit(type="incident", tags=["theirs", "triage"])
    wire.meanwhile["PUT"] = [lambda: setattr(wire, "before", lambda _: None)]
    polled()
    assert states(3) == ["applied", "skipped", "applied"]
    assert agent.ticket["tags"] == ["one", "theirs"]
    assert [call for call in agent.calls() if call[0] == "PUT"] == [("PUT", 409), ("PUT", 200)]


def test_of_several_the_policy_of_each_decides(wait, polled, agent, clock, states):
    wait(
        changes(priority="high") | {"on_conflict": "skip"},
        changes(subject="Ours") | {"on_conflict": "merge"},
        changes(priority="low") | {"on_conflict": "merge"},
        tag(add=["one"]),
    )
    agent.edit(subject="Theirs")
    polled()
    assert states(4) == ["skipped", "conflict", "applied", "applied"]
    assert agent.calls() == [("GET", 200), ("audits", 200), ("PUT", 200)]


def test_more_updates_than_markers_fit_into_one_audit_go_in_several_requests(wait, polled, agent, wire, states):
    wait(*(tag(add=[f"t{number:02}"]) for number in range(35)))
    polled()
    assert states(35) == ["applied"] * 35
    assert len([each for each in agent.ticket["tags"] if each.startswith("t") and each != "triage"]) == 35
    assert len(wire.puts) == 2


def test_a_webhook_that_comes_while_others_wait_does_not_wait_for_them(wait, webhook, polled, agent, clock, states):
    wait(changes(priority="high"))
    clock.advance(80)
    assert webhook("inv_2", changes={"subject": "Ours"}).state == "applied"
    polled()
    assert states(2) == ["applied"] * 2
