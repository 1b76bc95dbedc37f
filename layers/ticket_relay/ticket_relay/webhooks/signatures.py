"""Who sent this? Signatures of webhooks, checked over the raw bytes, failing closed.

    headers, body ── a scheme's `read` ──▶ what is claimed: id, time, signed content, digests
    secrets ──────── a scheme's `key`  ──▶ keys
    any key makes any of the digests, and the time is near ──▶ Delivery

Every sender we know signs with HMAC-SHA256; they differ in where things stand, so a sender is one entry of `_SCHEMES`.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ticket_relay.webhooks.scheme import Scheme, digest, refused
from ticket_relay.webhooks.standard_webhooks import STANDARD_WEBHOOKS
from ticket_relay.webhooks.zendesk import ZENDESK

TOLERANCE = 300
"""Seconds that a delivery's own time may lie before or after ours (Standard Webhooks 1.0.0; Zendesk publishes none)."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One authentic delivery. `timestamp` is in epoch seconds, by the sender's clock.

    `id` is the sender's, the same on every attempt. Where the signature does not cover it, a captured request can be
    sent again under another id: `replay_key`, the SHA-256 (hex) of what *is* signed, then tells that it is the same.
    """

    id: str
    timestamp: float
    replay_key: str | None


def verify(scheme: str, *, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> Delivery:
    """Check a request, as received, and say what delivery it is.

    `headers` have lower-case names, `now` is in epoch seconds, and any of the `secrets` may have signed (rotation).
    Raises SignatureRefused, its code one of a small fixed set, for every defect of request and secrets; nothing else.
    """
    if scheme not in _SCHEMES:
        raise refused("unknown_scheme")
    if not secrets:
        raise refused("no_secret")
    rules = _SCHEMES[scheme]
    claim = rules.read(headers, body)
    if claim.timestamp < now - TOLERANCE:
        raise refused("stale_timestamp")
    if claim.timestamp > now + TOLERANCE:
        raise refused("future_timestamp")
    expected = [digest(key, claim.content) for key in _usable_keys(rules, secrets)]
    # A list, not a generator: the time taken does not tell which key or which signature came close.
    if not any([hmac.compare_digest(ours, theirs) for ours in expected for theirs in claim.digests]):  # noqa: C419
        raise refused("wrong_signature")
    return Delivery(
        claim.id, claim.timestamp, None if claim.id_is_signed else hashlib.sha256(claim.content).hexdigest()
    )


def sign(scheme: str, *, id: str, timestamp: float, body: bytes, secret: str) -> dict[str, str]:
    """The headers that the sender itself would send; `timestamp` in epoch seconds.

    For tests, the demo and the simulator. Raises SignatureRefused for a malformed secret.
    """
    rules = _SCHEMES[scheme]
    return rules.write(id, timestamp, body, _usable_keys(rules, [secret])[0])


def _usable_keys(rules: Scheme, secrets: Sequence[str]) -> list[bytes]:
    """One malformed secret must not stop the others; with none left, say so, rather than `wrong_signature`."""
    keys = []
    for secret in secrets:
        try:
            keys.append(rules.key(secret))
        except ValueError:
            continue
    if not keys:
        raise refused("malformed_secret")
    return keys


_SCHEMES = {
    "standard-webhooks": STANDARD_WEBHOOKS,
    "zendesk": ZENDESK,
}

SCHEMES = frozenset(_SCHEMES)
"""The names a definition may give as its `scheme`."""
