"""The simulator over real HTTP: what only a socket can show."""

import asyncio
import base64
import hashlib
import hmac
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from local.zendesk_simulator import Account, Fault, Trigger, running, simulator

TICKET = {"ticket": {"subject": "Broken", "comment": {"body": "It broke."}, "external_id": "acme:1"}}
TIMEOUT = (2, 5)


class Zendesk(requests.Session):
    """A session on one simulator with a token of its client."""

    def __init__(self, sim):
        super().__init__()
        self.url = sim.url
        asked = {"grant_type": "client_credentials", "scope": "read write"}
        asked |= {"client_id": sim.client_id, "client_secret": sim.client_secret}
        token = self.call("POST", "/oauth/tokens", json=asked).json()["access_token"]
        self.headers["Authorization"] = f"Bearer {token}"

    def call(self, method, path, **options):
        return self.request(method, self.url + path, **{"timeout": TIMEOUT, **options})

    def control(self, method, path, body=None):
        return self.call(method, f"/_control/{path}", json=body).json()

    def count(self):
        return self.call("GET", "/api/v2/tickets/count").json()["count"]["value"]


@pytest.fixture(scope="module")
def sim():
    with simulator() as running_simulator:
        yield running_simulator


@pytest.fixture
def zendesk(sim):
    sim.account.reset()
    with Zendesk(sim) as session:
        yield session


def eventually(look, seconds=5.0):
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    pytest.fail("It did not happen.")


def test_an_async_ticket_appears_without_anybody_looking(zendesk, sim):
    accepted = zendesk.call("POST", "/api/v2/tickets.json?async=true", json=TICKET, headers={"Idempotency-Key": "k"})
    assert accepted.status_code == 202
    assert accepted.headers["x-idempotency-lookup"] == "miss"
    [ticket] = eventually(sim.account.tickets.all)
    assert ticket["id"] == accepted.json()["ticket"]["id"]


def test_a_connection_is_dropped_before_the_effect(zendesk, sim):
    sim.account.faults.add(Fault("drop", method="POST"))
    with pytest.raises(requests.ConnectionError):
        zendesk.call("POST", "/api/v2/tickets", json=TICKET)
    assert zendesk.count() == 0


def test_a_connection_is_dropped_after_the_effect(zendesk):
    zendesk.control("POST", "faults", {"kind": "drop", "method": "POST", "effect": "before"})
    with pytest.raises(requests.ConnectionError):
        zendesk.call("POST", "/api/v2/tickets", json=TICKET)
    assert zendesk.count() == 1


def test_a_time_out_can_have_its_effect_already(zendesk, sim):
    sim.account.faults.add(Fault("delay", method="POST", delay=0.4))
    with pytest.raises(requests.ReadTimeout):
        zendesk.call("POST", "/api/v2/tickets", json=TICKET, timeout=(1, 0.1))
    assert zendesk.count() == 1


def test_a_time_out_can_have_its_effect_later(zendesk, sim):
    sim.account.faults.add(Fault("delay", method="POST", delay=0.4, effect="after"))
    with pytest.raises(requests.ReadTimeout):
        zendesk.call("POST", "/api/v2/tickets", json=TICKET, timeout=(1, 0.1))
    assert zendesk.count() == 0
    eventually(zendesk.count)


def test_a_malformed_answer_has_its_effect(zendesk, sim):
    sim.account.faults.add(Fault("malformed", method="POST"))
    answer = zendesk.call("POST", "/api/v2/tickets", json=TICKET)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()
    assert zendesk.count() == 1


