"""Partners of every scheme, from their requests to their tickets."""

import dataclasses
import gzip
import json
from urllib.parse import urlencode

import pytest

from cli.redrive import redrive
from functions.create_ticket import app as function
from tests.builders import http_event
from tests.senders import SENDERS
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.storage.rows import DAY
from ticket_relay.webhooks.payload import Request

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
WITH_SETTINGS = {"hmac", "bearer", "basic"}


def definition(sender, name="acme", **changes):
    """A partner that sends as one of the senders does; the scheme's settings as a YAML file would give them."""
    scheme = sender.partition(",")[0]
    settings = {scheme: dataclasses.asdict(SENDERS[sender].way)} if scheme in WITH_SETTINGS else {}
    ticket = {"subject": "Fire", "comment": {"body": "${event.text}"}}
    given = {"partner": name, "scheme": scheme, "sample": "events/x.json", "ticket": ticket} | settings | changes
    return PartnerDefinition.model_validate(given)


class Known:
    """Every partner's secrets; `sender` is who they are of."""

    def __init__(self, sender):
        self.sender = sender

    def signing(self, _arn, _partner):
        return [SENDERS[self.sender].other, SENDERS[self.sender].secret]


@pytest.fixture
def become(services, monkeypatch):
    """Makes `acme`, or these partners, send as a sender does."""

    def become(sender, *partners):
        defined = {partner.partner: partner for partner in partners or [definition(sender)]}
        monkeypatch.setattr(loader, "partners", lambda: defined)
        relay = dataclasses.replace(services, secrets=Known(sender))
        monkeypatch.setattr(function, "services", lambda: relay)

    return become


@pytest.fixture
def post():
    """Sends a request to the function as the HTTP API does. Returns status and body."""

    def post(request, partner="acme", **headers):
        headers = JSON | request.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        answer = function.webhook(http_event(request.body, headers, path=f"/webhooks/{partner}"))
        return answer["statusCode"], json.loads(answer["body"])

    return post


@pytest.mark.parametrize("sender", SENDERS)
def test_an_event_of_every_sender_is_one_ticket_however_often_it_comes(
    become, post, clock, services, drive, zendesk, sender
):
    become(sender)
    request = SENDERS[sender].request(at=clock())
    status, answer = post(request)
    assert (status, answer["state"]) == (202, "submitted")
    drive(services)
    again = post(request) if not SENDERS[sender].way.timestamp else post(SENDERS[sender].request(at=clock()))
    if SENDERS[sender].way.id:  # otherwise another time in the body is another event
        assert again == (202, answer | {"state": "created"})
        assert len(zendesk.account.tickets.all()) == 1


@pytest.mark.parametrize("sender", SENDERS)
def test_whoever_has_no_secret_of_the_sender_is_refused_and_leaves_nothing(become, post, clock, table, sender):
    become(sender)
    request = SENDERS[sender].request(at=clock())
    forged = {name: value[:-1] + ("0" if value[-1] != "0" else "1") for name, value in request.headers.items()}
    for headers in ({}, forged):
        assert post(Request(headers, request.body))[0] == 401
    assert list(table.get_many(["ticket#acme#evt_1"])) == []


def test_a_captured_request_without_a_time_is_the_first_event_for_weeks(become, post, clock, services, drive, zendesk):
    become("github")
    captured = SENDERS["github"].request(id="first")
    post(captured)
    drive(services)
    clock.advance(29 * DAY)
    again = Request(captured.headers | {"x-github-delivery": "second"}, captured.body)
    assert post(again)[1] == {"state": "created", "id": "first", "ticket_id": zendesk.account.tickets.all()[0]["id"]}
    assert len(zendesk.account.tickets.all()) == 1


def test_the_same_bytes_to_two_partners_are_an_event_of_each(become, post, services, drive, zendesk):
    become("github", definition("github", "one"), definition("github", "two"))
    request = SENDERS["github"].request()
    assert [post(request, partner)[1]["id"] for partner in ("one", "two")] == ["evt_1", "evt_1"]
    drive(services)
    made = {ticket["external_id"] for ticket in zendesk.account.tickets.all()}
    assert made == {"one:evt_1", "two:evt_1"}


