"""Events about the same thing have one ticket, whatever becomes of it."""

import json
import threading

import pytest

from tests.fixtures import both_engines
from tests.integration.create_ticket import alerts
from tests.integration.create_ticket.alerts import FIRED, NOTED, TICKET
from ticket_relay.storage import correlations
from ticket_relay.storage.rows import TicketState

define, things, send, correlation, minutes = (
    alerts.define,
    alerts.things,
    alerts.send,
    alerts.correlation,
    alerts.minutes,
)


@both_engines
def test_what_comes_after_the_first_goes_to_its_ticket_in_order(send, minutes, things, stored):
    assert send("fired", "one").state == "submitted"
    for kind, event_id in [("noted", "two"), ("fired", "three"), ("noted", "four")]:
        assert send(kind, event_id).state == "accepted"
    minutes(5)
    assert things.comments() == ["one", "two", "three", "four"]
    assert stored("one").state == TicketState.CREATED
    for event_id in ("two", "three", "four"):
        row = stored(event_id)
        assert (row.state, row.ticket_id, row.joined_to) == ("joined", things.only()["id"], "ticket#acme#one")
        assert json.loads(row.event)["text"] == event_id


def test_each_thing_has_its_own_ticket(send, minutes, things):
    send("fired", "one", thing="disk")
    send("fired", "two", thing="fan")
    minutes()
    assert (things.comments("disk"), things.comments("fan")) == (["one"], ["two"])


def test_an_alert_fires_twice_resolves_and_fires_again(send, minutes, things):
    send("fired", "one")
    minutes()
    send("fired", "two")
    minutes()
    send("resolved", "three")
    minutes()
    assert things.only()["status"] == "solved"
    send("fired", "four")
    minutes()
    assert things.only()["status"] == "open"
    assert things.comments() == ["one", "two", "three", "four"]


def test_an_event_that_has_joined_says_so_when_it_comes_again(send, minutes, things):
    send("fired", "one")
    send("noted", "two")
    minutes()
    receipt = send("noted", "two")
    assert (receipt.state, receipt.ticket_id) == ("joined", things.only()["id"])
    minutes()
    assert things.comments() == ["one", "two"]


def test_an_event_that_is_about_nothing_has_a_ticket_of_its_own(define, send, minutes, things, dynamo):
    define(FIRED, correlate={"$if": "event.thing == 'disk'", "then": None, "else": "${event.thing}"})
    send("fired", "one")
    send("fired", "two")
    minutes()
    assert len(things.tickets()) == 2
    items = dynamo.scan(TableName="relay")["Items"]
    assert not [item["pk"] for item in items if item["pk"]["S"].startswith("correlation#")]


def test_an_update_of_nothing_is_unmapped(define, send, stored):
    define(NOTED, correlate={"$eval": "null"})
    assert send("noted", "one").state == "unmapped"
    assert stored("one").error_code == "correlate_missing"


def test_what_no_case_is_for_is_ignored_and_so_is_what_a_case_ignores(send, services):
    assert send("noise", "one").state == send("unknown", "two").state == "ignored"
    assert services.store.get("ticket#acme#one") is None


