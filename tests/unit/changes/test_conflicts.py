import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.zendesk_simulator.audits import change_events
from ticket_relay.changes.conflicts import ANYTHING, changed_since, conflicting_fields, markers_of
from ticket_relay.changes.diff import applied_to, fields, to_update
from ticket_relay.zendesk.ticket_models import TicketChanges
from ticket_relay.zendesk.timestamps import parse

ROOT = Path(__file__).parents[3]
SECOND = "2026-11-21T22:00:30Z"
BEFORE, LATER = "2026-11-21T22:00:29Z", "2026-11-21T22:00:31Z"
OWN = "0" * 32
ADDRESS = "someone@example.com"
PRIORITY = {"type": "Change", "field_name": "priority", "value": "high", "previous_value": "normal"}


def audit(*events, created_at=LATER, marker=None):
    custom = {} if marker is None else {"ticket_relay": marker}
    return {"id": 1, "created_at": created_at, "metadata": {"system": {}, "custom": custom}, "events": list(events)}


def changed(*audits, since=SECOND):
    return set(changed_since(audits, parse(since), but=OWN))


def tags(before, now):
    return {"type": "Change", "field_name": "tags", "value": now, "previous_value": before}


@pytest.mark.parametrize(
    ("event", "names"),
    [
        (PRIORITY, {"priority"}),
        ({"type": "Change", "field_name": "360001", "value": "b", "previous_value": None}, {"custom_fields.360001"}),
        ({"type": "Change", "field_name": "custom_status_id", "value": "8", "previous_value": "7"}, {"status"}),
        ({"type": "Change", "field_name": "raw_subject", "value": "b", "previous_value": "a"}, {"subject"}),
        ({"type": "Change", "field_name": "current_collaborators", "value": ADDRESS}, {"collaborators"}),
        ({"type": "Create", "field_name": "priority", "value": "high"}, {"priority"}),
        (tags(["red", "Blue"], ["blue", "vip"]), {"tags.red", "tags.vip"}),
        (tags(None, ["vip"]), {"tags.vip"}),
        (tags([], [ADDRESS]), {"tags"}),
        (tags("red blue", ["vip"]), {"tags"}),
        (tags([{}], ["vip"]), {"tags"}),
        ({"type": "Change", "field_name": "tags", "value": ["vip"]}, {"tags"}),
        ({"type": "FollowerChange", "previous_followers": [1], "current_followers": [1, "2"]}, {"followers.2"}),
        ({"type": "FollowerChange", "previous_followers": [], "current_followers": [ADDRESS]}, {"followers"}),
        ({"type": "FollowerChange"}, {"followers"}),
        ({"type": "EmailCcChange", "previous_email_ccs": [1, 2], "current_email_ccs": [2]}, {"email_ccs.1"}),
        ({"type": "EmailCcChange", "previous_email_ccs": None, "current_email_ccs": 5}, {"email_ccs"}),
        ({"type": "TicketSharingEvent", "agreement_id": 3, "action": "shared"}, {"sharing_agreement_ids"}),
        ({"type": "AssociateAttValsEvent", "attribute_values": []}, {"attribute_value_ids"}),
        ({"type": "Comment", "public": True, "body": "Hello"}, {"comment"}),
        ({"type": "VoiceComment"}, {"comment"}),
        ({"type": "Notification", "body": "Hello"}, set()),
        ({"type": "Change"}, {ANYTHING}),
        ({"type": "Change", "field_name": ADDRESS}, {ANYTHING}),
        ({"type": ["Change"]}, {ANYTHING}),
        ({}, {ANYTHING}),
        ("Change", {ANYTHING}),
    ],
)
def test_an_event_is_a_change_to_what_it_names(event, names):
    assert changed(audit(event)) == names


def test_an_audit_of_somebody_elses_update_names_the_fields_that_ours_would():
    ticket = json.loads((ROOT / "events" / "zendesk-ticket-refund-approved.json").read_text())["ticket"]
    changes = {
        "priority": "low",
        "status": "solved",
        "subject": "Paid out",
        "assignee_id": None,
        "tags": {"add": ["paid"], "remove": ["refund_approved"]},
        "custom_fields": [{"id": 360008591395, "value": "refund_stage_paid"}],
        "followers": [{"user_id": 377922500031, "action": "delete"}],
        "email_ccs": [{"user_id": 377922500046}],
    }
    update = to_update(TicketChanges.model_validate(changes), ticket)
    assert changed(audit(*change_events(ticket, applied_to(ticket, update)))) == fields(update, ticket)


