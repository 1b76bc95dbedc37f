"""When Zendesk says no, or not now."""

import pytest

from local.zendesk_simulator import Fault
from tests.integration.update_ticket.agent import RAISE, TAGS
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.update_ticket.webhook import resume


def test_a_closed_ticket_fails_the_update_after_a_look_at_it(webhook, agent, row):
    agent.edit(status="closed")
    assert webhook(changes=RAISE).state == "failed"
    assert row().error_code == "ticket_closed"
    assert agent.calls() == [("PUT", 422), ("GET", 200)]


def test_a_ticket_that_zendesk_does_not_know_fails_the_update(webhook, agent, row):
    known = agent.ticket["updated_at"]
    agent.account.tickets.delete(agent.id)
    assert webhook(changes=RAISE, updated_at=known).state == "failed"
    assert row().error_code == "RecordNotFound"


def test_a_ticket_that_cannot_be_read_is_looked_for_again_before_the_update_fails(webhook, agent, row, services, clock):
    known = agent.ticket["updated_at"]
    agent.account.tickets.delete(agent.id)
    assert webhook(changes=TAGS, updated_at=known).state == "accepted"
    clock.advance(61)
    resume(services, [row()], Deadline.after(8))
    assert (row().state, row().error_code) == ("failed", "ticket_not_found")


def test_a_429_closes_the_gate_and_the_update_is_due_when_zendesk_said(webhook, agent, row, services, clock):
    agent.account.faults.add(Fault("status", status=429, headers={"Retry-After": "40"}, method="PUT"))
    assert webhook(changes=RAISE).state == "accepted"
    assert 40 <= row().due_at - clock() <= 42
    assert services.gate.closed_until() == pytest.approx(clock() + 40, abs=0.01)


def test_behind_a_closed_gate_an_update_is_only_stored(webhook, agent, go_on, services, row):
    services.gate.close(agent.clock() + 40)
    assert webhook(changes=RAISE).state == "accepted"
    assert not agent.calls()
    assert row().sent_at is None
    assert go_on().state == "applied"
    # Meanwhile its stamp may have grown old: no PUT is wasted on that.
    assert agent.calls() == [("GET", 200), ("PUT", 200)]


def test_an_update_whose_answer_opens_the_gate_leaves_it_open(webhook, go_on, services, clock):
    services.gate.close(clock() + 40)
    webhook(changes=RAISE)
    go_on()
    assert services.gate.closed_until() is None


def test_a_duplicate_does_not_keep_the_gate_closed(webhook, services, clock):
    webhook(changes=RAISE)
    services.gate.close(clock() + 1)
    clock.advance(2)
    webhook(changes=RAISE)
    assert services.gate.closed_until() is None


def test_a_token_that_is_revoked_midway_is_renewed(webhook, agent):
    webhook("inv_1", changes=RAISE)
    agent.account.oauth.revoke_all()
    assert webhook("inv_2", changes={"priority": "low"}).state == "applied"
    assert agent.calls() == [("PUT", 200), ("PUT", 401), ("PUT", 200)]