def test_an_outage_lasts_for_as_many_calls_as_planned(zendesk):
    plan = {"kind": "status", "status": 503, "path": "/api/v2/*", "headers": {"Retry-After": "3"}, "times": 2}
    zendesk.control("POST", "faults", plan)
    answers = [zendesk.call("GET", "/api/v2/users/me") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "3"


def test_the_journal_counts_calls_and_knows_keys_but_no_bodies(zendesk, sim):
    sim.account.faults.add(Fault("drop", method="GET"))
    zendesk.call("POST", "/api/v2/tickets.json?async=true", json=TICKET, headers={"Idempotency-Key": "k"})
    with pytest.raises(requests.ConnectionError):
        zendesk.call("GET", "/api/v2/tickets")
    journal = zendesk.control("GET", "journal?path=/api/v2/tickets*")
    assert journal["count"] == 2
    shown = [
        {name: call[name] for name in ("method", "query", "status", "idempotency_key")} for call in journal["calls"]
    ]
    assert shown == [
        {"method": "POST", "query": "async=true", "status": 202, "idempotency_key": "k"},
        {"method": "GET", "query": "", "status": None, "idempotency_key": None},
    ]
    assert "It broke." not in str(journal)


def test_two_hundred_tickets_over_twenty_connections_make_two_hundred_tickets(zendesk, sim):
    def create(number):
        ticket = {"ticket": {"description": "x", "external_id": f"acme:{number}"}}
        return zendesk.call("POST", "/api/v2/tickets?async=true", json=ticket).status_code

    with ThreadPoolExecutor(20) as threads:
        assert set(threads.map(create, range(200))) == {202}
    eventually(lambda: len(sim.account.tickets.all()) == 200)
    assert len({ticket["external_id"] for ticket in sim.account.tickets.all()}) == 200


class Receiver(BaseHTTPRequestHandler):
    """Answers with the statuses it was given, in turn, and keeps what it received."""

    answers: list[tuple[int, dict[str, str]]]
    received: list[tuple[dict[str, str], bytes]]

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status, headers = self.answers.pop(0)
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(sim, zendesk):
    kind = type("OneReceiver", (Receiver,), {"answers": [], "received": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    sim.account.triggers.rules.append(Trigger(url, "key", '{"ticket_id": "{{ticket.id}}"}', on="create"))
    yield kind
    server.shutdown()
    thread.join()
    server.server_close()


def attempted(sim, attempts):
    """The only invocation, once it was attempted so often."""

    def look():
        return [one for one in sim.account.deliveries.invocations if len(one.attempts) == attempts]

    return eventually(look)[0]


def test_a_webhook_is_signed_as_zendesk_signs(zendesk, sim, receiver):
    receiver.answers += [(202, {})]
    ticket = zendesk.call("POST", "/api/v2/tickets", json=TICKET).json()["ticket"]
    assert attempted(sim, 1).state == "delivered"
    [(headers, body)] = receiver.received
    assert body == b'{"ticket_id": "%d"}' % ticket["id"]
    signed = headers["x-zendesk-webhook-signature-timestamp"].encode() + body
    expected = base64.b64encode(hmac.new(b"key", signed, hashlib.sha256).digest()).decode()
    assert headers["x-zendesk-webhook-signature"] == expected
    assert headers["x-zendesk-webhook-id"]
    assert headers["x-zendesk-account-id"]


def test_a_webhook_is_sent_again_under_the_same_id_when_it_is_told_to_wait(zendesk, sim, receiver):
    receiver.answers += [(503, {"Retry-After": "50"}), (202, {})]
    zendesk.call("POST", "/api/v2/tickets", json=TICKET)
    assert attempted(sim, 1).state == "pending"
    zendesk.control("POST", "clock", {"advance": 50})
    assert attempted(sim, 2).state == "delivered"
    ids = {headers["x-zendesk-webhook-invocation-id"] for headers, _ in receiver.received}
    assert len(ids) == 1


def test_a_webhook_that_is_refused_is_lost(zendesk, sim, receiver):
    receiver.answers += [(500, {})]
    zendesk.call("POST", "/api/v2/tickets", json=TICKET)
    assert attempted(sim, 1).state == "failed"


def test_it_runs_inside_an_event_loop():
    async def status():
        async with running(Account("secret")) as server:
            get = asyncio.to_thread(requests.get, f"{server.url}/api/v2/tickets/count", timeout=TIMEOUT)
            return (await get).status_code

    assert asyncio.run(status()) == 401


def test_nothing_is_left_running():
    with simulator() as stopped:
        assert requests.get(stopped.url, timeout=TIMEOUT).status_code == 404
        threads = [thread for thread in threading.enumerate() if thread.name == "zendesk-simulator"]
    assert not threads[-1].is_alive()
    with pytest.raises(requests.ConnectionError):
        requests.get(stopped.url, timeout=TIMEOUT)


def test_a_port_that_is_taken_is_reported(sim):
    taken = int(sim.url.rpartition(":")[2])
    with pytest.raises(OSError, match="address already in use"), simulator(port=taken):
        pass
