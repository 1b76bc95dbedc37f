"""The view of events on rows that the relay itself has made."""

import html
from dataclasses import replace

import pytest

from cli.console.app import make_app
from local.zendesk_simulator import Fault
from tests import builders
from tests.integration.cli.console.conftest import HOST, ORIGIN, TOKEN
from ticket_relay.storage.rows import TicketState

HOSTILE = "<script>alert(1)</script>\"'><img/src=x/onerror=alert(2)>&#x27;"
REFUSAL = {
    "kind": "status",
    "status": 422,
    "body": '{"error":"RecordInvalid","description":"<b onclick=alert(3)>: is suspended"}',
}


def key(event_id="evt_1"):
    return f"ticket#acme#{event_id}"


def redrive(client, **form):
    return client.post(f"/{TOKEN}/event/redrive", data=form, headers=ORIGIN, base_url=f"http://{HOST}")


def test_the_list_tells_state_ticket_and_reason(page, services, deliver, drive, zendesk):
    deliver(services, "evt_1")
    deliver(services, "evt_2", content={})
    drive(services)
    text = page("/events")
    assert "2 events and updates" in text
    (ticket,) = zendesk.account.tickets.with_external_id("acme:evt_1")
    assert f'href="https://acme.zendesk.example/agent/tickets/{ticket["id"]}"' in text
    assert ">evt_1</span>" in text
    assert "object has no property &#34;incident&#34;" in text


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({"partner": "acme"}, {"msg_1", "msg_2"}),
        ({"partner": "globex"}, {"msg_3"}),
        ({"state": "unmapped"}, {"msg_2", "msg_3"}),
        ({"state": "stopped"}, {"msg_2", "msg_3"}),
        ({"state": "waiting"}, {"msg_1"}),
        ({"state": "stopped", "partner": "acme"}, {"msg_2"}),
        ({"text": "MSG_2"}, {"msg_2"}),
        ({"text": "nothing"}, set()),
    ],
)
def test_the_list_is_filtered(page, services, deliver, query, ids):
    deliver(services, "msg_1")
    deliver(services, "msg_2", content={})
    deliver(services, "msg_3", content={}, partner="globex")
    text = page("/events", **query)
    assert {name for name in ("msg_1", "msg_2", "msg_3") if f">{name}</span>" in text} == ids


def test_a_long_list_has_pages(page, services, deliver):
    for number in range(52):
        deliver(services, f"evt_{number:02}", content={})
    first, second = page("/events", state="unmapped"), page("/events", state="unmapped", page=2)
    assert (first.count("<tr>"), second.count("<tr>")) == (51, 3)
    assert "Page 1 of 2" in first
    assert "page=2" in first
    assert "state=unmapped" in first


def test_the_list_is_asked_for_again_only_after_a_change(client, parts, services, deliver):
    def rows(seen):
        path = f"/{TOKEN}/events/rows"
        return client.get(path, query_string={"seen": seen}, base_url=f"http://{HOST}")

    first = rows("")
    version = first.headers["X-Version"]
    assert rows(version).status_code == 204
    deliver(services)
    parts.watch.load()
    again = rows(version)
    assert again.status_code == 200
    assert ">evt_1</span>" in again.text


@pytest.mark.parametrize("path", ["/events", "/event", "/event/redrive", "/health"])
def test_what_a_partner_named_is_text_and_nothing_else(page, services, deliver, path):
    deliver(services, HOSTILE, content={})
    query = {"key": key(HOSTILE)} if path.startswith("/event/") or path == "/event" else {"text": HOSTILE}
    text = page(path, **query)
    assert "<script>alert" not in text
    assert "<img/src" not in text
    if path != "/health":
        assert html.escape(HOSTILE, quote=False).replace('"', "&#34;").replace("'", "&#39;") in text


def test_what_zendesk_answered_is_text_and_nothing_else(page, services, zendesk, deliver):
    zendesk.account.faults.add(Fault(**REFUSAL, method="POST", path="/api/v2/tickets"))
    deliver(services)
    for path, query in (("/events", {}), ("/event", {"key": key()}), ("/event/redrive", {"key": key()})):
        text = page(path, **query)
        assert "&lt;b onclick=alert(3)&gt;" in text
        assert "<b onclick" not in text


def test_a_row_shows_its_life_without_payload(page, services, deliver, drive):
    deliver(services)
    drive(services)
    text = page("/event", key=key())
    assert text.index('"chip cyan">submitted') < text.index('"chip green">created', text.index("Its life"))
    assert "later</span>" in text
    assert "Redrive…" not in text
    assert builders.CANARY not in text


def test_the_payload_is_shown_only_if_it_is_asked_for(page, services, deliver):
    deliver(services, content={"incident": builders.CANARY})
    assert builders.CANARY not in page("/events") + page("/event", key=key()) + page("/health")
    assert builders.CANARY in page("/event", key=key(), payload=1)


@pytest.mark.parametrize("wrong", ["ticket#acme#nothing", "gate", "token", "", "update#1"])
def test_what_is_no_row_is_not_found(client, wrong):
    for path in ("/event", "/event/redrive"):
        answer = client.get(f"/{TOKEN}{path}", query_string={"key": wrong}, base_url=f"http://{HOST}")
        assert answer.status_code == 404


def test_an_old_row_is_looked_for_in_the_table(page):
    assert "key=ticket%23acme%23evt_9" in page("/events", partner="acme", text="evt_9")


def test_an_unmapped_event_is_redriven_after_a_preview(page, client, services, deliver, stored):
    deliver(services, content={})
    preview = page("/event/redrive", key=key())
    assert "does not fit it: ticket.subject: object has no property &#34;incident&#34;" in preview
    assert stored().state is TicketState.UNMAPPED
    answer = redrive(client, key=key(), state="unmapped")
    assert answer.status_code == 303
    assert "Redriven" in client.get(answer.location, base_url=f"http://{HOST}").text
    assert (stored().state, stored().attempt) == (TicketState.ACCEPTED, 1)


def test_the_preview_of_a_failed_event_says_what_is_sent_again(page, services, zendesk, deliver):
    zendesk.account.faults.add(Fault(**REFUSAL, method="POST", path="/api/v2/tickets"))
    deliver(services)
    preview = page("/event/redrive", key=key())
    assert "external id acme:evt_1" in preview
    assert "as attempt 2" in preview
    assert builders.CANARY in preview


def test_a_row_that_moved_since_the_preview_stays_as_it_is(client, services, deliver, drive, stored):
    deliver(services)
    drive(services)
    before = stored()
    answer = redrive(client, key=key(), state="failed")
    assert "outcome=moved" in answer.location
    assert "it has changed since you looked" in client.get(answer.location, base_url=f"http://{HOST}").text
    assert stored() == before


def test_what_is_over_is_not_offered_for_redrive(client, services, deliver, drive):
    deliver(services)
    drive(services)
    answer = client.get(f"/{TOKEN}/event/redrive", query_string={"key": key()}, base_url=f"http://{HOST}")
    assert answer.status_code == 409


def test_a_table_that_does_not_answer_is_told_in_a_sentence(parts):
    elsewhere = replace(parts, place=replace(parts.place, table="nowhere"))
    client = make_app(elsewhere, TOKEN, hosts=(HOST,)).test_client()
    answer = client.get(f"/{TOKEN}/event", query_string={"key": key()}, base_url=f"http://{HOST}")
    assert answer.status_code == 502
    assert "There is no such table" in answer.text