@both_engines
def test_of_many_that_fire_at_once_one_makes_the_ticket(other_services, send, minutes, things):
    together = threading.Barrier(6)

    def fire(services, number):
        together.wait()
        send("fired", f"evt_{number}", by=services)

    threads = [threading.Thread(target=fire, args=(other_services(), number)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    minutes(12)
    assert sorted(things.comments()) == [f"evt_{number}" for number in range(6)]
    assert len(things.tickets()) == 1


@pytest.mark.parametrize(
    ("again", "comments", "priority"),
    [("comment", ["one", "two"], None), ("update", ["one"], "high"), ("ignore", ["one"], None)],
)
def test_a_case_says_what_happens_when_it_comes_again(define, send, minutes, things, again, comments, priority):
    define(FIRED | {"again": again} | ({"changes": {"priority": "high"}} if again == "update" else {}))
    send("fired", "one")
    send("fired", "two")
    minutes(5)
    assert (things.comments(), things.only()["priority"]) == (comments, priority)


def test_one_that_is_ignored_while_the_ticket_is_open_reopens_it_with_its_comment(
    define, send, minutes, things, stored
):
    define(FIRED | {"again": "ignore"})
    send("fired", "one")
    send("fired", "two")
    minutes()
    assert (stored("two").state, stored("two").error_code) == ("joined", "ticket_open")
    things.set(things.only()["id"], status="solved")
    send("fired", "three")
    minutes()
    assert (things.only()["status"], things.comments()) == ("open", ["one", "three"])


def test_each_may_make_a_ticket_and_later_events_go_to_the_latest(define, send, minutes, things, stored):
    define(FIRED | {"again": "create"}, NOTED)
    send("fired", "one")
    send("fired", "two")
    send("noted", "three")
    minutes(6)
    first, second = sorted(ticket["id"] for ticket in things.tickets())
    assert (stored("one").ticket_id, stored("two").ticket_id, stored("three").ticket_id) == (first, second, second)
    assert things.comments() == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("policy", "statuses", "comments"),
    [
        ("reopen", ["open"], ["one", "two", "three"]),
        ("create", ["solved", "new"], ["one", "two", "three"]),
        ("follow_up", ["solved", "new"], ["one", "two\n\nFollows #{old}.", "three"]),
    ],
)
def test_a_case_says_what_happens_on_a_solved_ticket(define, send, minutes, things, policy, statuses, comments):
    define(FIRED | {"on_solved": policy}, NOTED)
    send("fired", "one")
    minutes()
    old = things.only()["id"]
    things.set(old, status="solved")
    send("fired", "two")
    send("noted", "three")
    minutes(6)
    tickets = sorted(things.tickets(), key=lambda ticket: ticket["id"])
    assert [ticket["status"] for ticket in tickets] == statuses
    assert things.comments() == [text.replace("{old}", str(old)) for text in comments]


@pytest.mark.parametrize(("policy", "follows"), [("follow_up", True), ("create", False)])
def test_a_closed_ticket_is_followed_by_one_that_later_events_go_to(
    define, send, minutes, things, stored, policy, follows
):
    define(FIRED | {"on_closed": policy}, NOTED)
    send("fired", "one")
    minutes()
    old = things.only()["id"]
    things.set(old, status="closed")
    send("fired", "two")
    send("fired", "three")
    send("noted", "four")
    minutes(8)
    new = stored("two").ticket_id
    assert (stored("two").state, stored("three").ticket_id, stored("four").ticket_id) == ("created", new, new)
    assert things.comments() == ["one", "two", "three", "four"]
    assert things.account.tickets.get(old)["followup_ids"] == ([new] if follows else [])


def test_a_merged_ticket_is_followed_like_any_that_is_closed(send, minutes, things):
    send("fired", "one")
    minutes()
    agent, old = things.account.users.agent("dana@example.com"), things.only()["id"]
    other, _ = things.account.tickets.create({"subject": "Another", "comment": {"body": "x"}}, agent)
    things.account.tickets.merge(old, other["id"], agent)
    send("fired", "two")
    minutes(6)
    assert len(things.tickets()) == 2
    assert len(things.account.tickets.get(old)["followup_ids"]) == 1


def test_an_update_of_a_closed_ticket_follows_it_up_and_a_solution_leaves_it(send, minutes, things, stored):
    send("fired", "one")
    minutes()
    old = things.only()["id"]
    things.set(old, status="closed")
    send("resolved", "two")
    minutes()
    assert (stored("two").state, stored("two").error_code) == ("joined", "ticket_closed")
    send("noted", "three")
    send("resolved", "four")
    minutes(6)
    new = stored("three").ticket_id
    assert things.account.tickets.get(old)["followup_ids"] == [new]
    assert (things.account.tickets.get(new)["status"], stored("four").ticket_id) == ("solved", new)


def test_what_resolves_before_it_fires_waits_and_solves(send, minutes, things, stored):
    assert send("resolved", "one").state == "accepted"
    minutes()
    assert stored("one").error_code == "ticket_missing"
    send("fired", "two")
    minutes(4)
    assert (things.only()["status"], things.comments()) == ("solved", ["two", "one"])


@pytest.mark.parametrize(
    ("then", "state", "tickets"), [("unmapped", "unmapped", 0), ("ignore", "ignored", 0), ("create", "created", 1)]
)
def test_an_update_waits_for_a_bounded_time(define, send, minutes, things, stored, clock, then, state, tickets):
    define(FIRED, NOTED | {"missing": {"wait": 600, "then": then}} | ({"ticket": TICKET} if tickets else {}))
    send("noted", "one")
    clock.advance(500)
    minutes()
    assert stored("one").state == "accepted"
    clock.advance(200)
    minutes()
    assert (stored("one").state, len(things.tickets())) == (state, tickets)
    send("fired", "two")
    minutes(5)
    assert things.comments() == (["one", "two"] if tickets else ["two"])


def test_those_in_line_are_bounded_and_none_is_lost(send, minutes, things, monkeypatch, counted):
    monkeypatch.setattr(correlations, "MOST_PENDING", 2)
    for number in range(5):
        send("noted", f"evt_{number}")
    assert counted("CorrelationFull") == 3
    send("fired", "fire")
    minutes(25)
    assert sorted(things.comments()) == ["evt_0", "evt_1", "evt_2", "evt_3", "evt_4", "fire"]


def test_a_deleted_ticket_is_replaced_when_it_fires_again(send, minutes, things, stored):
    send("fired", "one")
    minutes()
    things.account.tickets.delete(things.only()["id"])
    send("noted", "two")
    send("fired", "three")
    send("noted", "four")
    minutes(24)
    assert (stored("two").state, stored("two").error_code) == ("failed", "ticket_not_found")
    assert things.comments() == ["three", "four"]


def test_the_place_of_an_event_costs_a_read_and_a_write_at_most(send, dynamo):
    calls = []

    def note(operation, request):
        if request.get("Key", {}).get("pk", {}).get("S", "").startswith("correlation#"):
            calls.append(operation)

    dynamo.before = note
    send("fired", "one")
    assert calls == ["get_item", "update_item"]
    calls.clear()
    send("fired", "two")
    assert calls == ["get_item", "update_item"]
    calls.clear()
    send("noted", "three")
    assert calls == ["update_item"]
