"""An event that is mapped again among others about the same thing: in their line, at its head, or beside it."""

import pytest

from cli.redrive import redrive
from local.zendesk_simulator import Fault
from tests.integration.create_ticket import alerts, remaps
from tests.integration.create_ticket.alerts import FIRED, NOTED, TICKET
from tests.integration.create_ticket.remaps import TAKEN, with_files
from ticket_relay.storage.rows import TicketState, ticket_pk

fail, minutes, files_of = remaps.fail, alerts.minutes, remaps.files_of
define, things, send = alerts.define, alerts.things, alerts.send

UPDATE = {"method": "PUT", "path": "/api/v2/tickets/*"}
REFUSED = {"kind": "status", "status": 422, "body": '{"error": "RecordInvalid"}'} | UPDATE


def test_an_event_that_was_in_line_leaves_it_if_it_is_about_nothing_now(services, send, define, fail, minutes, things):
    send("fired", "one")
    send("noted", "two")
    send("noted", "three")
    fail("two")
    alone = FIRED | {"when": "event.kind == 'noted'", "ticket": TICKET | {"subject": "${event.text}"}}
    define(FIRED, alone, correlate="${event['other']}")
    redrive(services.store, services.store.get(ticket_pk("acme", "two")), services.now(), remap=services.events)
    minutes(5)
    assert (things.comments(), things.comments("two")) == (["one", "three"], ["two"])


def test_an_event_that_led_and_is_about_something_else_now_leads_no_longer(
    services, clock, send, define, fail, minutes, things, stored
):
    services.gate.close(clock() + 5)
    send("fired", "one")
    send("fired", "two")
    clock.advance(6)
    fail("one")
    define(correlate="${event.thing} of today")
    redrive(services.store, stored("one"), services.now(), remap=services.events)
    minutes(5)
    assert [stored(event).state for event in ("one", "two")] == [TicketState.CREATED] * 2
    assert len(things.tickets()) == 2


@pytest.mark.parametrize("others", [[], ["two"]])
def test_an_event_that_led_and_is_an_update_now_waits_for_a_ticket_like_any_update(
    services, clock, send, define, fail, minutes, things, stored, zendesk, others
):
    services.gate.close(clock() + 5)
    for event in ("one", *others):
        send("fired", event)
    clock.advance(6)
    fail("one")
    define(FIRED | {"when": "event.text != 'one'"}, NOTED | {"when": "true"})
    redrive(services.store, stored("one"), services.now(), remap=services.events)
    minutes(5)
    clock.advance(600)
    minutes(5)
    ended = (TicketState.JOINED, None) if others else (TicketState.UNMAPPED, "ticket_missing")
    assert (stored("one").state, stored("one").error_code) == ended
    assert things.comments() == (["two", "one"] if others else [])
    assert len(zendesk.account.journal.calls("GET", "/api/v2/tickets")) <= 1


def test_so_does_one_that_is_about_nothing_now(services, clock, send, define, fail, minutes, things, stored):
    services.gate.close(clock() + 5)
    send("fired", "one")
    send("fired", "two")
    clock.advance(6)
    fail("one")
    define(correlate={"$eval": "null"})
    redrive(services.store, stored("one"), services.now(), remap=services.events)
    minutes(5)
    assert [stored(event).state for event in ("one", "two")] == [TicketState.CREATED] * 2
    assert len(things.tickets()) == 2


def test_an_update_that_was_refused_is_decided_on_what_the_event_asks_for_now(
    services, send, define, stored, minutes, zendesk, things
):
    send("fired", "one")
    minutes()
    define(FIRED, NOTED | {"changes": {"comment": {"body": "wrong"}}})
    zendesk.account.faults.add(Fault(**REFUSED))
    send("noted", "two")
    minutes()
    assert stored("two").state is TicketState.FAILED
    zendesk.account.faults.clear()
    define(FIRED, NOTED)
    redrive(services.store, stored("two"), services.now(), remap=services.events)
    minutes()
    assert things.comments() == ["one", "two"]


@pytest.mark.parametrize(
    ("before", "today"), [([], ["a.csv"]), (["a.csv", "b.csv"], ["a.csv"]), (["a.csv"], []), (["a.csv"], ["b.csv"])]
)
def test_an_update_that_was_refused_brings_the_files_of_today(
    services, send, define, stored, minutes, zendesk, things, files_of, before, today
):
    def noted_with(names):
        define(FIRED, NOTED | {"changes": {"comment": with_files(*names, public=False)}}, **TAKEN)

    send("fired", "one")
    minutes()
    noted_with(before)
    zendesk.account.faults.add(Fault(**REFUSED))
    send("noted", "two")
    minutes()
    assert stored("two").state is TicketState.FAILED
    zendesk.account.faults.clear()
    noted_with(today)
    redrive(services.store, stored("two"), services.now(), remap=services.events)
    minutes()
    assert files_of(things.only()) == [[], today]


@pytest.mark.parametrize(("remap", "text", "requests"), [(True, "two", 2), (False, "wrong", 1)])
def test_the_second_request_of_an_update_is_sent_again_unless_the_event_asks_for_something_else(
    services, send, define, stored, minutes, zendesk, things, remap, text, requests
):
    """Zendesk takes the e-mail CCs of an update, and refuses the internal note, which goes in a request of its own."""

    def noted_as(body):
        ccs = [{"user_email": "boss@acme.example.com"}]
        define(FIRED, NOTED | {"changes": {"email_ccs": ccs, "comment": {"body": body, "public": False}}})

    send("fired", "one")
    minutes()
    noted_as("wrong")
    zendesk.account.faults.add(Fault("delay", **UPDATE))
    zendesk.account.faults.add(Fault(**REFUSED))
    send("noted", "two")
    minutes()
    assert stored("two").state is TicketState.FAILED
    zendesk.account.faults.clear()
    noted_as("${event.text}")
    redrive(services.store, stored("two"), services.now(), remap=services.events if remap else None)
    sent = len(zendesk.account.journal.calls(method="PUT"))
    minutes()
    assert things.comments() == ["one", text]
    assert len(zendesk.account.journal.calls(method="PUT")) == sent + requests
