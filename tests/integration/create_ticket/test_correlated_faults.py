"""What fails, dies or is refused between the events about one thing."""

import pytest

from cli.redrive import redrive
from local.zendesk_simulator import Fault, JobPlan
from tests.fakes import DOWN, Killed, Outage
from tests.integration.create_ticket import alerts, test_correlated
from ticket_relay.errors import StoreUnavailable
from ticket_relay.storage.rows import TicketState

define, things, send, correlation = alerts.define, alerts.things, alerts.send, alerts.correlation
minutes = test_correlated.minutes


def of_correlation(request):
    return request["Key"]["pk"]["S"].startswith("correlation#")


def set_to(request, name):
    """What a write sets an attribute of a row to."""
    return request.get("Item", {}).get(name) or request.get("ExpressionAttributeValues", {}).get(f":{name}")


@pytest.mark.parametrize("landed", [False, True])
@pytest.mark.parametrize("kind", ["fired", "noted"])
def test_an_event_without_its_place_is_told_so_and_takes_it_when_it_comes_again(
    send, minutes, things, dynamo, stored, kind, landed
):
    if kind == "noted":
        send("fired", "first")
    dynamo.outages.append(Outage(("update_item",), DOWN, fits=of_correlation, landed=landed))
    with pytest.raises(StoreUnavailable):
        send(kind, "one")
    assert stored("one").state == TicketState.ACCEPTED
    assert send(kind, "one").state == "accepted"
    send("noted", "two")
    minutes(8)
    assert things.comments() == [*(["first"] if kind == "noted" else []), "one", "two"]


def test_an_event_that_does_not_come_again_is_given_its_place_by_the_poller(send, minutes, things, dynamo):
    dynamo.outages.append(Outage(("update_item",), DOWN, fits=of_correlation))
    with pytest.raises(StoreUnavailable):
        send("fired", "one")
    minutes(8)
    assert things.comments() == ["one"]


def test_a_refused_first_event_gives_the_lead_to_the_next_and_joins_it_when_redriven(
    send, minutes, things, zendesk, services, stored
):
    zendesk.account.jobs.plans.append(JobPlan("failed"))
    send("fired", "one")
    send("noted", "two")
    minutes()
    assert stored("one").state == TicketState.FAILED
    assert stored("two").error_code == "ticket_missing"
    send("fired", "three")
    minutes(5)
    redrive(services.store, stored("one"), services.now())
    minutes(5)
    assert things.only()["external_id"] == "acme:three"
    assert things.comments() == ["three", "two", "one"]


def test_a_refused_first_event_keeps_the_lead_if_it_is_redriven_before_others_come(
    send, minutes, things, zendesk, services, stored
):
    zendesk.account.jobs.plans.append(JobPlan("failed"))
    send("fired", "one")
    send("noted", "two")
    minutes()
    redrive(services.store, stored("one"), services.now())
    minutes(6)
    assert things.comments() == ["one", "two"]


def test_a_refused_update_fails_its_event_and_holds_up_no_other(send, minutes, things, zendesk, services, stored):
    send("fired", "one")
    minutes()
    refusal = '{"error":"RecordInvalid","description":"Record validation errors"}'
    zendesk.account.faults.add(
        Fault(
            "status", method="PUT", path="/api/v2/tickets/*", status=422, body=refusal, content_type="application/json"
        )
    )
    send("noted", "two")
    send("noted", "three")
    minutes(4)
    assert (stored("two").state, stored("two").error_code) == ("failed", "RecordInvalid")
    assert things.comments() == ["one", "three"]
    redrive(services.store, stored("two"), services.now())
    minutes(3)
    assert (stored("two").state, things.comments()) == ("joined", ["one", "three", "two"])


def test_an_update_that_found_no_ticket_in_time_joins_it_when_it_is_redriven(
    send, minutes, things, clock, services, stored
):
    send("noted", "one")
    clock.advance(700)
    minutes()
    assert stored("one").state == TicketState.UNMAPPED
    send("fired", "two")
    redrive(services.store, stored("one"), services.now())
    minutes(4)
    assert (stored("one").state, things.comments()) == ("joined", ["two", "one"])


@pytest.mark.parametrize("at", ["event", "update", "lead", "leads"])
def test_a_worker_that_dies_on_the_way_to_a_new_ticket_leaves_one(send, minutes, things, dynamo, services, at):
    """The old one is closed: the event learns of its ticket, its update ends, it takes the lead, and is sent."""
    send("fired", "one")
    minutes()
    things.set(things.only()["id"], status="closed")
    send("fired", "two")
    send("noted", "three")
    row = dynamo.get_item(TableName="relay", Key={"pk": {"S": "ticket#acme#two"}})["Item"]
    steps = {
        "event": lambda it: set_to(it, "request") not in (None, row["request"]),
        "update": lambda it: set_to(it, "error_code") == {"S": "ticket_replaced"},
        "lead": lambda it: "pending[0], ticket_id" in it.get("UpdateExpression", ""),
        "leads": lambda it: set_to(it, "leads") == {"BOOL": True},
    }
    deaths = []

    def die(operation, request):
        if not deaths and operation in {"put_item", "update_item"} and steps[at](request):
            deaths.append(operation)
            raise Killed

    dynamo.before = die
    with pytest.raises(Killed):
        minutes(3)
    minutes(8)
    assert len(things.tickets()) == 2
    assert things.comments() == ["one", "two", "three"]


def test_a_comment_whose_answer_is_lost_is_there_once(send, minutes, things, zendesk):
    send("fired", "one")
    minutes()
    zendesk.account.faults.add(Fault("drop", method="PUT", path="/api/v2/tickets/*", effect="before", times=2))
    send("fired", "two")
    send("resolved", "three")
    minutes(10)
    assert (things.only()["status"], things.comments()) == ("solved", ["one", "two", "three"])
