"""What is not known to have landed stays in doubt, and what was never sent is not doubted."""

from local.zendesk_simulator import Fault
from tests.integration.update_ticket.agent import COMMENT, RAISE, TAGS
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.update_ticket.webhook import resume


def test_a_ticket_that_is_not_found_for_a_moment_does_not_make_a_lost_answer_forgotten(webhook, agent, row, go_on):
    agent.account.faults.add(Fault("drop", method="PUT", effect="before"))
    webhook(changes=RAISE)
    agent.account.faults.add(Fault("status", status=404, method="GET", path="/api/v2/tickets/*"))
    assert go_on().error_code == "ticket_not_found"
    assert go_on().state == "applied"
    assert agent.comments == ["It burns", COMMENT["body"]]


def test_a_reading_that_fails_leaves_no_doubt_since_nothing_was_sent(webhook, agent, row):
    agent.account.faults.add(Fault("drop", method="GET", path="/api/v2/tickets/*"))
    webhook(changes=TAGS)
    assert (row().state, row().sent_at) == ("accepted", None)


def test_who_was_held_for_a_first_try_and_is_not_in_the_second_is_let_go(webhook, agent, wire, services, row, clock):
    cc = agent.account.users.add("C", "c@example.com", "end-user")
    agent.edit(email_ccs=[{"user_id": cc.id}])
    services.gate.close(clock() + 5)
    webhook("a", changes={"email_ccs": [{"user_id": cc.id}], "comment": {"body": "n", "public": False}})
    clock.advance(0.1)
    webhook("b", changes={"tags": {"add": ["y"], "remove": []}})
    clock.advance(30)
    wire.meanwhile["GET"] = [lambda: agent.edit(email_ccs=[{"user_id": cc.id, "action": "delete"}])]
    resume(services, [row("a"), row("b")], Deadline.after(20))
    # Now "a" takes two requests, and goes alone.
    assert row("a").rest is not None
    assert (row("b").state, row("b").sent_at) == ("accepted", None)
    assert row("b").due_at <= clock()


def test_a_follow_up_waits_until_the_ticket_is_closed_indeed(webhook, agent, wire, services, row, clock):
    services.gate.close(clock() + 5)
    webhook("a", changes={"status": "closed"})
    clock.advance(0.1)
    webhook("b", changes={"comment": {"body": "more"}}, on_closed="follow_up")
    clock.advance(30)
    wire.before = lambda request: request.method == "PUT" and agent.tag(f"t{len(wire.puts)}")
    resume(services, [row("a"), row("b")], Deadline.after(20))
    assert agent.ticket["status"] == "new"
    assert row("b").state == "accepted"
