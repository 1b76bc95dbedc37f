import json

import pytest

from tests.unit.changes.examples import (
    ADDRESS,
    CLOSED,
    COMMENT,
    followed,
    reasons,
)
from ticket_relay.changes.follow_up import follow_up
from ticket_relay.zendesk.ticket_models import TicketChanges, to_request


def test_a_follow_up_refers_to_the_closed_ticket_and_inherits_its_tags():
    assert followed({"comment": COMMENT, "priority": "normal"}) == {
        "via_followup_source_id": 35436,
        "requester_id": 5,
        "subject": "Fire",
        "comment": COMMENT,
        "priority": "normal",
    }


def test_tags_of_a_follow_up_are_the_closed_tickets_changed():
    assert followed({"comment": COMMENT, "tags": {"add": ["vip"], "remove": ["red"]}})["tags"] == ["blue", "vip"]


@pytest.mark.parametrize(
    ("changes", "given"),
    [
        ({"requester": ADDRESS}, {"requester": {"email": ADDRESS, "name": "someone"}}),
        ({"requester": 6}, {"requester_id": 6}),
        ({"raw_subject": "Flood"}, {"raw_subject": "Flood"}),
    ],
)
def test_what_the_changes_say_themselves_is_not_carried_over(changes, given):
    expected = {"via_followup_source_id": 35436, "requester_id": 5, "subject": "Fire", "comment": COMMENT} | given
    expected.pop("requester_id" if "requester" in given else "", None)
    expected.pop("subject" if "raw_subject" in given else "", None)
    assert followed({"comment": COMMENT} | changes) == expected


def test_a_follow_up_is_not_born_closed_and_clears_nothing():
    changes = {"comment": COMMENT, "status": "closed", "assignee_id": None, "priority": None}
    assert followed(changes).keys() == {"via_followup_source_id", "requester_id", "subject", "comment"}


def test_nobody_is_removed_from_a_follow_up():
    watchers = [{"user_id": 41}, {"user_id": 42, "action": "delete"}]
    changes = {"comment": COMMENT | {"public": True}, "followers": watchers, "email_ccs": watchers}
    assert {name: followed(changes)[name] for name in ("followers", "email_ccs")} == {
        "followers": [{"user_id": 41}],
        "email_ccs": [{"user_id": 41}],
    }


def test_collaborators_of_a_follow_up_are_added():
    assert followed({"comment": COMMENT, "collaborator_ids": [41]})["additional_collaborators"] == [41]


def test_collaborators_of_a_follow_up_are_those_that_were_to_be():
    assert followed({"comment": COMMENT, "collaborators": {"replace": [41]}})["collaborators"] == [41]
    assert not followed({"comment": COMMENT, "collaborators": {"remove": [21]}})["collaborators"]


def test_a_follow_up_of_a_ticket_without_subject_gets_none():
    assert "subject" not in followed({"comment": COMMENT}, CLOSED | {"subject": None})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"priority": "high"}, "follow_up_needs_comment"),
        ({"comment": COMMENT, "email_ccs": [{"user_id": 41}]}, "follow_up_loses_email_ccs"),
    ],
)
def test_what_cannot_become_a_follow_up_says_why(changes, code):
    assert reasons(followed, changes)[0] == code


def test_a_follow_up_can_be_requested():
    creation = follow_up(TicketChanges.model_validate({"comment": COMMENT}), CLOSED)
    assert json.loads(to_request(creation, "zendesk:follow-up"))["ticket"]["via_followup_source_id"] == 35436
