"""`POST /zendesk/ticket-updates` as the HTTP API calls it."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from functions.update_ticket import app as function
from local.zendesk_simulator import Fault
from local.zendesk_simulator.clock import stamp
from tests.builders import CANARY, SECRETS, body_of, http_event, signed
from tests.fakes import DOWN, Outage
from ticket_relay.update_ticket.webhook import LARGEST_WEBHOOK
from ticket_relay.webhooks.payload import MAX_BODY

CONTEXT = SimpleNamespace(
    function_name="update_ticket",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:update_ticket",
    aws_request_id="r-1",
)
CHANGES = {"priority": "high", "comment": {"body": f"Raised. {CANARY}"}, "requester": f"{CANARY}@example.com"}


@pytest.fixture
def ticket(zendesk):
    with zendesk.account.lock:
        found, _ = zendesk.account.tickets.create({"comment": {"body": "It burns"}}, zendesk.account.relay)
    return found


@pytest.fixture
def post(services, ticket, clock, monkeypatch):
    """Sends a body, raw or as what differs from an ordinary one. Returns status, body and headers."""
    monkeypatch.setattr(function, "services", lambda: services)

    def send(content=None, *, secret=None, **headers):
        ordinary = {
            "ticket_id": str(ticket["id"]),
            "updated_at": ticket["updated_at"],
            "actor_id": "7",
            "changes": CHANGES,
        }
        body = content if isinstance(content, bytes) else body_of(ordinary | (content or {}))
        sent = signed(body, sender="zendesk", id="inv_1", at=clock(), secret=secret)
        sent = {name: value for name, value in (sent | headers).items() if value is not None}
        event = http_event(body, sent, path="/zendesk/ticket-updates")
        answer = function.handler(event, CONTEXT)
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]

    return send


def rows(dynamo):
    items = dynamo.scan(TableName="relay")["Items"]
    return [item["pk"]["S"] for item in items if item["pk"]["S"].startswith(("update#", "seen#"))]


def test_an_update_is_answered_202_with_its_state(post, ticket):
    status, body, headers = post()
    assert (status, body) == (202, {"state": "applied", "id": "inv_1", "ticket_id": ticket["id"]})
    assert headers["Content-Type"] == "application/json"


def test_what_the_relay_did_itself_is_answered_200(post, zendesk):
    post()
    status, body, _ = post({"actor_id": str(zendesk.account.relay.id)})
    assert (status, body["state"]) == (200, "ignored")


@pytest.mark.parametrize(
    "fault",
    [Fault("drop"), Fault("html"), Fault("malformed"), Fault("status", status=409), Fault("status", status=429)],
    ids=lambda fault: f"{fault.kind}-{fault.status or ''}",
)
def test_whatever_zendesk_does_after_the_claim_is_answered_202(post, zendesk, fault):
    zendesk.account.faults.add(replace(fault, method="PUT"))
    status, body, _ = post()
    assert (status, body["state"]) == (202, "accepted")


def test_a_conflict_never_shows_as_409_which_zendesk_would_repeat(post, zendesk, ticket, clock):
    clock.advance(5)
    with zendesk.account.lock:
        zendesk.account.tickets.update(ticket["id"], {"tags": "theirs"}, zendesk.account.relay)
    status, body, _ = post({"updated_at": ticket["updated_at"]})
    assert (status, body["state"]) == (202, "applied")


def test_only_what_could_not_be_stored_is_answered_503_with_a_time_to_come_again(post, dynamo):
    dynamo.outages = [Outage(("put_item",), DOWN, times=9)]
    status, body, headers = post()
    assert (status, body["error"], headers["Retry-After"]) == (503, "store_unavailable", "5")
    assert not rows(dynamo)


@pytest.mark.parametrize(
    ("status", "code", "content", "headers"),
    [
        (401, "wrong_signature", None, {"secret": "another"}),
        (401, "missing_header", None, {"x-zendesk-webhook-signature": None}),
        (401, "missing_header", None, {"x-zendesk-webhook-invocation-id": None}),
        (401, "malformed_header", None, {"x-zendesk-webhook-signature-timestamp": "yesterday"}),
        (401, "malformed_header", None, {"x-zendesk-webhook-signature": "é"}),
        (401, "stale_timestamp", None, {"x-zendesk-webhook-signature-timestamp": stamp(0)}),
        (413, "body_too_large", b" " * (MAX_BODY + 1), {}),
        (413, "body_too_large", {"log": "x" * LARGEST_WEBHOOK}, {}),
        (415, "unsupported_media_type", None, {"content-type": "text/plain"}),
        (400, "body_empty", b"", {}),
        (400, "body_not_utf8", b"\xff\xfe", {}),
        (400, "body_not_json", b"ticket_id=7", {}),
        (400, "body_too_deep", b'{"a":' * 99 + b"1" + b"}" * 99, {}),
        (400, "update_malformed", {"ticket_id": f"{CANARY}"}, {}),
        (400, "update_malformed", {"rule": "escalate-vip"}, {}),
        (400, "unknown_rule", {"rule": CANARY, "changes": None}, {}),
        (400, "changes_invalid", {"changes": {"priority": CANARY}}, {}),
        (400, "changes_invalid", {"changes": {CANARY: 1}}, {}),
    ],
)
def test_a_request_that_we_do_not_take_is_refused_with_a_reason_and_not_stored(
    post, dynamo, capsys, *, status, code, content, headers
):
    answered, body, _ = post(content, **headers)
    assert (answered, body["error"]) == (status, code)
    assert body["message"].endswith(".")
    assert CANARY not in json.dumps(body)
    assert not rows(dynamo)
    out = capsys.readouterr().out
    assert code in out
    assert CANARY not in out


def test_a_fixed_secret_list_lets_both_secrets_of_a_rotation_sign(post, services, monkeypatch):
    monkeypatch.setattr(type(services.secrets), "signing", lambda *_: ["new", SECRETS["zendesk"]])
    assert post()[0] == 202
    assert post(secret="new")[0] == 202


def test_logs_hold_outcomes_and_neither_payload_nor_secret(post, zendesk, capsys, clock):
    zendesk.account.faults.planned = [
        Fault("status", status=422, method="PUT", body=json.dumps({"error": "RecordInvalid", "description": CANARY}))
    ]
    post()
    clock.advance(2)
    post({"changes": CHANGES | {"priority": "low"}}, **{"x-zendesk-webhook-invocation-id": "inv_2"})
    out = capsys.readouterr().out
    for told in ("inv_1", "inv_2", "UpdateFailed", "UpdateApplied"):
        assert told in out
    for secret in (CANARY, "example.com", SECRETS["zendesk"], zendesk.client_secret, "Bearer"):
        assert secret not in out
