"""When an answer is lost, or is none."""

import dataclasses

import pytest
import requests

from local.zendesk_simulator import Fault
from tests.integration.update_ticket.agent import COMMENT, RAISE, TAGS

AFTER_EFFECT = [
    Fault("drop", effect="before"),
    Fault("malformed"),
    Fault("html", effect="before"),
    Fault("status", status=500, effect="before"),
    Fault("status", status=503, headers={"Retry-After": "3"}, effect="before"),
    Fault("delay", delay=0.7),
]
BEFORE_EFFECT = [
    Fault("drop"),
    Fault("html"),
    Fault("status", status=500),
    Fault("status", status=503, headers={"Retry-After": "3"}),
    Fault("status", status=409),
    Fault("status", status=429, headers={"Retry-After": "3"}),
    Fault("malformed", status=200, effect="never"),
]


def named(fault: Fault) -> str:
    return f"{fault.kind}-{fault.status or ''}"


@pytest.mark.parametrize("fault", AFTER_EFFECT, ids=named)
def test_an_update_whose_answer_was_lost_is_recognised_by_its_marker(webhook, agent, wire, go_on, fault):
    agent.account.faults.add(dataclasses.replace(fault, method="PUT"))
    assert webhook(changes=RAISE).state == "accepted"
    assert go_on().state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]
    assert len(wire.puts) == 1


@pytest.mark.parametrize("fault", BEFORE_EFFECT, ids=named)
def test_an_update_that_had_no_effect_is_sent_again(webhook, agent, go_on, fault):
    agent.account.faults.add(dataclasses.replace(fault, method="PUT"))
    assert webhook(changes=RAISE).state == "accepted"
    assert go_on().state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]
    assert agent.ticket["priority"] == "high"


@pytest.mark.parametrize("fault", [*AFTER_EFFECT, *BEFORE_EFFECT], ids=named)
def test_a_reading_that_fails_is_done_again_later(webhook, agent, go_on, fault):
    agent.account.faults.add(dataclasses.replace(fault, method="GET", path="/api/v2/tickets/*"))
    assert webhook(changes=TAGS).state == "accepted"
    assert go_on().state == "applied"
    assert agent.ticket["tags"] == ["ours", "vip_customer"]


def test_a_look_at_the_audits_that_fails_is_done_again_later(webhook, agent, go_on):
    agent.account.faults.add(Fault("drop", method="PUT", effect="before"))
    agent.account.faults.add(Fault("html", path="*/audits"))
    webhook(changes=RAISE)
    assert go_on().state == "accepted"
    assert go_on().state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]


def test_a_doubt_outlives_a_certain_refusal(webhook, agent, go_on, row):
    agent.account.faults.add(Fault("drop", method="PUT", effect="before"))
    webhook(changes=RAISE)
    agent.account.faults.add(
        Fault("status", status=429, headers={"Retry-After": "3"}, method="GET", path="*/tickets/*")
    )
    assert go_on().state == "accepted"
    assert row().sent_at is not None
    assert go_on().state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]


def test_an_effect_that_comes_after_the_look_makes_the_second_one_conflict(webhook, agent, wire, go_on):
    agent.account.faults.add(Fault("drop", method="PUT"))
    webhook(changes=RAISE)
    wire.meanwhile["audits"] = [lambda: wire.arrives_again(0)]
    assert go_on().state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]
    assert [call for call in agent.calls() if call[0] == "PUT"] == [("PUT", None), ("PUT", 200), ("PUT", 409)]


def test_an_effect_that_comes_after_the_second_one_is_refused(webhook, agent, wire, go_on):
    agent.account.faults.add(Fault("drop", method="PUT"))
    webhook(changes=RAISE)
    assert go_on().state == "applied"
    assert wire.arrives_again(0).status_code == 409
    assert agent.comments == ["It burns", COMMENT["body"]]


def test_a_worker_that_dies_after_the_claim_leaves_the_rest_to_the_poller(webhook, agent, wire, go_on, row):
    def die(request: requests.PreparedRequest) -> None:
        if request.method == "PUT":
            raise KeyboardInterrupt

    wire.before = die
    with pytest.raises(KeyboardInterrupt):
        webhook(changes=RAISE)
    wire.before = lambda _: None
    assert row().state == "accepted"
    assert go_on().state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]
