"""Who sent this? Signatures of webhooks, checked over the raw bytes, failing closed.

    headers, body ── a scheme's `read` ──▶ what is claimed: id, time, signed content, digests
    secrets ──────── a scheme's `key`  ──▶ keys
    any key makes any of the digests, and the time is near ──▶ Delivery

Every sender we know signs with HMAC-SHA256; they differ in where things stand, so a sender is one entry of `_SCHEMES`.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ticket_relay.errors import SignatureRefused
from ticket_relay.zendesk import timestamps

TOLERANCE = 300
"""Seconds that a delivery's own time may lie before or after ours (Standard Webhooks 1.0.0; Zendesk publishes none)."""

_MAX_HEADER = 4096
_ID = re.compile(r"[!-~]{1,256}")
_EPOCH = re.compile(r"[0-9]{1,12}")

_REASONS = {
    "unknown_scheme": "The partner's signature scheme is not one we know.",
    "no_secret": "No secret is stored for this sender.",
    "malformed_secret": "The secret stored for this sender is not one of its scheme.",
    "missing_header": "A header of the signature is missing.",
    "malformed_header": "A header of the signature is malformed.",
    "stale_timestamp": "The delivery's timestamp is too old.",
    "future_timestamp": "The delivery's timestamp lies in the future.",
    "wrong_signature": "The signature does not fit the body.",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One authentic delivery. `timestamp` is in epoch seconds, by the sender's clock.

    `id` is the sender's, the same on every attempt. Where the signature does not cover it, a captured request can be
    sent again under another id: `replay_key`, the SHA-256 (hex) of what *is* signed, then tells that it is the same.
    """

    id: str
    timestamp: float
    replay_key: str | None


@dataclass(frozen=True, slots=True)
class _Claim:
    id: str
    timestamp: float
    content: bytes
    digests: list[bytes]
    id_is_signed: bool


@dataclass(frozen=True, slots=True)
class _Scheme:
    read: Callable[[Mapping[str, str], bytes], _Claim]
    key: Callable[[str], bytes]
    write: Callable[[str, float, bytes, bytes], dict[str, str]]


def verify(scheme: str, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> Delivery:
    """Check a request, as received, and say what delivery it is.

    `headers` have lower-case names, `now` is in epoch seconds, and any of the `secrets` may have signed (rotation).
    Raises SignatureRefused, its code one of a small fixed set, for every defect of request and secrets; nothing else.
    """
    if scheme not in _SCHEMES:
        raise _refused("unknown_scheme")
    if not secrets:
        raise _refused("no_secret")
    rules = _SCHEMES[scheme]
    claim = rules.read(headers, body)
    if claim.timestamp < now - TOLERANCE:
        raise _refused("stale_timestamp")
    if claim.timestamp > now + TOLERANCE:
        raise _refused("future_timestamp")
    expected = [_digest(key, claim.content) for key in _usable_keys(rules, secrets)]
    # A list, not a generator: the time taken does not tell which key or which signature came close.
    if not any([hmac.compare_digest(ours, theirs) for ours in expected for theirs in claim.digests]):  # noqa: C419
        raise _refused("wrong_signature")
    return Delivery(
        claim.id, claim.timestamp, None if claim.id_is_signed else hashlib.sha256(claim.content).hexdigest()
    )


def sign(scheme: str, *, id: str, timestamp: float, body: bytes, secret: str) -> dict[str, str]:
    """The headers that the sender itself would send; `timestamp` in epoch seconds.

    For tests, the demo and the simulator. Raises SignatureRefused for a malformed secret.
    """
    rules = _SCHEMES[scheme]
    return rules.write(id, timestamp, body, _usable_keys(rules, [secret])[0])


def _usable_keys(rules: _Scheme, secrets: Sequence[str]) -> list[bytes]:
    """One malformed secret must not stop the others; with none left, say so, rather than `wrong_signature`."""
    keys = []
    for secret in secrets:
        try:
            keys.append(rules.key(secret))
        except ValueError:
            continue
    if not keys:
        raise _refused("malformed_secret")
    return keys


def _digest(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


def _refused(reason: str) -> SignatureRefused:
    return SignatureRefused(reason, _REASONS[reason])


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise _refused("missing_header")
    if len(value) > _MAX_HEADER:
        raise _refused("malformed_header")
    return value


def _id_header(headers: Mapping[str, str], name: str) -> str:
    value = _header(headers, name)
    if not _ID.fullmatch(value):
        raise _refused("malformed_header")
    return value


def _base64_digest(text: str) -> bytes:
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:  # also binascii.Error, and text that is not ASCII
        raise _refused("malformed_header") from None
    if len(digest) != hashlib.sha256().digest_size:
        raise _refused("malformed_header")
    return digest


# Standard Webhooks 1.0.0, as github.com/standard-webhooks/standard-webhooks has it


def _read_standard(headers: Mapping[str, str], body: bytes) -> _Claim:
    message_id = _id_header(headers, "webhook-id")
    timestamp = _header(headers, "webhook-timestamp")
    if not _EPOCH.fullmatch(timestamp):
        raise _refused("malformed_header")
    # "v1,<base64> v1a,<base64>"; API Gateway joins a repeated header with ",", which base64 never holds: so the words,
    # however they are separated, are pairs.
    words = re.split(r"[ ,]+", _header(headers, "webhook-signature").strip(" ,"))
    if len(words) % 2:
        raise _refused("malformed_header")
    digests = [_base64_digest(text) for version, text in zip(words[::2], words[1::2], strict=True) if version == "v1"]
    return _Claim(
        message_id, int(timestamp), _standard_content(message_id, timestamp, body), digests, id_is_signed=True
    )


def _standard_content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _standard_key(secret: str) -> bytes:
    """The base64 after `whsec_`, 24 to 64 bytes. Raises ValueError."""
    if not secret.startswith("whsec_"):
        raise ValueError
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    if not 24 <= len(key) <= 64:
        raise ValueError
    return key


def _write_standard(message_id: str, timestamp: float, body: bytes, key: bytes) -> dict[str, str]:
    seconds = str(int(timestamp))
    digest = _digest(key, _standard_content(message_id, seconds, body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


# Zendesk, as developer.zendesk.com/documentation/webhooks/verifying has it

_ZENDESK_ID = "x-zendesk-webhook-invocation-id"
_ZENDESK_TIMESTAMP = "x-zendesk-webhook-signature-timestamp"
_ZENDESK_SIGNATURE = "x-zendesk-webhook-signature"


def _read_zendesk(headers: Mapping[str, str], body: bytes) -> _Claim:
    invocation_id = _id_header(headers, _ZENDESK_ID)
    timestamp = _header(headers, _ZENDESK_TIMESTAMP)
    digest = _base64_digest(_header(headers, _ZENDESK_SIGNATURE))
    moment = timestamps.parse(timestamp)
    if moment is None:
        raise _refused("malformed_header")
    return _Claim(invocation_id, moment.instant.timestamp(), timestamp.encode() + body, [digest], id_is_signed=False)


def _zendesk_key(secret: str) -> bytes:
    """The text itself, although it looks like base64. Empty would let anybody sign. Raises ValueError."""
    if not secret:
        raise ValueError
    return secret.encode()


def _write_zendesk(invocation_id: str, timestamp: float, body: bytes, key: bytes) -> dict[str, str]:
    moment = timestamps.exact(timestamps.Stamp(datetime.fromtimestamp(timestamp, UTC), precise=True))
    return {
        _ZENDESK_ID: invocation_id,
        _ZENDESK_TIMESTAMP: moment,
        _ZENDESK_SIGNATURE: base64.b64encode(_digest(key, moment.encode() + body)).decode(),
    }


_SCHEMES = {
    "standard-webhooks": _Scheme(_read_standard, _standard_key, _write_standard),
    "zendesk": _Scheme(_read_zendesk, _zendesk_key, _write_zendesk),
}

SCHEMES = frozenset(_SCHEMES)
"""The names a definition may give as its `scheme`."""