@pytest.mark.parametrize("broken", [None, 5, "audit", [], {"created_at": LATER}, audit() | {"events": {}}])
def test_an_audit_that_cannot_be_read_may_have_changed_anything(broken):
    assert changed(broken) == {ANYTHING}


@pytest.mark.parametrize(
    ("since", "created_at", "counts"),
    [
        (SECOND, BEFORE, False),
        (SECOND, SECOND, False),
        (SECOND, LATER, True),
        (SECOND, "2026-11-21T23:00:30+01:00", False),
        ("2026-11-21T22:00Z", "2026-11-21T22:00:59Z", False),
        ("2026-11-21T22:00Z", "2026-11-21T22:01:00Z", True),
        (SECOND, "yesterday", True),
        (SECOND, None, True),
        (SECOND, 1795298400, True),
    ],
)
def test_what_was_changed_within_the_stamp_was_seen(since, created_at, counts):
    assert changed(audit(PRIORITY, created_at=created_at), since=since) == ({"priority"} if counts else set())


@pytest.mark.parametrize("marker", [OWN, [OWN], ["1" * 32, OWN], f"{OWN}+"])
def test_what_the_update_did_itself_is_not_of_others(marker):
    assert changed(audit(PRIORITY, marker=marker), audit(tags([], ["vip"]))) == {"tags.vip"}


@pytest.mark.parametrize("marker", ["1" * 32, ["1" * 32], OWN[1:], {OWN: OWN}, [[OWN]]])
def test_what_another_update_of_the_relay_did_is_of_others(marker):
    assert changed(audit(PRIORITY, marker=marker)) == {"priority"}


def test_all_audits_count_in_any_order():
    audits = [audit(PRIORITY, created_at=BEFORE), audit(tags([], ["vip"])), audit(PRIORITY)]
    assert changed(*audits) == changed(*reversed(audits)) == {"priority", "tags.vip"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from([LATER, ADDRESS]),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "field_name", "value", "previous_value", "previous_followers", "current_followers"),
                    *("events", "metadata", "custom", "ticket_relay", "created_at"),
                ]
            ),
            inside | st.sampled_from(["Change", "Create", "FollowerChange", "tags", "Comment"]),
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.lists(json_values, max_size=3), json_values)
def test_whatever_the_audits_hold_the_answer_is_names_without_addresses(audits, events):
    names = changed_since([*audits, {"events": [events]}, {"events": events}], parse(SECOND), but=OWN)
    assert all("@" not in name for name in names)


@pytest.mark.parametrize(
    ("audit", "markers"),
    [
        (audit(marker=OWN), {OWN}),
        (audit(marker=["a", "b", 5, None]), {"a", "b"}),
        (audit(marker=5), set()),
        (audit(), set()),
        ({"metadata": {"custom": None}}, set()),
        ({"metadata": None}, set()),
        ({}, set()),
        (None, set()),
    ],
)
def test_an_audit_tells_by_its_markers_which_updates_made_it(audit, markers):
    assert markers_of(audit) == markers


@pytest.mark.parametrize(
    ("ours", "theirs", "met"),
    [
        ({"priority", "status"}, {"priority"}, ["priority"]),
        ({"priority", "tags.vip"}, {"status", "tags.red"}, []),
        ({"tags.vip", "tags.a.b"}, {"tags.a.b"}, ["tags.a.b"]),
        ({"tags.vip", "tags.red"}, {"tags"}, ["tags.red", "tags.vip"]),
        ({"tags"}, {"tags.vip"}, ["tags"]),
        ({"custom_fields.1", "custom_fields.11"}, {"custom_fields.1"}, ["custom_fields.1"]),
        ({"followers"}, {"followers.5"}, ["followers"]),
        ({"followers.5"}, {"followers"}, ["followers.5"]),
        ({"followers.5"}, {"email_ccs.5"}, []),
        ({"collaborators.5"}, {"followers.5"}, ["collaborators.5"]),
        ({"collaborators.5"}, {"email_ccs.6"}, []),
        ({"email_ccs.5"}, {"collaborators"}, ["email_ccs.5"]),
        ({"comment"}, {"comment", ANYTHING}, []),
        ({"comment", "tags.vip", "priority"}, {ANYTHING}, ["priority", "tags.vip"]),
        ({"priority"}, set(), []),
        (set(), {ANYTHING}, []),
    ],
)
def test_an_update_meets_what_others_changed_in_the_same_field(ours, theirs, met):
    assert conflicting_fields(ours, theirs) == met
