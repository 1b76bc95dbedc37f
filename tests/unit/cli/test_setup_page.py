"""What docs/zendesk-setup.md has people paste into Zendesk is what the relay takes."""

import json
import re

import pytest

from cli import definitions
from layers.config.compile import Config
from local.zendesk_simulator.triggers import render
from tests.builders import ROOT
from ticket_relay.definitions.models import UpdateRule
from ticket_relay.update_ticket import rules
from ticket_relay.update_ticket.request import read_request

PAGES = [ROOT / "docs/zendesk-setup.md", ROOT / "README.md"]
BODIES = [
    body
    for page in PAGES
    for body in re.findall(r"```json\n(.*?)```", page.read_text(), re.DOTALL)
    if "{{ticket.id}}" in body
]
VALUES = {"ticket.id": 35436, "ticket.updated_at_with_timestamp": "2026-11-21T22:00Z"}


def test_there_are_bodies_with_a_rule_and_with_changes():
    assert {tuple(json.loads(body).keys() & {"rule", "changes"}) for body in BODIES} == {("rule",), ("changes",)}


@pytest.mark.parametrize("actor", [None, 377922500012])
@pytest.mark.parametrize("body", BODIES)
def test_a_body_is_taken_whether_or_not_somebody_acts(body, actor):
    request = read_request(json.loads(render(body, VALUES | {"current_user.id": actor})))
    assert (request.ticket_id, request.actor_id) == (35436, actor)


@pytest.mark.parametrize("body", [body for body in BODIES if "changes" in body])
def test_the_changes_are_valid(body):
    event = json.loads(render(body, VALUES))
    decider = read_request(event).decider
    assert not isinstance(decider, UpdateRule)
    assert rules.decide(decider, {}, event).tags.add == ["vip"]


@pytest.mark.parametrize("body", [body for body in BODIES if '"rule"' in body])
def test_the_rule_is_one_of_this_checkout(body):
    assert json.loads(body)["rule"] in definitions.rules(Config())
