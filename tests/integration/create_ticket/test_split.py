"""A delivery of several events: each has its row, all are durable before the answer, and none comes twice."""

import json

import pytest

from cli.redrive import redrive
from functions.create_ticket import app as function
from local.zendesk_simulator import Fault
from local.zendesk_simulator.audits import comments_of
from tests.builders import CANARY, ROOT, body_of, http_event, signed
from tests.fakes import DOWN, Outage
from tests.fixtures import both_engines
from ticket_relay.create_ticket import mapping
from ticket_relay.definitions import loader

FIRING = json.loads((ROOT / "events/hooli-alerts-firing.json").read_bytes())
RESOLVED = json.loads((ROOT / "events/hooli-alerts-resolved.json").read_bytes())
ONE = "4b1c5e0f9a7d2e33-2026-11-20T08:14:30.000Z"
TWO = "c07e4d51b6a8f912-2026-11-20T08:15:00.000Z"


def alert(number, **changes):
    return FIRING["alerts"][0] | {"fingerprint": f"print-{number}"} | changes


@pytest.fixture
def post(services, monkeypatch, clock):
    """A delivery of Hooli's; the status and the body of the answer."""
    monkeypatch.setattr(function, "services", lambda: services)

    def post(content, id="dlv_1"):
        body = body_of(content)
        headers = signed(body, sender="hooli", id=id, at=clock())
        answer = function.webhook(http_event(body, headers, path="/webhooks/hooli"))
        return answer["statusCode"], json.loads(answer["body"])

    return post


@pytest.fixture
def rows(services):
    def read(*event_ids):
        return [services.store.get(f"ticket#hooli#{event_id}") for event_id in event_ids]

    return read


@pytest.fixture
def subjects(zendesk):
    return lambda: {ticket["subject"]: ticket["status"] for ticket in zendesk.account.tickets.all()}


@both_engines
def test_each_alert_of_a_delivery_becomes_a_ticket(post, services, drive, rows, subjects):
    assert post(FIRING) == (
        202,
        {
            "state": "split",
            "id": "dlv_1",
            "events": [
                {"state": "accepted", "id": f"{ONE}-firing"},
                {"state": "accepted", "id": f"{TWO}-firing"},
            ],
        },
    )
    drive(services)
    assert [row.state for row in rows(f"{ONE}-firing", f"{TWO}-firing")] == ["created", "created"]
    assert len(subjects()) == 2


def test_one_alert_alone_is_sent_at_once(post, rows):
    status, answer = post(FIRING | {"alerts": FIRING["alerts"][:1]})
    (row,) = rows(f"{ONE}-firing")
    event = {"state": "submitted", "id": f"{ONE}-firing", "ticket_id": row.ticket_id}
    assert (status, answer) == (202, {"state": "split", "id": "dlv_1", "events": [event]})


def test_an_alert_that_resolves_solves_its_ticket_and_no_other(post, services, drive, subjects):
    post(FIRING)
    post(RESOLVED, "dlv_2")
    drive(services)
    assert subjects() == {
        "DiskAlmostFull on db-1.hooli.example.com": "solved",
        "DiskAlmostFull on db-2.hooli.example.com": "new",
    }


def test_an_alert_alone_joins_its_ticket_before_the_answer(post, services, drive, zendesk, clock, rows):
    alone = FIRING | {"alerts": FIRING["alerts"][:1]}
    post(alone)
    drive(services)
    clock.advance(5)
    (ticket,) = zendesk.account.tickets.all()
    event = {"state": "joined", "id": f"{ONE}-resolved", "ticket_id": ticket["id"]}
    assert post(RESOLVED, "dlv_2") == (202, {"state": "split", "id": "dlv_2", "events": [event]})
    assert zendesk.account.tickets.get(ticket["id"])["status"] == "solved"
    (row,) = rows(f"{ONE}-resolved")
    assert row.joined_to == f"ticket#hooli#{ONE}-firing"
    assert services.events.delivered(row) == ("dlv_2", body_of(RESOLVED))


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "drop", "effect": "before"}])
def test_an_alert_that_cannot_join_at_once_joins_later_and_once(post, services, drive, zendesk, clock, fault):
    post(FIRING | {"alerts": FIRING["alerts"][:1]})
    drive(services)
    clock.advance(5)
    zendesk.account.faults.add(Fault(method="PUT", path="/api/v2/tickets/*", **fault))
    assert post(RESOLVED, "dlv_2")[1]["events"][0]["state"] == "accepted"
    drive(services)
    (ticket,) = zendesk.account.tickets.all()
    assert (ticket["status"], len(comments_of(zendesk.account.tickets.audits(ticket["id"])))) == ("solved", 2)


