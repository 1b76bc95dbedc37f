"""A partner asks what became of an event: `GET /webhooks/{partner}/events/{id}`."""

import dataclasses
import json
from urllib.parse import quote

import pytest

from functions.create_ticket import app as function
from tests.builders import CANARY, ROOT, SECRETS, acme_event, body_of, http_event, settings, signed, ticket_row
from tests.fakes import DOWN, Outage
from tests.fixtures import both_engines
from ticket_relay.create_ticket import status, webhook
from ticket_relay.errors import MappingFailed
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.states import joining
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.events import Kept
from ticket_relay.storage.rows import TicketState
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.signatures import sign
from ticket_relay.zendesk.errors import NotSent, Rejected


@pytest.fixture
def ask(services, monkeypatch, clock):
    """Asks as the HTTP API does, signed now unless other headers are given. Returns status and body."""

    def ask(event_id="evt_1", partner="acme", *, relay=services, headers=None, body=b""):
        monkeypatch.setattr(function, "services", lambda: relay)
        if headers is None:
            headers = signed(b"", sender=partner, id="any", at=clock())
        path = f"/webhooks/{partner}/events/{quote(event_id, safe='')}"
        answer = function.webhook(http_event(body, headers, path=path, method="GET"))
        return answer["statusCode"], json.loads(answer["body"])

    return ask


@both_engines
def test_an_event_is_told_of_as_far_as_it_is(services, deliver, drive, ask, stored):
    receipt = deliver(services)
    assert ask() == (200, {"state": "submitted", "id": "evt_1", "ticket_id": receipt.ticket_id})
    drive(services)
    assert ask() == (200, {"state": "created", "id": "evt_1", "ticket_id": stored().ticket_id})


def test_only_the_partner_itself_is_told_of_its_events(services, deliver, ask, clock):
    deliver(services)
    assert ask(partner="globex") == (
        404,
        {"error": "unknown_event", "message": "There is no event of yours with this id."},
    )
    of_globex = signed(b"", sender="globex", id="evt_1", at=clock())
    assert ask(headers=of_globex)[1]["error"] == "wrong_signature"


@pytest.mark.parametrize("event_id", ["evt_2", "", "x" * 3000, "a b", "é", "evt_1#", "a/b/c", "../events/evt_1"])
def test_another_id_is_unknown(services, deliver, ask, event_id):
    deliver(services)
    answered, body = ask(event_id)
    assert (answered, body["error"]) == (404, "unknown_event" if event_id else "not_found")


@pytest.mark.parametrize(
    "event_id", ["a/b", "/a//b/", "100%", "%2F", "a?b=c&d#e", "2026-01-01T00:00:00+00:00", "~!*'();"]
)
def test_an_id_may_hold_what_has_a_meaning_in_an_address(services, deliver, ask, event_id):
    deliver(services, event_id)
    answered, body = ask(event_id)
    assert (answered, body["state"], body["id"]) == (200, "submitted", event_id)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"webhook-signature": None}, "missing_header"),
        ({"webhook-id": None}, "missing_header"),
        ({"webhook-signature": "v1,?"}, "malformed_header"),
        ({"webhook-timestamp": "1"}, "stale_timestamp"),
        ({"webhook-timestamp": "99999999999"}, "future_timestamp"),
        ({"webhook-id": "another"}, "wrong_signature"),
    ],
)
def test_who_does_not_prove_to_be_the_partner_learns_nothing(services, deliver, ask, clock, changed, code):
    deliver(services)
    headers = {name: value for name, value in (signed(b"", at=clock()) | changed).items() if value is not None}
    for event_id in ("evt_1", "evt_2"):
        answered, body = ask(event_id, headers=headers)
        assert (answered, body["error"]) == (401, code)


def test_without_secrets_nobody_is_told_anything(services, deliver, ask):
    deliver(services)
    without = dataclasses.replace(services, settings=settings(signing_secrets_arn=None))
    assert ask(relay=without)[1]["error"] == "no_secret"


def test_an_unknown_partner_is_told_so_as_when_it_delivers(ask, clock):
    assert ask(partner="nobody", headers=signed(b"", at=clock()))[1]["error"] == "unknown_partner"


def test_while_the_table_is_down_the_partner_is_to_ask_again(services, deliver, ask, dynamo):
    deliver(services)
    dynamo.outages.append(Outage(("get_item",), DOWN))
    assert ask()[1]["error"] == "store_unavailable"
    assert ask()[0] == 200


