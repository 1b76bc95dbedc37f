from typing import Any

import pytest

from ticket_relay.definitions import loader
from ticket_relay.definitions.models import LiteralChanges, UpdateRule
from ticket_relay.errors import MappingFailed, PayloadRefused
from ticket_relay.update_ticket.request import checked, read_request

RULE = UpdateRule.model_validate(
    {"rule": "raise", "sample": {"event": "e.json", "ticket": "t.json"}, "changes": {"priority": "high"}}
)


@pytest.fixture(autouse=True)
def _one_rule(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loader, "rules", lambda: {"raise": RULE})


def body(**changes: Any) -> dict[str, Any]:
    given = {"ticket_id": "35436", "updated_at": "2026-11-21T22:00Z", "actor_id": "377922500012", "rule": "raise"}
    return {name: value for name, value in (given | changes).items() if value is not ...}


def test_placeholders_come_as_text():
    request = read_request(body())
    assert (request.ticket_id, request.actor_id, request.updated_at) == (35436, 377922500012, "2026-11-21T22:00Z")


def test_ids_may_be_numbers():
    request = read_request(body(ticket_id=35436, actor_id=1))
    assert (request.ticket_id, request.actor_id) == (35436, 1)


@pytest.mark.parametrize("actor_id", ["", "  ", None, ...])
def test_an_automation_has_no_actor(actor_id: object):
    assert read_request(body(actor_id=actor_id)).actor_id is None


@pytest.mark.parametrize("updated_at", ["", "May18", None, ...])
def test_a_useless_stamp_is_no_reason_to_refuse(updated_at: object):
    assert read_request(body(updated_at=updated_at)).ticket_id == 35436


def test_a_rule_is_looked_up_by_its_name():
    assert read_request(body()).decider is RULE


def test_literal_changes_decide_by_themselves():
    changes = {"priority": "low"}
    assert read_request(body(rule=..., changes=changes)).decider == LiteralChanges(
        changes=changes, on_conflict="reapply", on_closed="fail"
    )


def test_literal_changes_may_say_their_policies():
    decider = read_request(body(rule=..., changes={}, on_conflict="merge", on_closed="follow_up")).decider
    assert (decider.on_conflict, decider.on_closed) == ("merge", "follow_up")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"on_conflict": "merge"}, "on_conflict"),
        ({"on_closed": "fail"}, "on_closed"),
        ({"rule": ..., "changes": {}, "on_conflict": "canary"}, "on_conflict"),
        ({"rule": ..., "changes": {}, "on_closed": ""}, "on_closed"),
    ],
)
def test_a_policy_that_is_none_or_stands_beside_a_rule_is_refused_and_named(wrong: dict[str, Any], named: str):
    with pytest.raises(PayloadRefused, match=f"look at: {named}\\.") as refused:
        read_request(body(**wrong))
    assert "canary" not in str(refused.value)


def test_more_fields_are_for_the_rule():
    assert read_request(body(region="eu")).ticket_id == 35436


@pytest.mark.parametrize(
    "ticket_id",
    [..., None, "", "abc", "-1", "0", 0, -5, 1.0, True, "1.5", "\u0663", "9" * 20, 2**63, [1], {"id": 1}],
)
def test_a_ticket_id_that_is_none_is_refused_and_named(ticket_id: object):
    with pytest.raises(PayloadRefused, match="look at: ticket_id") as refused:
        read_request(body(ticket_id=ticket_id))
    assert (refused.value.status, refused.value.code) == (400, "update_malformed")


@pytest.mark.parametrize("wrong", [{"rule": ...}, {"changes": {}}, {"rule": None, "changes": None}])
def test_exactly_one_of_rule_and_changes_is_needed(wrong: dict[str, Any]):
    with pytest.raises(PayloadRefused, match="look at: rule"):
        read_request(body(**wrong))


@pytest.mark.parametrize(
    "wrong", [{"rule": ..., "changes": "high"}, {"rule": 7}, {"actor_id": "me"}, {"updated_at": 1}]
)
def test_fields_of_the_wrong_type_are_refused(wrong: dict[str, Any]):
    with pytest.raises(PayloadRefused, match="look at: ") as refused:
        read_request(body(**wrong))
    assert refused.value.code == "update_malformed"


def test_a_refusal_does_not_quote_the_body():
    with pytest.raises(PayloadRefused) as refused:
        read_request(body(ticket_id="canary", actor_id="canary", rule=["canary"]))
    assert "canary" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_an_unknown_rule_is_refused_when_it_comes_in():
    event = body(rule="lower")
    with pytest.raises(PayloadRefused) as refused:
        checked(read_request(event), event)
    assert (refused.value.status, refused.value.code) == (400, "unknown_rule")


def test_a_rule_that_was_taken_away_meanwhile_is_a_failure_of_the_mapping():
    with pytest.raises(MappingFailed) as failed:
        _ = read_request(body(rule="lower")).decider
    assert failed.value.code == "unknown_rule"


@pytest.mark.parametrize(
    "changes",
    [
        {"priority": "canary"},
        {"canary": 1},
        {"external_id": "canary"},
        {"safe_update": False},
        {"updated_stamp": "2026-11-21T22:00:00Z"},
        {"tags": ["canary"]},
        {"comment": {"public": True}},
    ],
)
def test_literal_changes_are_checked_when_they_come_in_and_never_quoted(changes: dict[str, Any]):
    event = body(rule=..., changes=changes)
    with pytest.raises(PayloadRefused) as refused:
        checked(read_request(event), event)
    assert (refused.value.status, refused.value.code) == (400, "changes_invalid")
    assert "canary" not in str(refused.value)


def test_a_rule_is_not_decided_before_there_is_a_ticket():
    event = body()
    request = read_request(event)
    assert checked(request, event) is request
