"""From a signed webhook to a claimed row and Zendesk's job, through the handler where it matters."""

import json
import subprocess
import sys
import threading
import time

import pytest

from functions.create_ticket import app as function
from local.zendesk_simulator import Fault
from tests.builders import CANARY, ROOT, SECRETS, acme_event, body_of, http_event, signed
from tests.fakes import DOWN, THROTTLED, Outage
from tests.fixtures import both_engines
from ticket_relay.create_ticket import webhook
from ticket_relay.errors import StoreUnavailable
from ticket_relay.rate_limits.gate import TOGETHER_TIME
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.storage.rows import TicketState
from ticket_relay.webhooks.payload import MAX_BODY

CREATE = {"method": "POST", "path": "/api/v2/tickets"}


@pytest.fixture
def post(services, monkeypatch):
    """Calls the function as the HTTP API does. Returns status, body and headers."""
    monkeypatch.setattr(function, "services", lambda: services)

    def post(body, headers, **request):
        answer = function.webhook(http_event(body, headers, **request))
        return answer["statusCode"], json.loads(answer["body"]), answer["headers"]

    return post


@both_engines
def test_an_event_is_claimed_submitted_and_answered_202(post, clock, stored, zendesk):
    body = body_of(acme_event())
    status, answer, _ = post(body, signed(body, at=clock()))
    assert (status, answer) == (202, {"state": "submitted", "id": "evt_1", "ticket_id": stored().ticket_id})
    assert stored().job_id
    (sent,) = zendesk.account.journal.calls(**CREATE)
    assert (sent.query, sent.idempotency_key) == ("async=true", stored().idempotency_key)


def test_a_duplicate_is_answered_with_the_state_that_the_first_has_reached(services, deliver, drive, tickets):
    assert deliver(services).state == "submitted"
    drive(services)
    again = deliver(services)
    assert (again.state, again.ticket_id) == ("created", tickets()[0]["id"])
    assert len(tickets()) == 1


def test_another_body_under_the_id_of_a_ticket_is_counted_and_makes_no_second(
    services, deliver, drive, tickets, counted
):
    deliver(services)
    drive(services)
    assert deliver(services, content=acme_event(title="Flood")).state == "created"
    assert (counted("EventDiffers"), len(tickets())) == (1, 1)


