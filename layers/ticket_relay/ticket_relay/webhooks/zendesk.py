"""Zendesk, as developer.zendesk.com/documentation/webhooks/verifying has it."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime

from ticket_relay.webhooks.scheme import Claim, Scheme, base64_digest, digest, header, id_header, refused
from ticket_relay.zendesk import timestamps

_ID = "x-zendesk-webhook-invocation-id"
_TIMESTAMP = "x-zendesk-webhook-signature-timestamp"
_SIGNATURE = "x-zendesk-webhook-signature"


def _read(headers: Mapping[str, str], body: bytes) -> Claim:
    invocation_id = id_header(headers, _ID)
    timestamp = header(headers, _TIMESTAMP)
    digest = base64_digest(header(headers, _SIGNATURE))
    moment = timestamps.parse(timestamp)
    if moment is None:
        raise refused("malformed_header")
    return Claim(invocation_id, moment.instant.timestamp(), timestamp.encode() + body, [digest], id_is_signed=False)


def _key(secret: str) -> bytes:
    """The text itself, although it looks like base64. Empty would let anybody sign. Raises ValueError."""
    if not secret:
        raise ValueError
    return secret.encode()


def _write(invocation_id: str, timestamp: float, body: bytes, key: bytes) -> dict[str, str]:
    moment = timestamps.exact(timestamps.Stamp(datetime.fromtimestamp(timestamp, UTC), precise=True))
    return {
        _ID: invocation_id,
        _TIMESTAMP: moment,
        _SIGNATURE: base64.b64encode(digest(key, moment.encode() + body)).decode(),
    }


ZENDESK = Scheme(_read, _key, _write)
