"""From HTTP to the ticket and back, against the whole local stack."""

import gzip
import json
import os
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
import requests

from tests.builders import CANARY, acme_event, body_of, signed
from tests.e2e.conftest import LocalStack
from tests.waiting import eventually

type Row = dict[str, Any]

CREATE = "/api/v2/tickets"
WEBHOOK = {
    "rule": "escalate-vip",
    "ticket_id": "{{ticket.id}}",
    "updated_at": "{{ticket.updated_at_with_timestamp}}",
    "actor_id": "{{current_user.id}}",
}


class World:
    """The stack as a partner, an agent and an engineer see it."""

    def __init__(self, stack: LocalStack) -> None:
        self.stack = stack
        self.zendesk = str(stack.ready["zendesk_url"])
        self.secret = str(stack.ready["partners"]["acme"]["secret"])
        self._dynamodb = boto3.resource(
            "dynamodb",
            endpoint_url=stack.ready["dynamodb_url"],
            region_name=stack.ready["aws_region"],
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )

    def post(self, body: bytes, headers: dict[str, str], path: str = "/webhooks/acme") -> requests.Response:
        return requests.post(f"{self.stack.url}{path}", data=body, headers=headers, timeout=30)

    def deliver(self, event_id: str, body: bytes | None = None) -> requests.Response:
        body = body_of(acme_event()) if body is None else body
        return self.post(body, signed(body, id=event_id, at=time.time(), secret=self.secret))

    def rows(self) -> dict[str, Row]:
        table = self._dynamodb.Table(self.stack.ready["table"])
        answer = table.scan(ConsistentRead=True)
        items = answer["Items"]
        while "LastEvaluatedKey" in answer:
            answer = table.scan(ConsistentRead=True, ExclusiveStartKey=answer["LastEvaluatedKey"])
            items += answer["Items"]
        return {str(item["pk"]): item for item in items if "state" in item}

    def calm(self) -> None:
        """As a minute after the last of many events: each is sent by the function that takes it."""
        self._dynamodb.Table(self.stack.ready["table"]).update_item(
            Key={"pk": "gate"}, UpdateExpression="REMOVE together_until, create_together_until, updates_together_until"
        )

    def row(self, event_id: str) -> Row:
        return self.rows()[f"ticket#acme#{event_id}"]

    def created(self, event_id: str, within: float = 30) -> Row:
        return eventually(lambda: (row := self.row(event_id))["state"] == "created" and row, within)

    def tickets(self, event_id: str) -> list[dict[str, Any]]:
        return [it for it in self.control("GET", "snapshot")["tickets"] if it["external_id"] == f"acme:{event_id}"]

    def control(self, method: str, path: str, sent: object = None) -> dict[str, Any]:
        """The simulator's own side: local/zendesk_simulator/control.py."""
        answer = requests.request(method, f"{self.zendesk}/_control/{path}", json=sent, timeout=10)
        assert answer.status_code == 200, answer.text
        seen: dict[str, Any] = answer.json()
        return seen

    def fault(self, **fault: Any) -> Callable[[], int]:
        """Plan a fault; how often it has happened so far."""
        number = len(self.control("POST", "faults", fault)["faults"]) - 1
        return lambda: int(self.control("GET", "faults")["faults"][number]["happened"])

    def agent(self, ticket_id: int, **changes: Any) -> None:
        """An agent's edit."""
        answer = requests.put(
            f"{self.zendesk}{CREATE}/{ticket_id}",
            json={"ticket": changes},
            auth=("dana@example.com/token", "any"),
            timeout=10,
        )
        assert answer.status_code == 200, answer.text


def new_id() -> str:
    return f"msg_{uuid.uuid4().hex}"


@pytest.fixture
def world(local_stack: LocalStack) -> Iterator[World]:
    """The shared stack; what a test has planned at the simulator is gone afterwards."""
    world = World(local_stack)
    yield world
    for plan in ("faults", "triggers"):
        world.control("DELETE", plan)


