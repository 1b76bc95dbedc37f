"""Who is heard, and that nothing happens twice."""

from typing import Any

import pytest

from tests.builders import CANARY, signed
from tests.fakes import DOWN, Outage
from tests.fixtures import both_engines
from tests.integration.update_ticket.agent import COMMENT, RAISE
from ticket_relay.errors import Refused, StoreUnavailable
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.update_ticket.webhook import receive


def test_the_same_invocation_again_is_told_how_far_it_is(webhook, agent, counted):
    webhook(changes=RAISE)
    assert webhook(changes=RAISE).state == "applied"
    assert agent.calls() == [("PUT", 200)]
    assert counted("UpdateDuplicate") == 1


def test_another_attempt_of_an_invocation_is_signed_anew_and_still_the_same(webhook, agent, clock):
    updated_at = agent.ticket["updated_at"]
    webhook(changes=RAISE)
    clock.advance(5)
    assert webhook(changes=RAISE, updated_at=updated_at).state == "applied"
    assert agent.calls() == [("PUT", 200)]


@both_engines
def test_a_captured_request_under_another_invocation_id_has_no_effect(webhook, agent, clock, stored):
    captured = {"at": clock(), "updated_at": agent.ticket["updated_at"], "changes": RAISE}
    webhook("inv_1", **captured)
    before = stored()
    clock.advance(30)
    assert webhook("inv_2", **captured).state == "applied"
    assert agent.calls() == [("PUT", 200)]
    assert stored() == before


@pytest.mark.parametrize("again", ["inv_1", "inv_2"])
def test_what_was_seen_but_not_stored_is_taken_the_next_time_under_whatever_id(webhook, agent, dynamo, again):
    dynamo.outages = [Outage(("put_item",), DOWN, fits=lambda put: put["Item"]["pk"]["S"].startswith("update#"))]
    with pytest.raises(StoreUnavailable):
        webhook("inv_1", changes=RAISE)
    assert webhook(again, changes=RAISE).state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]


def test_what_the_relay_did_itself_is_ignored_once_it_knows_itself(webhook, agent, stored):
    own = str(agent.account.relay.id)
    assert webhook("inv_1", changes=RAISE, actor_id=own).state == "skipped"
    before = stored()
    assert webhook("inv_2", changes=RAISE, actor_id=own).state == "ignored"
    assert not agent.calls()
    assert stored() == before


@both_engines
def test_who_the_relay_is_is_asked_once(webhook, zendesk, clock):
    webhook("inv_1", changes=RAISE)
    clock.advance(60)
    webhook("inv_2", changes=RAISE)
    assert len(zendesk.account.journal.calls(path="/api/v2/users/me")) == 1


REFUSED = {
    "update_malformed": {"ticket_id": CANARY},
    "unknown_rule": {"rule": CANARY},
    "changes_invalid": {"changes": {"priority": CANARY}},
}


@pytest.mark.parametrize(("code", "body"), REFUSED.items())
def test_what_no_retry_mends_is_refused_and_not_stored(webhook, agent, stored, code, body):
    with pytest.raises(Refused) as refused:
        webhook(**body)
    assert (refused.value.code, refused.value.status) == (code, 400)
    assert CANARY not in str(refused.value)
    assert not stored()
    assert not agent.calls()


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", "body_empty"), (b"{", "body_not_json"), (b"[]", "body_not_an_object"), (b"\xff", "body_not_utf8")],
)
def test_a_signed_body_that_is_no_object_is_refused(services, clock, stored, body, code):
    with pytest.raises(Refused) as refused:
        receive(services, signed(body, sender="zendesk", at=clock()), body, Deadline.after(3))
    assert refused.value.code == code
    assert not stored()


def test_a_forged_signature_is_refused_before_the_body_is_read(services, clock, stored):
    headers = signed(b"{", sender="zendesk", at=clock(), secret="another")
    with pytest.raises(Refused) as refused:
        receive(services, headers, b"{", Deadline.after(3))
    assert (refused.value.code, refused.value.status) == ("wrong_signature", 401)
    assert not stored()


@pytest.mark.parametrize(("passed", "code"), [(301, "stale_timestamp"), (-301, "future_timestamp")])
def test_a_delivery_from_another_time_is_refused(webhook, clock, stored, passed, code):
    with pytest.raises(Refused) as refused:
        webhook(changes=RAISE, at=clock() - passed)
    assert refused.value.code == code
    assert not stored()


@pytest.mark.parametrize("prefix", ["seen#", "update#"])
def test_what_could_not_be_stored_is_not_answered_with_success(webhook, agent, dynamo, prefix):
    dynamo.outages = [Outage(("put_item",), DOWN, fits=lambda put: put["Item"]["pk"]["S"].startswith(prefix))]
    with pytest.raises(StoreUnavailable) as unavailable:
        webhook(changes=RAISE)
    assert (unavailable.value.status, unavailable.value.retry_after) == (503, 5)
    assert not agent.calls()


@pytest.mark.parametrize("landed", [True, False])
def test_from_the_claim_on_the_answer_is_success_and_the_effect_is_there_once(webhook, agent, dynamo, go_on, landed):
    def is_later(put: dict[str, Any]) -> bool:
        return put["Item"]["pk"]["S"].startswith("update#") and "attribute_not_exists" not in put["ConditionExpression"]

    dynamo.outages = [Outage(("put_item",), DOWN, landed=landed, fits=is_later)]
    assert webhook(changes=RAISE).state == "accepted"
    if not landed:
        assert go_on().state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]
    assert [call for call in agent.calls() if call[0] == "PUT"] == [("PUT", 200)]
