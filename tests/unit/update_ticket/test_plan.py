"""What becomes of the updates that wait for one ticket, on readings made by hand."""

import json

import pytest

from tests.builders import NOW
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import UpdateRule
from ticket_relay.states import update as update_states
from ticket_relay.storage.rows import UpdateState, update_pk
from ticket_relay.update_ticket.plan import Plan, Reading, Waiting, make_plan
from ticket_relay.zendesk.errors import OutcomeUnknown
from ticket_relay.zendesk.ticket_models import MARKER

OLD, READ = "2026-11-21T22:00:00Z", "2026-11-21T22:10:00Z"
OWN = 77
TICKET = {
    "id": 7,
    "status": "open",
    "priority": None,
    "subject": "Fire",
    "raw_subject": "Fire",
    "tags": ["triage"],
    "custom_fields": [],
    "email_cc_ids": [],
    "updated_at": READ,
}
NOTE = {"body": "Raised.", "public": False}


def waiting(number=1, *, sent_at=None, rest=None, **request):
    body = json.dumps({"ticket_id": 7, "updated_at": READ} | request).encode()
    name = f"inv_{number}"
    row = update_states.claimed(update_pk(7, name), 7, name, body, NOW, closed_until=NOW)
    row = row.model_copy(update={"sent_at": sent_at, "rest": rest})
    return Waiting(row)


def unread():
    pytest.fail("The audits cost a call.")


def planned(*rows, ticket=None, audits=unread, own=OWN):
    given = TICKET | (ticket or {})
    return make_plan(rows, Reading(given, given["updated_at"], audits, own), NOW)


def audit(marker=None, *events, at=READ):
    custom = {MARKER: marker} if marker else {}
    return {"created_at": at, "metadata": {"custom": custom}, "events": list(events)}


def changed(field):
    return {"type": "Change", "field_name": field, "value": "x", "previous_value": None}


def ends(moves):
    return [(row.invocation_id, str(row.state), row.error_code) for _, row in moves]


def test_one_update_goes_out_with_its_marker():
    one = waiting(changes={"priority": "high", "subject": "Fire"})
    plan = planned(one)
    assert (plan.update, plan.senders, plan.markers) == ({"priority": "high"}, [one], [one.row.marker])
    assert (plan.rests, plan.over, plan.after, plan.follow_ups) == ({}, [], [], [])


def test_updates_that_agree_are_one_request_with_a_marker_of_each():
    rows = [waiting(1, changes={"priority": "high"}), waiting(2, changes={"subject": "Ours", "comment": NOTE})]
    plan = planned(*rows)
    assert plan.update == {"priority": "high", "subject": "Ours", "comment": NOTE}
    assert plan.markers == [it.row.marker for it in rows]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"comment": NOTE}, {"comment": NOTE}),
        ({"priority": "high"}, {"priority": "low"}),
        ({"tags": {"add": ["a"]}}, {"tags": {"remove": ["a"]}}),
        ({"assignee_email": "agent@example.com"}, {"subject": "Ours"}),
    ],
    ids=["comments", "values", "tags", "unforeseeable"],
)
def test_what_cannot_go_together_waits_for_the_next_reading_and_so_does_all_that_comes_later(first, second):
    rows = [waiting(1, changes=first), waiting(2, changes=second), waiting(3, changes={"type": "incident"})]
    plan = planned(*rows)
    assert plan.senders == rows[:1]
    assert (plan.over, plan.after) == ([], [])


def test_what_is_true_already_ends_at_once_and_what_becomes_true_ends_with_the_request():
    plan = planned(
        waiting(1, changes={"subject": "Fire"}),
        waiting(2, changes={"priority": "high"}),
        waiting(3, changes={"priority": "high"}),
    )
    assert ends(plan.over) == [("inv_1", "applied", None)]
    assert ends(plan.after) == [("inv_3", "applied", None)]


