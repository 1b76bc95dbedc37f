"""An event that is kept is mapped again, with the definitions of then."""

import base64
import json
from dataclasses import replace

import pytest

from cli.redrive import NotRedrivable, redrive
from local.zendesk_simulator import Fault
from local.zendesk_simulator.audits import comments_of
from tests.builders import ROOT, acme_event, body_of
from tests.integration.create_ticket import alerts
from tests.integration.create_ticket.alerts import FIRED, NOTED, TICKET
from ticket_relay.definitions import loader
from ticket_relay.rate_limits.headers import INDEX
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import TicketState, ticket_pk

define, things, send = alerts.define, alerts.things, alerts.send

FIRING = json.loads((ROOT / "events/hooli-alerts-firing.json").read_bytes())
CREATE = {"method": "POST", "path": "/api/v2/tickets"}
UPDATE = {"method": "PUT", "path": "/api/v2/tickets/*"}
REFUSED = {"kind": "status", "status": 422, "body": '{"error": "RecordInvalid"}'} | UPDATE
ONE = "4b1c5e0f9a7d2e33-2026-11-20T08:14:30.000Z-firing"


@pytest.fixture
def redefine(monkeypatch):
    """The definitions from now on: a partner's, with some of it changed."""

    def redefine(partner, **changes):
        changed = loader.partner(partner).model_copy(update=changes)
        monkeypatch.setattr(loader, "partners", lambda: {partner: changed})

    return redefine


@pytest.fixture
def fail(services):
    """The relay gives up an event that waits."""

    def fail(event_id="evt_1", partner="acme"):
        row = services.store.get(ticket_pk(partner, event_id))
        return services.store.move(row, ticket_states.failed(row, "RecordInvalid", "No.", services.now()))

    return fail


@pytest.fixture
def keep(services, deliver, clock):
    """An event that comes while the gate is closed; opened again by the time that passes."""

    def keep(event_id="evt_1", **more):
        services.gate.close(clock() + 5)
        receipt = deliver(services, event_id, **more)
        clock.advance(6)
        return receipt

    return keep


@pytest.fixture
def minutes(services, run_poller, clock, zendesk):
    """So many minutes pass."""

    def minutes(count=3):
        for _ in range(count):
            run_poller(services)
            clock.advance(10)
            zendesk.account.settle()

    return minutes


@pytest.fixture
def files_of(zendesk):
    """The names of the files of each comment of a ticket."""

    def files_of(ticket):
        comments = comments_of(zendesk.account.tickets.audits(ticket["id"]))
        return [[attached["file_name"] for attached in comment["attachments"]] for comment in comments]

    return files_of


def subject(template):
    return {"ticket": loader.partner("acme").ticket | {"subject": template}}


def file(name="goods.csv"):
    content = base64.b64encode(b"quantity,goods\n2,lamp\n").decode()
    return {"base64": content, "filename": name, "content_type": "text/csv"}


def with_files(*names, **comment):
    """A comment of a definition that attaches them; `TAKEN` lets it."""
    return {"body": "${event.text}", "attachments": [file(name) for name in names]} | comment


TAKEN = {"attachments": {"types": ["text/csv"]}}


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