def test_a_captured_request_that_is_read_in_another_way_is_still_the_first_event(
    become, post, clock, services, drive, zendesk
):
    """The content type is not signed: as a form, this body would be an event that its author made up."""
    become("slack")
    event = {"event_id": "Ev1", "text": '&payload={"event_id":"Ev2","text":"made up"}&'}
    captured = SENDERS["slack"].request(at=clock(), body=json.dumps(event, separators=(",", ":")).encode())
    captured = SENDERS["slack"].request(at=clock(), body=captured.body.replace(b'\\"', b"%22"))
    assert post(captured)[1]["id"] == "Ev1"
    assert Request(FORM, captured.body).event["event_id"] == "Ev2"
    assert post(captured, content_type=FORM["content-type"])[1]["id"] == "Ev1"
    drive(services)
    assert len(zendesk.account.tickets.all()) == 1


CHALLENGE = json.dumps({"token": "x", "challenge": "3eZbrw1a", "type": "url_verification"}).encode()


def test_slacks_challenge_is_answered_and_nothing_is_stored(become, post, clock, dynamo, counted):
    become("slack")
    dynamo.before = lambda operation, _: pytest.fail(f"{operation} was called")
    assert post(SENDERS["slack"].request(at=clock(), body=CHALLENGE)) == (200, {"challenge": "3eZbrw1a"})
    assert counted("EventIgnored") == 1


def test_a_challenge_that_is_not_slacks_is_not_answered(become, post, clock):
    become("slack")
    request = SENDERS["slack"].request(at=clock(), body=CHALLENGE)
    forged = Request(request.headers | {"x-slack-signature": "v0=" + "0" * 64}, request.body)
    status, answer = post(forged)
    assert (status, answer["error"]) == (401, "wrong_signature")
    assert "3eZbrw1a" not in json.dumps(answer)
    old = SENDERS["slack"].request(at=clock() - 600, body=CHALLENGE)
    assert post(old)[1]["error"] == "stale_timestamp"


def test_a_challenge_of_another_scheme_is_an_event_like_any(become, post, clock):
    become("standard-webhooks")
    status, answer = post(SENDERS["standard-webhooks"].request(at=clock(), body=CHALLENGE))
    assert (status, answer["state"]) == (202, "unmapped")


@pytest.mark.parametrize(
    ("sender", "ping"),
    [
        ("github", {"zen": "Design for failure.", "hook_id": 1, "hook": {}}),
        ("pagerduty", {"event": {"id": "01D", "event_type": "pagey.ping"}}),
    ],
)
def test_a_senders_ping_is_ignored_rather_than_unmapped(become, post, dynamo, sender, ping):
    become(sender)
    dynamo.before = lambda operation, _: pytest.fail(f"{operation} was called")
    status, answer = post(SENDERS[sender].request(body=json.dumps(ping).encode()))
    assert (status, answer["state"]) == (200, "ignored")


def packed(text):
    return gzip.compress(text.encode())


def form(text):
    return urlencode({"payload": text}).encode()


@pytest.mark.parametrize(
    ("pack", "headers"),
    [(packed, {"content_encoding": "gzip"}), (form, {"content_type": FORM["content-type"]})],
    ids=["gzip", "form"],
)
def test_an_event_that_came_packed_can_be_redriven(
    become, post, clock, services, drive, stored, zendesk, pack, headers
):
    become("github")
    text = json.dumps({"message": "It burns"})
    assert post(SENDERS["github"].request(body=pack(text)), **headers)[1]["state"] == "unmapped"
    assert stored().event == text.encode()
    ticket = {"subject": "Fire", "comment": {"body": "${event.message}"}}
    become("github", definition("github", ticket=ticket))
    redrive(services.store, stored(), clock())
    drive(services)
    assert stored().state == "created"
    assert [ticket["description"] for ticket in zendesk.account.tickets.all()] == ["It burns"]


def test_a_bomb_is_refused_though_it_is_signed(become, post):
    become("github")
    bomb = SENDERS["github"].request(body=gzip.compress(b" " * 2**24))
    assert post(bomb, content_encoding="gzip") == (
        413,
        {"error": "body_too_large", "message": "The body has more than 6144 KiB."},
    )


def test_the_same_event_packed_anew_is_a_repetition_that_differs_in_nothing(become, post, counted):
    become("github")
    text = json.dumps({"text": "It burns"})
    for body in (gzip.compress(text.encode(), 1, mtime=1), gzip.compress(text.encode(), 9, mtime=2)):
        assert post(SENDERS["github"].request(body=body), content_encoding="gzip")[1]["id"] == "evt_1"
    assert (counted("EventDuplicate"), counted("EventDiffers")) == (1, 0)
