"""An event that is kept is mapped again, with the definitions of then."""

import json
from dataclasses import replace

import pytest

from cli.redrive import NotRedrivable, redrive
from local.zendesk_simulator import Fault
from tests.builders import ROOT, acme_event, body_of
from tests.integration.create_ticket import alerts, remaps
from tests.integration.create_ticket.alerts import FIRED, TICKET
from tests.integration.create_ticket.remaps import TAKEN, subject, with_files
from ticket_relay.definitions import loader
from ticket_relay.rate_limits.headers import INDEX
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import TicketState, ticket_pk

redefine, fail, keep, minutes, files_of = remaps.redefine, remaps.fail, remaps.keep, alerts.minutes, remaps.files_of
define, things, send = alerts.define, alerts.things, alerts.send

FIRING = json.loads((ROOT / "events/hooli-alerts-firing.json").read_bytes())
CREATE = {"method": "POST", "path": "/api/v2/tickets"}
UPDATE = {"method": "PUT", "path": "/api/v2/tickets/*"}
ONE = "4b1c5e0f9a7d2e33-2026-11-20T08:14:30.000Z-firing"


def test_a_failed_event_becomes_what_the_definitions_of_today_make_of_it(
    services, keep, fail, redefine, drive, tickets
):
    keep()
    redefine("acme", **subject("Mapped again: ${event.incident.title}"))
    redrive(services.store, fail(), services.now(), remap=services.events)
    drive(services)
    assert [ticket["subject"][:12] for ticket in tickets()] == ["Mapped again"]


def test_without_remap_it_keeps_the_request_that_was_made_for_it(services, keep, fail, redefine, drive, tickets):
    keep()
    redefine("acme", **subject("Mapped again"))
    redrive(services.store, fail(), services.now())
    drive(services)
    assert [ticket["subject"] == "Mapped again" for ticket in tickets()] == [False]


def test_a_ticket_that_is_there_after_all_is_found_and_not_made_again(
    services, deliver, drive, fail, redefine, tickets, stored
):
    deliver(services)
    fail()
    redefine("acme", **subject("Mapped again"))
    redrive(services.store, stored(), services.now(), remap=services.events)
    drive(services)
    assert (stored().state, len(tickets())) == (TicketState.CREATED, 1)
    assert tickets()[0]["subject"] != "Mapped again"


@pytest.mark.parametrize(("before", "today"), [(["a.csv"], ["b.csv"]), (["a.csv"], []), ([], ["a.csv"])])
def test_its_ticket_has_the_files_of_today(services, clock, send, define, fail, drive, things, files_of, before, today):
    def ticket_with(names):
        define(FIRED | {"ticket": TICKET | {"comment": with_files(*names)}}, **TAKEN)

    ticket_with(before)
    services.gate.close(clock() + 5)
    send("fired", "evt_1")
    clock.advance(6)
    ticket_with(today)
    redrive(services.store, fail(), services.now(), remap=services.events)
    drive(services)
    assert files_of(things.only()) == [today]


@pytest.mark.parametrize(
    "today",
    [
        {"when": "false"},
        {"split": "${[event]}", "id": "other"},
        {"correlate": "${event.nothing}"},
    ],
    ids=["not wanted", "split", "does not fit"],
)
def test_a_ticket_of_its_own_is_looked_for_before_the_event_is_mapped(
    services, deliver, drive, fail, redefine, zendesk, stored, today
):
    zendesk.account.faults.add(Fault("drop", effect="before", **CREATE))
    deliver(services)
    fail()
    redefine("acme", **today)
    redrive(services.store, stored(), services.now(), remap=services.events)
    drive(services)
    (ticket,) = zendesk.account.tickets.all()
    assert (stored().state, stored().ticket_id) == (TicketState.CREATED, ticket["id"])


def test_an_event_that_has_a_ticket_joins_no_other(services, send, define, fail, minutes, zendesk, things, stored):
    send("fired", "one")
    minutes()
    zendesk.account.faults.add(Fault("drop", effect="before", **CREATE))
    send("fired", "two", thing="fan")
    fail("two")
    define(correlate="disk")
    redrive(services.store, stored("two"), services.now(), remap=services.events)
    minutes()
    assert (things.comments("disk"), things.comments("fan")) == (["one"], ["two"])
    assert stored("two").state is TicketState.CREATED


def test_a_job_that_may_be_about_to_make_its_ticket_is_waited_for(
    services, clock, keep, redefine, run_poller, drive, zendesk, tickets, stored
):
    """However old the event: what counts is when it was sent last."""
    settings = zendesk.account.settings
    settings.key_with_async, settings.job_queued_seconds = False, 300
    zendesk.account.faults.add(Fault("drop", effect="before", **CREATE))
    keep()
    clock.advance(ticket_states.GIVE_UP_AFTER)
    run_poller(services)
    assert stored().error_sentence.startswith("Given up after three days.")
    redefine("acme", when="false")
    redrive(services.store, stored(), services.now(), remap=services.events)
    run_poller(services)
    assert (stored().state, stored().error_code) == (TicketState.ACCEPTED, "job_unfinished")
    drive(services)
    assert (stored().state, len(tickets())) == (TicketState.CREATED, 1)


