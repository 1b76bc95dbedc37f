"""What the tests send, signed as a sender signs, and rows as they are found in the table."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.api_gateway.events import Request, event, routed
from local.api_gateway.events import Route as GatewayRoute
from ticket_relay.config import Settings
from ticket_relay.storage.rows import RETENTION, TicketRow, TicketState, ticket_pk
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.signatures import sign

ROOT = Path(__file__).parents[1]
TABLE = "relay"
BUCKET = "relay-events"
NOW = 1_795_300_000.0
SECRETS = {
    "acme": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "globex": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "hooli": "whsec_bm90X2Ffc2VjcmV0X2p1c3RfYV90ZXN0X3ZhbHVl",
    "zendesk": "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==",
}
"""By sender: what it signs with."""
SCHEMES = {
    "acme": "standard-webhooks",
    "globex": "standard-webhooks",
    "hooli": "standard-webhooks",
    "zendesk": "zendesk",
}
CANARY = "canary-7f3a"
"""Stands in every payload; wherever it shows that is not Zendesk or the table, a payload has leaked."""

_ROUTES = [
    GatewayRoute("POST /webhooks/{partner}", "create_ticket"),
    GatewayRoute("GET /webhooks/{partner}/events/{id+}", "create_ticket"),
    GatewayRoute("POST /zendesk/ticket-updates", "update_ticket"),
    GatewayRoute("$default", "create_ticket"),
]


def acme_event(**incident: Any) -> dict[str, Any]:
    """The sample, with some of its incident changed."""
    sample: dict[str, Any] = json.loads((ROOT / "events/acme-incident-opened.json").read_bytes())
    sample["incident"] |= {"summary": f"The error rate rose. {CANARY}"} | incident
    sample["reporter"]["email"] = f"{CANARY}@acme.example.com"
    return sample


def body_of(content: Any) -> bytes:
    return json.dumps(content).encode()


def signed(
    body: bytes, *, sender: str = "acme", id: str = "evt_1", at: float = NOW, secret: str | None = None
) -> dict[str, str]:
    """The headers of a delivery, names in lower case, signed by the real signer."""
    headers = sign(PRESETS[SCHEMES[sender]], id=id, timestamp=at, body=body, secret=secret or SECRETS[sender])
    return {"content-type": "application/json"} | headers


def http_event(
    body: bytes, headers: Mapping[str, str], *, path: str = "/webhooks/acme", method: str = "POST"
) -> dict[str, Any]:
    """The event (payload format 2.0) that the HTTP API makes of a request."""
    request = Request(method, path, list(headers.items()), body)
    found = routed(_ROUTES, request)
    assert found is not None
    return event(request, *found)


def settings(zendesk_url: str = "http://zendesk.test", **changes: Any) -> Settings:
    given = {
        "table_name": TABLE,
        "zendesk_base_url": zendesk_url,
        "zendesk_secret_arn": "zendesk-credentials",
        "signing_secrets_arn": "signing-secrets",
        "zendesk_connect_timeout_seconds": 1,
        "zendesk_read_timeout_seconds": 0.5,
        "doubtful_pause_seconds": 15,
        "job_forgotten_after_seconds": 120,
    }
    return Settings.model_validate(given | changes)


def ticket_row(event_id: str = "evt_1", *, now: float = NOW, **changes: Any) -> TicketRow:
    """An accepted row that is due and was never sent."""
    given: dict[str, Any] = {
        "pk": ticket_pk("acme", event_id),
        "state": TicketState.ACCEPTED,
        "partner": "acme",
        "event_id": event_id,
        "request": json.dumps(
            {"ticket": {"subject": "Fire", "comment": {"body": "It burns"}, "external_id": f"acme:{event_id}"}}
        ).encode(),
        "due_at": now,
        "created_at": now,
        "updated_at": now,
        "expires_at": now + RETENTION,
    }
    return TicketRow.model_validate(given | changes)
