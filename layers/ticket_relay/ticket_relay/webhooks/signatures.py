"""Who sent this? Signatures and credentials of webhooks, checked over the raw bytes, failing closed.

A request is a delivery if a proof that it shows is one that a secret of the sender makes, and its time is near ours.
"""

import hashlib
import hmac
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ticket_relay.errors import PayloadRefused
from ticket_relay.webhooks import payload, proofs
from ticket_relay.webhooks.payload import Request
from ticket_relay.webhooks.proofs import Claim, refused
from ticket_relay.webhooks.scheme import Hmac, Scheme, Timestamp, Way, headers_of


@dataclass(frozen=True, slots=True)
class Delivery:
    """One authentic delivery. `timestamp` is in epoch seconds: by the sender's clock, or ours where it says none.

    `id` is the same on every attempt of the sender. Unless it is signed beside the body, a captured request can be sent
    again under another id: `replay_key`, the SHA-256 (hex) of what *is* signed, then tells that it is the same, and
    `replayable_until` (epoch seconds, or infinity) how long its signature will be accepted.
    """

    id: str
    timestamp: float
    replay_key: str | None
    replayable_until: float = math.inf


def verify(scheme: Scheme, request: Request, *, secrets: Sequence[str], now: float) -> Delivery:
    """Check a request, and say what delivery it is. `now` is in epoch seconds; any of the `secrets` may have signed.

    Raises SignatureRefused, its code one of a small fixed set, for every defect of headers and secrets. Where id or
    time stand in the body, the body of a request that is proven may be refused too: PayloadRefused.
    """
    way, claim = _proven(scheme, request, secrets, now)
    timestamp = now if claim.timestamp is None else claim.timestamp
    if way.timestamp and way.timestamp.body:
        timestamp = _time_in_body(way.timestamp, way.timestamp.body, request, now)
    message_id = claim.id or _id_in_body(way, request)
    if not isinstance(way, Hmac) or way.signs_id:
        # Who captured credentials need not repeat a request: they can send any.
        return Delivery(message_id, timestamp, None)
    until = timestamp + way.timestamp.tolerance if way.timestamp else math.inf
    return Delivery(message_id, timestamp, hashlib.sha256(claim.content).hexdigest(), until)


def verify_sender(scheme: Scheme, headers: Mapping[str, str], *, secrets: Sequence[str], now: float) -> None:
    """Check a request of a sender that asks, and delivers nothing: signed like a delivery with an empty body.

    What its body holds is not looked at, so a captured delivery is no proof; and this proof is good for no delivery,
    whose body is never empty. A header's id may be any. Where the time stands in the body there is none: such a
    signature does not grow old. Raises SignatureRefused, as `verify` does.
    """
    _proven(scheme, Request(headers, b""), secrets, now)


def sign(scheme: Scheme, *, id: str, timestamp: float, body: bytes, secret: str) -> dict[str, str]:
    """The headers that the sender itself would send; `timestamp` in epoch seconds.

    Where id or time stand in the body, `filled` puts them there first. For tests, tools and the local stack. Raises
    SignatureRefused for a malformed secret.
    """
    for way in scheme.ways:
        try:
            return proofs.written(way, id, timestamp, body, secret)
        except ValueError:
            continue
    raise refused("malformed_secret")


def filled(scheme: Scheme, *, id: str | None, timestamp: float, body: bytes) -> bytes:
    """The body of a new event: with this id and this time, where the scheme has them in the body. Without an `id`, that
    of the body is left.

    Raises PayloadRefused for a body that is no event, or has not the objects around them.
    """
    way = scheme.ways[0]
    values: dict[str, str | int] = {}
    if id is not None and way.id and way.id.body:
        values[way.id.body] = id
    if way.timestamp and way.timestamp.body:
        text = proofs.text_of(way.timestamp, timestamp)
        values[way.timestamp.body] = text if way.timestamp.format == "iso8601" else int(text)
    if not values:
        return body
    event = payload.parse(body)
    for pointer, value in values.items():
        around, _, name = pointer.rpartition("/")
        place = payload.find(event, around)
        if not isinstance(place, dict):
            raise PayloadRefused("body_incomplete", f"The body has no object at {around}.")
        place[name] = value
    return json.dumps(event).encode()


def _proven(scheme: Scheme, request: Request, secrets: Sequence[str], now: float) -> tuple[Way, Claim]:
    """What headers and raw body prove; nothing within the body is read."""
    if not secrets:
        raise refused("no_secret")
    way = _way(scheme, request)
    claim = proofs.shown(way, request.headers, request.body)
    if way.timestamp and claim.timestamp is not None:
        _check_near(way.timestamp, claim.timestamp, now)
    expected = _made(way, secrets, claim.content)
    # A list, not a generator: the time taken does not tell which key or which signature came close.
    if not any([hmac.compare_digest(ours, theirs) for ours in expected for theirs in claim.proofs]):  # noqa: C419
        raise refused("wrong_signature" if isinstance(way, Hmac) else "wrong_credentials")
    return way, claim


def _way(scheme: Scheme, request: Request) -> Way:
    """The first for which all headers are there; the last tells which are missing."""
    return next((way for way in scheme.ways if headers_of(way) <= request.headers.keys()), scheme.ways[-1])


def _made(way: Way, secrets: Sequence[str], content: bytes) -> list[bytes]:
    """One malformed secret must not stop the others; with none left, say so, rather than `wrong_signature`."""
    made = []
    for secret in secrets:
        try:
            made.append(proofs.made(way, secret, content))
        except ValueError:
            continue
    if not made:
        raise refused("malformed_secret")
    return made


def _check_near(place: Timestamp, claimed: float, now: float) -> None:
    if claimed < now - place.tolerance:
        raise refused("stale_timestamp")
    if claimed > now + place.tolerance:
        raise refused("future_timestamp")


def _time_in_body(place: Timestamp, pointer: str, request: Request, now: float) -> float:
    claimed = proofs.moment(place, str(payload.find(request.event, pointer)))
    if claimed is None:
        raise refused("missing_timestamp")
    _check_near(place, claimed, now)
    return claimed


def _id_in_body(way: Way, request: Request) -> str:
    """What stands there, if it may be an id; its hash, if it is too long for one or has blanks; else the body's hash.

    An authentic event is never refused for its id: nothing would be left of it.
    """
    found = payload.find(request.event, way.id.body) if way.id and way.id.body else None
    if isinstance(found, bool) or not isinstance(found, str | int) or found == "":
        return _hash_id(request.text)
    text = str(found)
    return text if proofs.ID.fullmatch(text) else _hash_id(text.encode())


def _hash_id(content: bytes) -> str:
    return f"sha256-{hashlib.sha256(content).hexdigest()}"