def test_what_cannot_be_decided_fails_alone(monkeypatch):
    monkeypatch.setattr(loader, "rules", dict)
    plan = planned(waiting(1, rule="nobody-defined-this"), waiting(2, changes={"priority": "high"}))
    assert ends(plan.over) == [("inv_1", "failed", "unknown_rule")]
    assert plan.update == {"priority": "high"}


def test_a_rule_that_makes_too_much_of_a_ticket_fails_its_own_update_only(monkeypatch):
    greedy = {
        "custom_fields": {"$map": {"$eval": "range(0, ticket.id ** 20)"}, "each(n)": {"id": "${n}", "value": "x"}}
    }
    rule = UpdateRule(rule="greedy", sample={"event": "e.json", "ticket": "t.json"}, changes=greedy)
    monkeypatch.setattr(loader, "rules", lambda: {"greedy": rule})
    plan = planned(waiting(1, rule="greedy"), waiting(2, changes={"priority": "high"}))
    assert ends(plan.over) == [("inv_1", "failed", "mapping_too_large")]
    assert [it.row.invocation_id for it in plan.senders] == ["inv_2"]


def test_what_we_caused_ourselves_is_skipped():
    plan = planned(waiting(actor_id=OWN, changes={"priority": "high"}))
    assert ends(plan.over) == [("inv_1", "skipped", None)]


def test_nobody_is_ourselves_while_we_do_not_know_who_we_are():
    assert planned(waiting(actor_id=OWN, changes={"priority": "high"}), own=None).update


@pytest.mark.parametrize(
    ("policy", "state", "code"), [("skip", "skipped", "ticket_changed"), ("merge", "conflict", "update_conflict")]
)
def test_the_policy_decides_where_the_ticket_is_newer_than_the_stamp(policy, state, code):
    late = waiting(updated_at=OLD, on_conflict=policy, changes={"priority": "high"})
    plan = planned(late, audits=lambda: [audit(None, changed("priority"))])
    assert ends(plan.over) == [("inv_1", state, code)]
    assert plan.update == {}


def test_a_merge_of_what_nobody_else_changed_goes_out():
    late = waiting(updated_at=OLD, on_conflict="merge", changes={"priority": "high"})
    assert planned(late, audits=lambda: [audit(None, changed("subject"))]).update == {"priority": "high"}


def test_audits_that_cannot_be_read_are_no_decision():
    def broken():
        raise OutcomeUnknown("zendesk_timeout", "No answer.")

    with pytest.raises(OutcomeUnknown):
        planned(waiting(updated_at=OLD, on_conflict="merge", changes={"priority": "high"}), audits=broken)


@pytest.mark.parametrize("base", [OLD, READ])
def test_without_a_stamp_the_first_reading_is_the_base(base):
    one = waiting(updated_at="", on_conflict="skip", changes={"priority": "high"})
    one.row = one.row.model_copy(update={"base": base})
    assert bool(planned(one).update) == (base == READ)


def test_what_an_operator_set_going_is_meant_for_the_ticket_as_it_was_read_then():
    one = waiting(updated_at=OLD, on_conflict="skip", changes={"priority": "high"})
    one.row = one.row.model_copy(update={"base": READ, "redriven_at": NOW})
    assert planned(one).update == {"priority": "high"}


def test_a_doubtful_update_that_left_its_marker_is_done():
    one = waiting(sent_at=NOW, changes={"priority": "high"})
    plan = planned(one, audits=lambda: [audit("another"), audit(["another", one.row.marker])])
    assert ends(plan.over) == [("inv_1", "applied", None)]


def test_a_doubtful_update_without_its_marker_goes_out_again():
    assert planned(waiting(sent_at=NOW, changes={"comment": NOTE}), audits=lambda: [audit("x")]).update


def test_an_update_that_was_never_sent_costs_no_look_at_the_audits():
    assert planned(waiting(changes={"comment": NOTE}), audits=unread).update