@both_engines
def test_an_event_that_comes_often_at_once_is_one_ticket(other_services, deliver, drive, tickets, zendesk):
    together, receipts = threading.Barrier(6), []

    def send(services):
        together.wait()
        receipts.append(deliver(services))

    threads = [threading.Thread(target=send, args=(other_services(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receipts) == 6
    assert {receipt.state for receipt in receipts} <= {"accepted", "submitted"}
    drive(other_services())
    assert len(tickets()) == 1
    assert len(zendesk.account.journal.calls(**CREATE)) == 1


def test_the_same_id_of_two_partners_is_two_tickets(services, deliver, stored):
    deliver(services)
    refund = json.loads((ROOT / "events/globex-refund-requested.json").read_bytes())
    deliver(services, content=refund, partner="globex")
    assert stored().state == stored(partner="globex").state == TicketState.SUBMITTED
    assert stored().idempotency_key != stored(partner="globex").idempotency_key


@both_engines
def test_an_event_that_cannot_be_mapped_is_kept_whole(post, clock, stored, zendesk, counted):
    body = body_of({"type": "incident.opened", "incident": {}, "note": CANARY})
    status, answer, _ = post(body, signed(body, at=clock()))
    assert (status, answer["state"]) == (202, "unmapped")
    assert (stored().event, stored().request, stored().due_at) == (body, None, None)
    assert stored().error_code == "mapping_failed"
    assert CANARY not in stored().error_sentence
    assert counted("TicketUnmapped") == 1
    assert zendesk.account.journal.calls(**CREATE) == []


def test_an_event_that_nobody_wants_is_not_stored(services, deliver, capsys, counted):
    refund = json.loads((ROOT / "events/globex-refund-requested.json").read_bytes()) | {"event": "order.shipped"}
    assert deliver(services, content=refund, partner="globex").state == "ignored"
    assert services.store.get("ticket#globex#evt_1") is None
    assert counted("EventIgnored") == 1
    assert "partner" not in capsys.readouterr().out


def test_it_is_answered_200_that_nobody_wants_it(post, clock):
    refund = json.loads((ROOT / "events/globex-refund-requested.json").read_bytes()) | {"event": "order.shipped"}
    body = body_of(refund)
    status, answer, _ = post(body, signed(body, sender="globex", at=clock()), path="/webhooks/globex")
    assert (status, answer) == (200, {"state": "ignored", "id": "evt_1"})


GOOD = body_of(acme_event())
OTHER_SECRET = SECRETS["globex"]


def deep(levels):
    return b'{"a":' * levels + f'"{CANARY}"'.encode() + b"}" * levels


BAD = {
    "no signature": (401, GOOD, lambda at: {"content-type": "application/json"}),
    "half a signature": (401, GOOD, lambda at: signed(GOOD, at=at) | {"webhook-signature": "v1"}),
    "garbage for a signature": (401, GOOD, lambda at: signed(GOOD, at=at) | {"webhook-signature": "v1,%%%%"}),
    "no timestamp": (401, GOOD, lambda at: signed(GOOD, at=at) | {"webhook-timestamp": ""}),
    "garbage for a timestamp": (401, GOOD, lambda at: signed(GOOD, at=at) | {"webhook-timestamp": "now"}),
    "no id": (401, GOOD, lambda at: signed(GOOD, at=at) | {"webhook-id": ""}),
    "stale": (401, GOOD, lambda at: signed(GOOD, at=at - 301)),
    "from the future": (401, GOOD, lambda at: signed(GOOD, at=at + 301)),
    "wrong key": (401, GOOD, lambda at: signed(GOOD, at=at, secret=OTHER_SECRET)),
    "altered body": (401, GOOD + b" ", lambda at: signed(GOOD, at=at)),
    "empty body": (400, b"", lambda at: signed(b"", at=at)),
    "not UTF-8": (400, b'{"a": "\xff"}', lambda at: signed(b'{"a": "\xff"}', at=at)),
    "not JSON": (400, CANARY.encode(), lambda at: signed(CANARY.encode(), at=at)),
    "not an object": (400, b'["canary-7f3a"]', lambda at: signed(b'["canary-7f3a"]', at=at)),
    "too deep": (400, deep(80), lambda at: signed(deep(80), at=at)),
    "far too deep": (400, deep(30_000), lambda at: signed(deep(30_000), at=at)),
    "too large": (413, b" " * (MAX_BODY + 1), lambda at: signed(b" " * (MAX_BODY + 1), at=at)),
    "no JSON by its type": (415, GOOD, lambda at: signed(GOOD, at=at) | {"content-type": "text/plain"}),
}


@pytest.mark.parametrize(("status", "body", "headers"), BAD.values(), ids=BAD)
def test_bad_input_is_refused_in_json_and_leaves_no_trace(post, clock, dynamo, capfd, status, body, headers):
    got, answer, _ = post(body, headers(clock()))
    assert got == status
    assert set(answer) == {"error", "message"}
    assert dynamo.scan(TableName="relay")["Count"] == 0
    printed = "".join(capfd.readouterr())
    assert answer["error"] in printed
    for secret in (CANARY, *SECRETS.values(), "acme.example.com"):
        assert secret not in printed + json.dumps(answer)


def test_an_unknown_partner_is_not_found(post, clock, dynamo):
    status, answer, _ = post(GOOD, signed(GOOD, at=clock()), path="/webhooks/initech")
    assert (status, answer["error"]) == (404, "unknown_partner")
    assert dynamo.scan(TableName="relay")["Count"] == 0


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/webhooks/acme"), ("POST", "/webhooks"), ("POST", "/webhooks/acme/x"), ("DELETE", "/"), ("POST", "/%00")],
)
def test_a_wrong_method_or_path_is_a_4xx_in_json(post, method, path):
    status, answer, _ = post(b"", {}, path=path, method=method)
    assert status == 404
    assert set(answer) == {"error", "message"}


def test_what_goes_well_shows_no_payload_and_no_secret_either(post, drive, services, clock, zendesk, capfd):
    post(GOOD, signed(GOOD, at=clock()))
    post(GOOD, signed(GOOD, at=clock()))
    drive(services)
    printed = "".join(capfd.readouterr())
    assert '"state":"created"' in printed
    for secret in (CANARY, zendesk.client_secret, *SECRETS.values(), "acme.example.com", "Bearer", "v1,"):
        assert secret not in printed


@pytest.mark.parametrize("error", [THROTTLED, DOWN])
@pytest.mark.parametrize("landed", [False, True])
def test_what_could_not_be_stored_is_answered_503_and_is_one_ticket_when_it_comes_again(
    post, services, clock, dynamo, drive, tickets, error, landed
):
    dynamo.outages.append(Outage(("put_item",), error, landed=landed))
    status, answer, headers = post(GOOD, signed(GOOD, at=clock()))
    assert (status, answer["error"], headers["Retry-After"]) == (503, "store_unavailable", "5")
    assert tickets() == []
    assert post(GOOD, signed(GOOD, at=clock()))[0] == 202
    drive(services)
    assert len(tickets()) == 1


@pytest.mark.parametrize("landed", [False, True])
def test_when_the_store_fails_after_the_claim_it_is_answered_202_and_the_poller_goes_on(
    post, services, clock, dynamo, drive, tickets, stored, counted, landed
):
    moving = Outage(
        ("put_item",), DOWN, landed=landed, fits=lambda request: "version" in request["ConditionExpression"]
    )
    dynamo.outages.append(moving)
    status, answer, _ = post(GOOD, signed(GOOD, at=clock()))
    assert (status, answer["state"]) == (202, "accepted")
    assert counted("ClaimLeftToPoller") == 1
    drive(services)
    assert len(tickets()) == 1
    assert stored().state == TicketState.CREATED


def test_a_gate_that_cannot_be_read_is_503_with_nothing_stored(post, clock, dynamo):
    dynamo.outages.append(Outage(("get_item",), DOWN))
    assert post(GOOD, signed(GOOD, at=clock()))[0] == 503
    assert dynamo.scan(TableName="relay")["Count"] == 0


def test_the_partner_is_answered_in_time_however_slow_zendesk_is(services, zendesk, deliver):
    zendesk.account.faults.add(Fault("delay", delay=2.5, path="*", times=None))
    start = time.monotonic()
    assert deliver(services, seconds=1).state == "accepted"
    assert time.monotonic() - start < 1.5


def test_behind_a_closed_gate_an_event_waits_and_is_not_doubtful(services, clock, deliver, stored, zendesk):
    services.gate.close(clock() + 30)
    assert deliver(services).state == "accepted"
    assert (stored().due_at, stored().after_lease().in_doubt) == (clock() + 30, False)
    assert zendesk.account.journal.calls() == []


def test_a_duplicate_does_not_keep_the_gate_closed_for_others(services, clock, deliver):
    deliver(services)
    services.gate.close(clock())
    clock.advance(TOGETHER_TIME + 1)
    deliver(services)
    assert deliver(services, "evt_2").state == "submitted"


def test_zendesks_no_to_one_ticket_opens_the_gate_for_others(services, clock, deliver, zendesk):
    services.gate.close(clock())
    clock.advance(TOGETHER_TIME + 1)
    zendesk.account.faults.add(Fault("status", status=422, body='{"error":"RecordInvalid"}', **CREATE))
    assert deliver(services).state == "failed"
    assert deliver(services, "evt_2").state == "submitted"


def test_a_killed_function_leaves_a_claim_and_the_poller_looks_before_it_sends(
    services, clock, deliver, drive, tickets, stored, zendesk, monkeypatch
):
    monkeypatch.setattr(webhook.submit, "send", lambda *_, **__: sys.exit("killed"))
    with pytest.raises(SystemExit):
        deliver(services)
    monkeypatch.undo()
    assert (stored().state, stored().after_lease().in_doubt) == (TicketState.ACCEPTED, True)
    drive(services)
    assert len(tickets()) == 1
    calls = [(entry.method, entry.query[:11]) for entry in zendesk.account.journal.calls(path="/api/v2/tickets")]
    assert calls == [("GET", "external_id"), ("POST", "async=true")]


@pytest.mark.parametrize(
    ("key_with_async", "job_seconds"),
    [(True, 0.3), (True, 300), (False, 0.3)],
    ids=["job over", "job still queued", "key ignored and job over"],
)
def test_a_function_killed_after_the_request_leaves_one_ticket(
    services, deliver, drive, tickets, stored, zendesk, monkeypatch, key_with_async, job_seconds
):
    zendesk.account.settings.key_with_async = key_with_async
    zendesk.account.settings.job_queued_seconds = job_seconds
    monkeypatch.setattr("ticket_relay.states.ticket.submitted", lambda *_: sys.exit("killed"))
    with pytest.raises(SystemExit):
        deliver(services)
    monkeypatch.undo()
    drive(services)
    assert len(tickets()) == 1
    assert (stored().state, stored().ticket_id) == (TicketState.CREATED, tickets()[0]["id"])


def test_without_signing_secrets_nobody_is_believed(services, clock, deliver, post):
    services.secrets._client.put_secret_value(SecretId="signing-secrets", SecretString="{}")
    status, answer, _ = post(GOOD, signed(GOOD, at=clock()))
    assert (status, answer["error"]) == (401, "no_secret")


def test_an_unreachable_secret_store_is_503(post, clock, services, dynamo):
    services.secrets._client.put_secret_value(SecretId="signing-secrets", SecretString="no JSON")
    status, answer, _ = post(GOOD, signed(GOOD, at=clock()))
    assert (status, answer["error"]) == (503, "secrets_unavailable")
    assert dynamo.scan(TableName="relay")["Count"] == 0


def test_the_claim_survives_a_row_that_is_gone_before_it_was_looked_at(services, clock, dynamo, deliver):
    deliver(services)

    def taken_away(operation, _request):
        if operation == "get_item" and "gate" not in str(_request):
            dynamo.before = lambda *_: None
            dynamo.delete_item(TableName="relay", Key={"pk": {"S": "ticket#acme#evt_1"}})

    dynamo.before = taken_away
    body = body_of(acme_event())
    with pytest.raises(StoreUnavailable):
        webhook.receive(services, "acme", signed(body, at=clock()), body, Deadline.after(3))


def test_importing_the_function_loads_neither_x_ray_nor_openapi_models():
    code = "import sys, runpy; runpy.run_path('functions/create_ticket/app.py'); print(*sys.modules, sep='\\n')"
    loaded = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": "layers/ticket_relay"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "ticket_relay.create_ticket.webhook" in loaded
    assert not [name for name in loaded if name.startswith(("aws_xray_sdk", "yaml", "moto"))]
    few = ("create_ticket.correlated", "create_ticket.split", "states.joining", "storage.correlations", "update_ticket")
    assert not [name for name in loaded if name.removeprefix("ticket_relay.").startswith(few)]
    assert not [name for name in loaded if name.startswith("aws_lambda_powertools") and name.endswith("openapi.models")]