def test_nothing_is_looked_for_while_the_gate_is_closed_to_it(
    services, clock, deliver, drive, fail, stored, run_poller, zendesk
):
    deliver(services)
    fail()
    redrive(services.store, stored(), services.now(), remap=services.events)
    services.gate.close(clock() + 600, INDEX)
    run_poller(services)
    assert (stored().request, zendesk.account.journal.calls(method="GET", path=CREATE["path"])) == (None, [])
    drive(services)
    assert stored().state is TicketState.CREATED


def test_an_event_is_kept_after_its_ticket_exists(services, deliver, drive, stored):
    deliver(services)
    drive(services)
    assert stored().state is TicketState.CREATED
    assert json.loads(stored().event) == acme_event()


def test_an_event_that_is_not_to_be_kept_is_gone_with_its_request(services, deliver, drive, stored, keep, fail):
    services = replace(services, settings=services.settings.model_copy(update={"keep_events": False}))
    deliver(services)
    drive(services)
    assert (stored().event, stored().request) == (None, None)
    services.gate.close(services.now() + 5)
    deliver(services, "evt_2")
    with pytest.raises(NotRedrivable, match="was not kept"):
        redrive(services.store, fail("evt_2"), services.now(), remap=services.events)


def test_an_event_that_no_longer_fits_is_unmapped_and_still_kept(services, keep, fail, redefine, drive, stored):
    keep()
    redefine("acme", **subject("${event.nothing}"))
    redrive(services.store, fail(), services.now(), remap=services.events)
    drive(services)
    assert (stored().state, stored().event) == (TicketState.UNMAPPED, body_of(acme_event()))


@pytest.mark.parametrize("partner", ["hooli"])
def test_an_event_of_a_split_delivery_is_mapped_with_the_whole_of_it(
    services, keep, fail, redefine, drive, zendesk, partner
):
    keep("dlv_1", content=FIRING, partner=partner)
    redrive(services.store, fail(ONE, partner), services.now(), remap=services.events)
    firing, resolved = loader.partner(partner).events
    changed = firing.model_copy(update={"ticket": firing.ticket | {"subject": "${delivery.id} ${item.status}"}})
    redefine(partner, events=(changed, resolved))
    drive(services)
    (mapped_again, as_it_was) = sorted(
        zendesk.account.tickets.all(), key=lambda ticket: not ticket["subject"].startswith("dlv_1 ")
    )
    assert (mapped_again["subject"], mapped_again["external_id"]) == ("dlv_1 firing", f"hooli:{ONE}")
    assert not as_it_was["subject"].startswith("dlv_1")


def test_an_event_that_a_split_delivery_no_longer_makes_is_unmapped(services, keep, fail, redefine, drive):
    keep("dlv_1", content=FIRING, partner="hooli")
    redrive(services.store, fail(ONE, "hooli"), services.now(), remap=services.events)
    redefine("hooli", id="${item.fingerprint}")
    drive(services)
    row = services.store.get(ticket_pk("hooli", ONE))
    assert (row.state, row.error_code) == (TicketState.UNMAPPED, "event_missing")


def test_a_delivery_that_comes_again_is_kept_for_longer_and_keeps_its_id(services, keep, clock, stored):
    keep("dlv_1", content=FIRING, partner="hooli")
    before = services.table.get(stored(ONE, "hooli").delivery)
    clock.advance(3600)
    keep("dlv_2", content=FIRING, partner="hooli")
    after = services.table.get(stored(ONE, "hooli").delivery)
    assert (after["id"], after["expires_at"] >= before["expires_at"] + 3600) == ("dlv_1", True)


def test_the_delivery_of_an_unmapped_event_is_kept_for_as_long_as_its_row(
    services, keep, fail, redefine, drive, stored
):
    keep("dlv_1", content=FIRING, partner="hooli")
    hooli = loader.partner("hooli")
    redefine("hooli", id="${item.fingerprint}")
    redrive(services.store, fail(ONE, "hooli"), services.now(), remap=services.events)
    drive(services)
    redefine("hooli", id=hooli.id)
    keep("dlv_1", content=FIRING, partner="hooli")
    row = stored(ONE, "hooli")
    assert row.state is TicketState.UNMAPPED
    assert services.table.get(row.delivery)["expires_at"] > row.expires_at
    redrive(services.store, row, services.now())
    drive(services)
    assert stored(ONE, "hooli").state is TicketState.CREATED
