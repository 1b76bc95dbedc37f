"""Which rules are due on a ticket of which no webhook told."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import CANARY
from ticket_relay.changes import diff
from ticket_relay.definitions.models import UpdateRule
from ticket_relay.errors import MappingFailed
from ticket_relay.poll_jobs import swept
from ticket_relay.update_ticket import rules
from ticket_relay.update_ticket.request import read_request

SAMPLE = {"event": "e.json", "ticket": "t.json"}


def rule(when, **changes):
    return UpdateRule(rule="the-rule", sample=SAMPLE, sweep=True, when=when, changes=changes)


def ticket(**properties):
    given = {"id": 7, "updated_at": "2026-11-22T10:00:00Z", "status": "open", "priority": "low", "tags": ["vip"]}
    return given | {"custom_fields": []} | properties


RAISE = rule("'vip' in ticket.tags && !('raised' in ticket.tags)", priority="high", tags={"add": ["raised"]})


@pytest.mark.parametrize(
    ("properties", "due"),
    [
        ({}, True),
        ({"tags": []}, False),
        ({"tags": ["vip", "raised"]}, False),
        ({"status": "solved"}, True),
        ({"status": "closed"}, False),
        ({"status": "deleted"}, False),
    ],
)
def test_a_rule_is_due_where_its_condition_holds_and_the_ticket_takes_updates(properties, due):
    assert swept.is_due(RAISE, ticket(**properties)) is due


def test_a_rule_whose_changes_are_true_is_not_due_though_its_condition_holds():
    quiet = rule("'vip' in ticket.tags", priority="low")
    assert not swept.is_due(quiet, ticket())


def test_a_rule_that_would_be_due_for_ever_is_refused():
    with pytest.raises(MappingFailed) as failed:
        swept.is_due(rule("'vip' in ticket.tags", comment={"body": "Again"}), ticket())
    assert failed.value.code == "sweep_diverges"


def test_a_condition_that_does_not_fit_is_told_without_the_tickets_words():
    with pytest.raises(MappingFailed) as failed:
        swept.is_due(rule("ticket.custom_fields[0].value", priority="high"), ticket(subject=CANARY))
    assert CANARY not in failed.value.sentence


def test_changes_that_do_not_fit_are_due_so_that_their_row_fails_where_a_person_sees_it():
    assert swept.is_due(rule("'vip' in ticket.tags", priority={"$eval": "ticket.nothing"}), ticket())


def test_what_stands_for_the_webhook_is_one():
    request = read_request(json.loads(json.dumps(swept.event_of(RAISE, 7))))
    assert (request.ticket_id, request.rule, request.actor_id, request.updated_at) == (7, "the-rule", None, None)
    assert swept.event_of(RAISE, 7).keys() == swept.KNOWN_OF_EVENT


NAMES = st.sampled_from(["vip", "raised", "triage", "other"])
CONDITIONS = st.sampled_from(
    [
        "'vip' in ticket.tags",
        "!('raised' in ticket.tags)",
        "'vip' in ticket.tags && !('raised' in ticket.tags)",
        "ticket.priority != 'high'",
        "ticket.status in ['new', 'open'] && ticket.priority == 'low'",
        "'triage' in ticket.tags || ticket.status == 'solved'",
    ]
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.sampled_from(["low", "high"]),
        "status": st.sampled_from(["open", "pending", "solved"]),
        "tags": st.fixed_dictionaries({"add": st.lists(NAMES, max_size=2), "remove": st.lists(NAMES, max_size=2)}),
        "comment": st.just({"body": "Said", "public": False}),
    },
)
TICKETS = st.builds(
    ticket,
    status=st.sampled_from(["new", "open", "solved", "closed", "deleted"]),
    priority=st.sampled_from(["low", "high"]),
    tags=st.lists(NAMES, unique=True),
)


@given(when=CONDITIONS, changes=CHANGES, found=TICKETS)
def test_what_is_due_once_is_not_due_again_after_it(when, changes, found):
    """So a sweep never asks for the same thing twice, a comment included."""
    made = rule(when, **changes)
    try:
        due = swept.is_due(made, found)
    except MappingFailed:
        return
    if not due:
        return
    event = swept.event_of(made, found["id"])
    try:
        wanted = rules.decide(made, found, event)
    except MappingFailed:
        return
    after = diff.applied_to(found, diff.to_update(wanted, found))
    assert rules.decide(made, after, event) is None
    assert not swept.is_due(made, after)