def test_an_event_becomes_the_ticket_that_its_definition_says(world: World) -> None:
    event_id = new_id()
    answer = world.deliver(event_id)
    assert answer.status_code == 202
    assert (answer.json()["state"], answer.json()["id"]) == ("submitted", event_id)
    row = world.created(event_id)
    (ticket,) = world.tickets(event_id)
    assert ticket["id"] == row["ticket_id"]
    assert ticket["subject"] == "[CRITICAL] Checkout answers 502 for one request in five"
    assert ticket["priority"] == "urgent"


@pytest.mark.parametrize("packed", ["gzip", "form"])
def test_an_event_may_come_packed(world: World, packed: str) -> None:
    event_id = new_id()
    text = body_of(acme_event())
    if packed == "gzip":
        body, headers = gzip.compress(text), {"content-encoding": "gzip"}
    else:
        body, headers = urlencode({"payload": text}).encode(), {"content-type": "application/x-www-form-urlencoded"}
    answer = world.post(body, signed(body, id=event_id, at=time.time(), secret=world.secret) | headers)
    assert (answer.status_code, answer.json()["id"]) == (202, event_id)
    world.created(event_id)
    (ticket,) = world.tickets(event_id)
    assert ticket["subject"] == "[CRITICAL] Checkout answers 502 for one request in five"


def test_an_event_that_is_too_large_for_a_row_becomes_its_ticket(world: World) -> None:
    event_id = new_id()
    answer = world.deliver(event_id, body_of(acme_event(log=CANARY * 100_000)))
    assert (answer.status_code, answer.json()["id"]) == (202, event_id)
    assert world.created(event_id)["event_at"].split("/")[1:3] == ["kept", "acme"]
    (ticket,) = world.tickets(event_id)
    assert ticket["subject"] == "[CRITICAL] Checkout answers 502 for one request in five"


def test_a_duplicate_gets_the_same_result_and_makes_no_second_ticket(world: World) -> None:
    event_id = new_id()
    world.deliver(event_id)
    row = world.created(event_id)
    again = world.deliver(event_id)
    assert again.status_code == 202
    assert again.json() == {"state": "created", "id": event_id, "ticket_id": int(row["ticket_id"])}
    assert len(world.tickets(event_id)) == 1


def test_the_same_event_ten_times_at_once_becomes_one_ticket(world: World) -> None:
    event_id = new_id()
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: world.deliver(event_id), range(10)))
    assert {answer.status_code for answer in answers} == {202}
    assert {answer.json()["id"] for answer in answers} == {event_id}
    world.created(event_id)
    assert len(world.tickets(event_id)) == 1


def test_two_hundred_events_over_twenty_connections_become_two_hundred_tickets(world: World) -> None:
    ids = [new_id() for _ in range(200)]
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(world.deliver, ids))
    assert Counter(answer.status_code for answer in answers) == {202: 200}
    pks = {f"ticket#acme#{event_id}" for event_id in ids}
    states = eventually(
        lambda: (
            (now := Counter(row["state"] for pk, row in world.rows().items() if pk in pks))["created"] == 200 and now
        ),
        within=120,
    )
    assert states == {"created": 200}
    held = Counter(ticket["external_id"] for ticket in world.control("GET", "snapshot")["tickets"])
    assert [event_id for event_id in ids if held[f"acme:{event_id}"] != 1] == []


def test_a_body_that_the_api_hands_on_in_base64_is_verified_over_its_own_bytes(world: World) -> None:
    event_id, body = new_id(), body_of(acme_event())
    headers = signed(body, id=event_id, at=time.time(), secret=world.secret)
    assert world.post(body, headers | {"content-type": "application/cloudevents+json"}).status_code == 202
    world.created(event_id)


def test_an_event_that_zendesk_would_not_take_yet_is_driven_on_by_the_schedule(world: World) -> None:
    world.fault(kind="status", method="POST", path=CREATE, status=429, headers={"Retry-After": "1"})
    event_id = new_id()
    assert world.deliver(event_id).json()["state"] == "accepted"
    world.created(event_id)
    assert len(world.tickets(event_id)) == 1


