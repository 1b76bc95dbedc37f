import json

import pytest

from tests.builders import CANARY, NOW, SECRETS, acme_event, body_of, settings, signed, ticket_row
from tests.fakes import Clock, FakeZendesk, Killed, MemoryStore, OpenGate
from ticket_relay.create_ticket import webhook
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.errors import PayloadRefused, SignatureRefused, StoreUnavailable, UnknownPartner
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import TicketState
from ticket_relay.zendesk.errors import NotSent

ACME = PartnerDefinition.model_validate(
    {
        "partner": "acme",
        "scheme": "standard-webhooks",
        "sample": "events/acme.json",
        "when": "event.type == 'incident.opened'",
        "ticket": {"subject": "${event.incident.title}", "comment": {"body": "${event.incident.summary}"}},
    }
)


class KnownSecrets:
    def signing(self, _arn, sender):
        return [SECRETS[sender]] if sender in SECRETS else []


@pytest.fixture(autouse=True)
def _powertools(lambda_environment, monkeypatch):
    monkeypatch.setattr(loader, "partners", lambda: {"acme": ACME})


@pytest.fixture
def zendesk():
    return FakeZendesk()


@pytest.fixture
def services(zendesk):
    clock = Clock()
    clock.time = NOW
    return Services(
        settings(), None, MemoryStore(), OpenGate(), zendesk, KnownSecrets(), None, now=clock, sleep=clock.advance
    )


def receive(services, content=None, partner="acme", **signature):
    body = body_of(acme_event() if content is None else content)
    return webhook.receive(services, partner, signed(body, **signature), body, Deadline.after(3))


def test_what_is_taken_is_stored_before_it_is_sent(services, zendesk):
    zendesk.before.append(("create_ticket", Killed()))
    with pytest.raises(Killed):
        receive(services)
    assert services.store.get("ticket#acme#evt_1").state == TicketState.ACCEPTED


def test_the_receipt_is_the_state_that_was_reached(services):
    assert receive(services) == webhook.Receipt("submitted", "evt_1", 100)


def test_zendesks_outage_is_not_the_partners_affair(services, zendesk):
    zendesk.before.append(("create_ticket", NotSent("zendesk_unreachable", "No connection.")))
    assert receive(services) == webhook.Receipt("accepted", "evt_1")


def test_a_duplicate_asks_zendesk_nothing(services, zendesk):
    receive(services)
    assert receive(services).state == "submitted"
    assert zendesk.calls == ["create_ticket"]


def test_a_duplicate_with_the_same_body_differs_in_nothing(services, counted):
    receive(services)
    receive(services)
    assert (counted("EventDuplicate"), counted("EventDiffers")) == (1, 0)


@pytest.mark.parametrize("first", [{}, {"incident": {"title": "Flood", "summary": "It is wet."}}])
def test_another_event_under_a_known_id_is_told_and_answered_as_the_first(services, zendesk, counted, capfd, first):
    kept = receive(services, {"type": "incident.opened"} | first)
    assert receive(services) == kept
    assert counted("EventDiffers") == 1
    (line,) = [line for line in capfd.readouterr().out.splitlines() if "event differs" in line]
    assert json.loads(line)["pk"] == "ticket#acme#evt_1"
    assert CANARY not in line
    assert len(zendesk.tickets) == len(first)


def test_another_event_is_noticed_when_the_ticket_has_long_been_made(services, counted):
    receive(services, {"type": "incident.opened", "incident": {"title": "Flood", "summary": "It is wet."}})
    row = services.store.get("ticket#acme#evt_1")
    services.store.move(row, ticket_states.created(row, 100, NOW))
    assert receive(services).state == "created"
    assert counted("EventDiffers") == 1


def test_of_a_row_from_before_nothing_is_said(services, counted):
    services.store.claim(ticket_row())
    receive(services)
    assert (counted("EventDuplicate"), counted("EventDiffers")) == (1, 0)


def test_an_unwanted_event_is_ignored_and_not_stored(services):
    assert receive(services, {"type": "incident.closed"}) == webhook.Receipt("ignored", "evt_1")
    assert services.store.rows == {}


@pytest.mark.parametrize("content", [{}, {"type": "incident.opened"}])
def test_what_does_not_fit_the_definition_is_kept(services, zendesk, content):
    assert receive(services, content).state == "unmapped"
    assert services.store.get("ticket#acme#evt_1").event == body_of(content)
    assert zendesk.calls == []


def test_an_event_that_makes_too_much_of_the_definition_is_kept(services, zendesk, monkeypatch):
    greedy = ACME.model_copy(update={"when": "range(0, event.count)"})
    monkeypatch.setattr(loader, "partners", lambda: {"acme": greedy})
    assert receive(services, {"count": 10**10}).state == "unmapped"
    row = services.store.get("ticket#acme#evt_1")
    assert (row.error_code, row.error_sentence) == ("mapping_too_large", "when: becomes too large.")
    assert (row.event, zendesk.calls) == (body_of({"count": 10**10}), [])


@pytest.mark.parametrize(
    ("refused", "request_"),
    [
        (UnknownPartner, {"partner": "initech"}),
        (SignatureRefused, {"at": NOW - 400}),
        (SignatureRefused, {"secret": SECRETS["globex"]}),
        (PayloadRefused, {"content": []}),
    ],
)
def test_what_is_refused_leaves_nothing(services, refused, request_):
    with pytest.raises(refused):
        receive(services, **request_)
    assert services.store.rows == {}


def test_a_claim_that_fails_is_not_sent(services, zendesk, monkeypatch):
    def down(_row):
        raise StoreUnavailable("DynamoDB answered X.")

    monkeypatch.setattr(services.store, "claim", down)
    with pytest.raises(StoreUnavailable):
        receive(services)
    assert zendesk.calls == []


def test_whatever_happens_after_the_claim_the_event_is_taken(services, monkeypatch, counted):
    def down(_old, _new):
        raise StoreUnavailable("DynamoDB answered X.")

    monkeypatch.setattr(services.store, "move", down)
    assert receive(services).state == "accepted"
    assert counted("ClaimLeftToPoller") == 1