def test_a_captured_delivery_is_no_question(services, deliver, ask, clock):
    deliver(services)
    body = body_of(acme_event())
    answered, told = ask(headers=signed(body, at=clock()), body=body)
    assert (answered, told["error"]) == (401, "wrong_signature")


@pytest.mark.parametrize(
    "packed", [{}, {"content-encoding": "gzip"}, {"content-type": "application/x-www-form-urlencoded"}]
)
def test_a_captured_question_is_no_delivery_and_writes_nothing(services, ask, clock, dynamo, packed):
    headers = signed(b"", at=clock())
    ask(headers=headers)
    answer = function.webhook(http_event(b"", headers | packed))
    assert answer["statusCode"] == 400
    assert dynamo.scan(TableName="relay")["Items"] == []


def test_to_ask_writes_nothing_however_often(services, deliver, drive, ask, dynamo):
    deliver(services)
    drive(services)
    before = dynamo.scan(TableName="relay")["Items"]
    writes = []
    dynamo.before = lambda operation, _: writes.append(operation) if operation != "get_item" else None
    assert ask() == ask()
    assert writes == []
    assert dynamo.scan(TableName="relay")["Items"] == before


def _failed(row, now):
    return ticket_states.on_create_error(row, Rejected(422, "RecordInvalid", CANARY), now, doubtful_pause=1)


def _deferred(row, now):
    return ticket_states.on_create_error(row, NotSent("zendesk_unreachable", CANARY), now, doubtful_pause=1)


@pytest.mark.parametrize(
    ("move", "state", "reason"),
    [
        (_failed, "failed", "not_taken"),
        (_deferred, "accepted", "retrying"),
        (lambda row, now: joining.waiting(row, joining.WAITS_ITS_TURN, now), "accepted", "in_line"),
        (joining.missing, "unmapped", "no_ticket"),
        (lambda row, now: ticket_states.redriven(_failed(row, now), now), "accepted", "waiting"),
    ],
)
def test_the_reason_is_ours_and_never_the_rows(services, ask, clock, move, state, reason):
    row = ticket_row(now=clock())
    services.store.claim(row)
    services.store.move(row, move(row, clock()))
    answered, body = ask()
    assert (answered, body) == (
        200,
        {"state": state, "id": "evt_1", "reason": reason, "message": status.REASONS[reason]},
    )
    assert CANARY not in json.dumps(body)


def test_an_event_that_joined_is_told_of_with_the_ticket_that_it_went_to(services, ask, clock):
    row = ticket_row(now=clock())
    services.store.claim(row)
    services.store.move(row, joining.joined(row, 4711, "ticket#acme#evt_0", "ticket_open", clock()))
    assert ask() == (200, {"state": "joined", "id": "evt_1", "ticket_id": 4711})


def test_each_event_of_a_delivery_is_asked_for_by_its_own_id(services, ask, clock):
    body = (ROOT / "events/hooli-alerts-firing.json").read_bytes()
    delivered = webhook.receive(
        services, "hooli", signed(body, sender="hooli", id="dlv_1", at=clock()), body, Deadline.after(3)
    ).told
    assert delivered["state"] == "split"
    for event in delivered["events"]:
        answered, told = ask(event["id"], "hooli")
        assert (answered, told) == (200, event | {"reason": "waiting", "message": status.REASONS["waiting"]})
    assert ask("dlv_1", "hooli")[1]["error"] == "unknown_event"


def test_what_the_mapping_says_stays_with_us(services, ask, clock):
    error = MappingFailed("mapping_failed", f"ticket.subject: object has no property {CANARY}.")
    services.store.claim(ticket_states.unmapped("acme", "evt_1", Kept(event=body_of(acme_event())), error, clock()))
    _, body = ask()
    assert (body["state"], body["reason"]) == (TicketState.UNMAPPED, "not_mapped")
    assert CANARY not in json.dumps(body)


def test_a_partner_that_replaces_its_secret_may_ask_with_either(services, deliver, ask, clock):
    deliver(services)

    class Two:
        def signing(self, _arn, _partner):
            return ["whsec_" + "A" * 32, SECRETS["acme"]]

    headers = sign(PRESETS["standard-webhooks"], id="x", timestamp=clock(), body=b"", secret="whsec_" + "A" * 32)
    assert ask(relay=dataclasses.replace(services, secrets=Two()), headers=headers)[0] == 200