def test_a_runtime_killed_in_the_middle_of_a_submission_costs_no_ticket_and_makes_none_twice(world: World) -> None:
    done, not_done = new_id(), new_id()
    world.calm()
    with ThreadPoolExecutor(2) as pool:
        answers: list[Future[requests.Response]] = []
        for event_id, effect in ((done, "before"), (not_done, "never")):
            happened = world.fault(kind="status", method="POST", path=CREATE, status=500, delay=2.5, effect=effect)
            answers.append(pool.submit(world.deliver, event_id))
            eventually(happened)
        for pid in requests.get(f"{world.stack.control_url}/pids", timeout=5).json()["create_ticket"]:
            os.kill(pid, signal.SIGKILL)
        assert {answer.result().status_code for answer in answers} == {500}
    for event_id in (done, not_done):
        assert world.deliver(event_id).status_code == 202
    for event_id in (done, not_done):
        world.created(event_id, within=60)
        assert len(world.tickets(event_id)) == 1


def test_a_poller_killed_in_the_middle_of_its_run_is_followed_by_one_that_goes_on(world: World) -> None:
    happened = world.fault(kind="delay", method="GET", path="/api/v2/job_statuses/*", delay=2.5)
    event_id = new_id()
    world.deliver(event_id)
    eventually(happened)
    for pid in requests.get(f"{world.stack.control_url}/pids", timeout=5).json()["poll_jobs"]:
        os.kill(pid, signal.SIGKILL)
    world.created(event_id)
    assert len(world.tickets(event_id)) == 1


def test_an_agents_edit_between_trigger_and_update_survives_and_the_update_is_decided_again(world: World) -> None:
    event_id = new_id()
    world.deliver(event_id, body_of(acme_event(severity="minor")))
    ticket_id = int(world.created(event_id)["ticket_id"])
    trigger = {
        "url": f"{world.stack.url}/zendesk/ticket-updates",
        "secret": world.stack.ready["zendesk_webhook_secret"],
        "body": json.dumps(WEBHOOK),
        "on": "update",
        "tag": "vip_customer",
    }
    world.control("POST", "triggers", trigger)
    world.agent(ticket_id, tags=["vip_customer"])
    path = f"{CREATE}/{ticket_id}"
    # The agent's own edit is over, so what this holds up is the relay's.
    eventually(world.fault(kind="delay", method="PUT", path=path, delay=0.8, effect="after"))
    world.control("DELETE", "triggers")
    world.agent(ticket_id, priority="urgent", tags=["vip_customer", "called_back"])

    def update() -> Row | None:
        rows = [row for pk, row in world.rows().items() if pk.startswith(f"update#{ticket_id}#")]
        return rows[0] if rows and rows[0]["state"] == "applied" else None

    eventually(update)
    (ticket,) = world.tickets(event_id)
    assert ticket["priority"] == "urgent"
    assert {"vip_customer", "called_back", "escalated"} <= set(ticket["tags"])
    events = [
        event for audit in world.control("GET", "snapshot")["audits"][str(ticket_id)] for event in audit["events"]
    ]
    notes = [event["body"] for event in events if event["type"] == "Comment" and not event["public"]]
    assert notes == ["Escalated from urgent by the rule escalate-vip."]
    assert world.control("GET", f"journal?method=PUT&path={path}&status=409")["count"] == 1