def test_an_alert_that_comes_again_in_another_delivery_is_the_same_event(post, services, drive, subjects, counted):
    post(FIRING)
    drive(services)
    _, answer = post(FIRING | {"alerts": [*FIRING["alerts"], alert(3)]}, "dlv_2")
    assert [event["state"] for event in answer["events"]] == ["created", "created", "accepted"]
    assert (counted("EventDuplicate"), counted("EventDiffers")) == (2, 0)


def test_alerts_that_nobody_wants_are_named_and_not_stored(post, rows):
    noise = alert(1, status="suppressed")
    status, answer = post(FIRING | {"alerts": [noise, FIRING["alerts"][0]]})
    assert (status, [event["state"] for event in answer["events"]]) == (202, ["ignored", "accepted"])
    assert post(FIRING | {"alerts": [noise]}, "dlv_2")[0] == 200
    assert post(FIRING | {"alerts": []}, "dlv_3") == (200, {"state": "ignored", "id": "dlv_3"})
    assert rows(answer["events"][0]["id"], "dlv_1", "dlv_2", "dlv_3") == [None] * 4


@both_engines
def test_a_hundred_alerts_are_a_hundred_events_and_one_more_is_too_many(post, rows):
    many = [alert(number) for number in range(mapping.MOST_EVENTS)]
    status, answer = post(FIRING | {"alerts": many})
    assert (status, answer["state"]) == (202, "split")
    assert all(rows(*(event["id"] for event in answer["events"])))
    assert post(FIRING | {"alerts": [*many, alert("more")]}, "dlv_2") == (202, {"state": "unmapped", "id": "dlv_2"})
    (row,) = rows("dlv_2")
    assert (row.state, row.error_sentence) == ("unmapped", "split: has more than 100 items.")


@pytest.mark.parametrize(
    "alerts",
    ["no list", [alert(1), {}], [alert(1, fingerprint=CANARY) | {"startsAt": {}}], None],
)
def test_a_delivery_that_cannot_be_split_is_kept_whole(post, rows, alerts):
    assert post(FIRING | {"alerts": alerts}) == (202, {"state": "unmapped", "id": "dlv_1"})
    (row,) = rows("dlv_1")
    assert row.event
    assert CANARY not in row.error_sentence


def test_what_does_not_fit_is_kept_beside_what_does(post, rows, services, drive, subjects):
    wrong = alert(3)
    del wrong["annotations"]
    status, answer = post(FIRING | {"alerts": [wrong, *FIRING["alerts"]]})
    assert (status, answer["state"]) == (202, "unmapped")
    assert [event["id"] for event in answer["events"]] == [f"{ONE}-firing", f"{TWO}-firing"]
    (row,) = rows("dlv_1")
    assert row.error_sentence.startswith("item 1: events[0].ticket.comment.body: object has no property")
    drive(services)
    assert len(subjects()) == 2


def test_a_redriven_delivery_is_split_into_what_has_no_row_yet(post, rows, services, drive, zendesk, monkeypatch):
    wrong = alert(3)
    del wrong["annotations"]
    post(FIRING | {"alerts": [*FIRING["alerts"], wrong]})
    drive(services)
    redrive(services.store, rows("dlv_1")[0], services.now())
    drive(services)
    assert rows("dlv_1")[0].state == "unmapped"

    hooli = loader.partner("hooli")
    firing, resolved = hooli.events
    fixed = firing.model_copy(update={"ticket": firing.ticket | {"comment": {"body": "${item.startsAt}"}}})
    hooli = hooli.model_copy(update={"events": (fixed, resolved)})
    monkeypatch.setattr(loader, "partners", lambda: {"hooli": hooli})
    redrive(services.store, rows("dlv_1")[0], services.now())
    drive(services)
    (delivery,) = rows("dlv_1")
    assert (delivery.state, delivery.event) == ("split", body_of(FIRING | {"alerts": [*FIRING["alerts"], wrong]}))
    assert rows(f"print-3-{wrong['startsAt']}-firing")[0].state == "created"
    assert len(zendesk.account.tickets.all()) == 3
    assert post(FIRING | {"alerts": [wrong]})[1]["events"][0]["state"] == "created"


def test_a_table_that_fails_in_between_is_told_and_the_repetition_goes_on(post, rows, dynamo, services, drive, zendesk):
    second = Outage(("put_item",), DOWN, fits=lambda request: TWO in request["Item"]["pk"]["S"])
    dynamo.outages.append(second)
    status, answer = post(FIRING)
    assert (status, answer["error"]) == (503, "store_unavailable")
    assert [row is not None for row in rows(f"{ONE}-firing", f"{TWO}-firing")] == [True, False]
    assert post(FIRING)[0] == 202
    drive(services)
    assert len(zendesk.account.tickets.all()) == 2