TWO = {"comment": NOTE, "email_ccs": [{"user_id": 31}], "priority": "high"}


def test_an_update_of_two_requests_sends_the_first_alone_and_keeps_the_rest():
    rows = [waiting(1, changes=TWO), waiting(2, changes={"subject": "Ours"})]
    plan = planned(*rows)
    assert plan.update == {"email_ccs": [{"user_id": 31}], "priority": "high"}
    assert (plan.senders, plan.markers) == (rows[:1], [rows[0].row.marker_of_first])
    assert json.loads(*plan.rests.values()) == {"comment": NOTE}


def test_an_update_of_two_requests_waits_while_another_goes_out():
    plan = planned(waiting(1, changes={"subject": "Ours"}), waiting(2, changes=TWO))
    assert plan.update == {"subject": "Ours"}
    assert not plan.two_requests


REST = json.dumps({"comment": NOTE}).encode()


def test_the_rest_of_what_has_half_landed_goes_out_whatever_the_ticket_is_like_now():
    half = waiting(updated_at=OLD, on_conflict="skip", rest=REST, changes=TWO)
    plan = planned(half, ticket={"priority": "low"})
    assert (plan.update, plan.markers, plan.two_requests) == ({"comment": NOTE}, [half.row.marker], False)


def test_of_a_doubtful_first_half_the_audits_tell_whether_it_landed():
    half = waiting(sent_at=NOW, rest=REST, changes=TWO)
    landed = planned(half, audits=lambda: [audit(half.row.marker_of_first)])
    assert landed.update == {"comment": NOTE}
    half = waiting(sent_at=NOW, rest=REST, changes=TWO)
    assert "email_ccs" in planned(half, audits=lambda: [audit("x")]).update


def test_a_first_half_that_this_worker_saw_refused_is_decided_again():
    one = waiting(changes=TWO)
    one.row = update_states.held(one.row, NOW, REST)
    assert "email_ccs" in planned(one).update


def test_planning_changes_no_row():
    rows = [waiting(1, changes=TWO), waiting(2, sent_at=NOW, rest=REST, changes=TWO)]
    before = [it.row for it in rows]
    for it in rows:
        planned(it, audits=lambda: [audit("x")])
    assert [it.row for it in rows] == before


CLOSED = {"status": "closed"}


def test_a_closed_ticket_fails_the_update_or_is_followed_up():
    fails, follows = waiting(1, changes={"comment": NOTE}), waiting(2, on_closed="follow_up", changes={"comment": NOTE})
    plan = planned(fails, follows, ticket=CLOSED)
    assert ends(plan.over) == [("inv_1", "failed", "ticket_closed")]
    ((who, creation),) = plan.follow_ups
    assert (who, creation.given()["via_followup_source_id"]) == (follows, 7)
    assert plan.update == {}


def test_the_rest_of_what_has_half_landed_fails_on_a_closed_ticket():
    plan = planned(waiting(rest=REST, changes=TWO), ticket=CLOSED)
    assert ends(plan.over) == [("inv_1", "failed", "ticket_closed")]


def test_what_comes_after_an_update_that_closes_the_ticket_is_not_sent_with_it():
    rows = [waiting(1, changes={"status": "closed"}), waiting(2, changes={"priority": "high"})]
    plan = planned(*rows)
    assert plan.update == {"status": "closed"}
    assert plan.senders == rows[:1]


def test_no_more_updates_go_together_than_markers_fit_beside_the_metadata():
    rows = [waiting(number, changes={"tags": {"add": [f"t{number}"]}}) for number in range(40)]
    plan = planned(*rows)
    size = len(json.dumps({MARKER: plan.markers}, separators=(",", ":")))
    assert 1 < len(plan.senders) < 40
    assert size <= 1024 < size + 40
    assert [it.row.state for it in rows] == [UpdateState.ACCEPTED] * 40


def test_nothing_is_planned_for_nobody():
    assert planned() == Plan()