def _bad_requests(world: World) -> dict[str, tuple[int, str, Callable[[], requests.Response]]]:
    """By name: status and code of the expected answer, and how to ask for it. Every body holds the canary."""
    good = body_of(acme_event())
    other = "whsec_" + "A" * 32

    def send(
        body: bytes = good, *, at: float = 0, secret: str = world.secret, path: str = "/webhooks/acme", **changed: str
    ) -> requests.Response:
        headers = signed(body, id=new_id(), at=time.time() + at, secret=secret)
        return world.post(body, {**headers, **{name.replace("_", "-"): value for name, value in changed.items()}}, path)

    def without(name: str) -> requests.Response:
        headers = signed(good, id=new_id(), at=time.time(), secret=world.secret)
        del headers[name]
        return world.post(good, headers)

    def altered() -> requests.Response:
        headers = signed(good, id=new_id(), at=time.time(), secret=world.secret)
        return world.post(good.replace(b"critical", b"minor"), headers)

    def update(**content: object) -> requests.Response:
        body = body_of({"ticket_id": "1", "note": CANARY} | content)
        secret = str(world.stack.ready["zendesk_webhook_secret"])
        headers = signed(body, sender="zendesk", id=new_id(), at=time.time(), secret=secret)
        return world.post(body, headers, "/zendesk/ticket-updates")

    deep = b'{"canary": "' + CANARY.encode() + b'", "deep": ' + b"[" * 5000 + b"]" * 5000 + b"}"
    large = gzip.compress(body_of(acme_event(log=CANARY * 600_000)))  # API Gateway lets it pass: it is small packed
    return {
        "no id": (401, "missing_header", lambda: without("webhook-id")),
        "no timestamp": (401, "missing_header", lambda: without("webhook-timestamp")),
        "no signature": (401, "missing_header", lambda: without("webhook-signature")),
        "a signature that is none": (401, "malformed_header", lambda: send(webhook_signature=f"v1,{CANARY}")),
        "a timestamp that is none": (401, "malformed_header", lambda: send(webhook_timestamp=CANARY)),
        "an id that no header should hold": (401, "malformed_header", lambda: send(webhook_id="x" * 300)),
        "an id that is not ASCII": (
            401,
            "malformed_header",
            lambda: send(webhook_id="\N{LATIN SMALL LETTER U WITH DIAERESIS}"),
        ),
        "a stale signature": (401, "stale_timestamp", lambda: send(at=-600)),
        "a signature of the future": (401, "future_timestamp", lambda: send(at=600)),
        "a wrong key": (401, "wrong_signature", lambda: send(secret=other)),
        "an altered body": (401, "wrong_signature", altered),
        "an empty body": (400, "body_empty", lambda: send(b"")),
        "a body that is not UTF-8": (400, "body_not_utf8", lambda: send(CANARY.encode() + b"\xff\xfe")),
        "a body that is not JSON": (400, "body_not_json", lambda: send(CANARY.encode())),
        "a body that is no object": (400, "body_not_an_object", lambda: send(body_of([CANARY]))),
        "a body that is too deep": (400, "body_too_deep", lambda: send(deep)),
        "a body that is too large": (413, "body_too_large", lambda: send(large, content_encoding="gzip")),
        "another type": (415, "unsupported_media_type", lambda: send(content_type="application/xml")),
        "an unknown partner": (404, "unknown_partner", lambda: send(path="/webhooks/nobody")),
        "a partner that is not UTF-8": (404, "unknown_partner", lambda: send(path="/webhooks/%ff%00")),
        "a wrong path": (404, "not_found", lambda: send(path=f"/webhooks/acme/{CANARY}")),
        "the root": (404, "not_found", lambda: send(path="/")),
        "a wrong method": (
            404,
            "not_found",
            lambda: requests.put(f"{world.stack.url}/webhooks/acme", data=good, timeout=30),
        ),
        "an unsigned update": (401, "missing_header", lambda: send(path="/zendesk/ticket-updates")),
        "an update of nothing": (400, "update_malformed", update),
        "an update by a rule that is none": (400, "unknown_rule", lambda: update(rule=CANARY)),
    }


def test_bad_input_is_answered_4xx_with_its_reason_and_nothing_is_stored(world: World) -> None:
    before = world.rows().keys()
    bad = _bad_requests(world)
    answers = {name: ask() for name, (_, _, ask) in bad.items()}
    seen = {name: (answer.status_code, answer.json().get("error")) for name, answer in answers.items()}
    assert seen == {name: (status, code) for name, (status, code, _) in bad.items()}
    assert {name for name, answer in answers.items() if answer.json().keys() != {"error", "message"}} == set()
    assert {name for name, answer in answers.items() if answer.headers["content-type"] != "application/json"} == set()
    assert world.rows().keys() == before


def test_no_payload_reaches_a_log(world: World) -> None:
    refused_before = sum('"refused"' in line for line in world.stack.logs)
    answers = [ask() for _, _, ask in _bad_requests(world).values()]
    event_id = new_id()
    world.deliver(event_id)
    world.created(event_id)
    expected = refused_before + sum(answer.json()["error"] != "not_found" for answer in answers)
    eventually(lambda: sum('"refused"' in line for line in world.stack.logs) >= expected)
    eventually(lambda: any(event_id in line and '"created"' in line for line in world.stack.logs))
    assert [line for line in world.stack.logs if CANARY in line] == []
