"""What a request shows to prove its sender, and what the sender's secret makes of it: one pair for each kind of way.

    headers, body ──── `shown` ───▶ what is claimed: proofs, signed content, id, time
    a secret, content ─ `made` ───▶ the proof that the holder of the secret shows

All of it comes from headers and the raw body: what lies within the body is read only when the proofs fit.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from ticket_relay.errors import SignatureRefused
from ticket_relay.webhooks.scheme import PLACEHOLDER, Basic, Bearer, Hmac, Place, Timestamp, Way
from ticket_relay.zendesk import timestamps

MAX_HEADER = 4096
ID = re.compile(r"[!-~]{1,256}")

_REASONS = {
    "no_secret": "No secret is stored for this sender.",
    "malformed_secret": "The secret stored for this sender is not one of its scheme.",
    "missing_header": "A header of the signature is missing.",
    "malformed_header": "A header of the signature is malformed.",
    "missing_timestamp": "The body holds no timestamp that the signature could be dated by.",
    "stale_timestamp": "The delivery's timestamp is too old.",
    "future_timestamp": "The delivery's timestamp lies in the future.",
    "wrong_signature": "The signature does not fit the body.",
    "wrong_credentials": "The credentials are not those of this sender.",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What headers say. `id` and `timestamp` (epoch seconds) are None where the body, or nobody, says them."""

    proofs: list[bytes]
    content: bytes
    id: str | None
    timestamp: float | None


def refused(reason: str) -> SignatureRefused:
    return SignatureRefused(reason, _REASONS[reason])


def shown(way: Way, headers: Mapping[str, str], body: bytes) -> Claim:
    """Raises SignatureRefused."""
    if isinstance(way, Hmac):
        return _signed(way, headers, body)
    return Claim([_hashed(_token(way, headers))], b"", _id(way, headers), None)


def made(way: Way, secret: str, content: bytes) -> bytes:
    """Raises ValueError for a secret that is not one of this way: one that anybody could guess among them."""
    if isinstance(way, Hmac):
        return hmac.digest(_key(way, secret), content, way.algorithm)
    return _hashed(_credentials(way, secret))


def written(way: Way, id: str, timestamp: float, body: bytes, secret: str) -> dict[str, str]:
    """The headers that the sender would send, but for an id or a time that stands in the body. Raises ValueError."""
    values = {"id": id, "timestamp": text_of(way.timestamp, timestamp) if way.timestamp else ""}
    headers = {}
    parts = []
    for name, place in (("id", way.id), ("timestamp", way.timestamp)):
        if place and place.header:
            headers[place.header] = values[name]
        elif place and place.part:
            parts.append(f"{place.part}={values[name]}")
    if isinstance(way, Hmac):
        proof = made(way, secret, _content(way, values, body))
        digest = proof.hex() if way.encoding == "hex" else base64.b64encode(proof).decode()
        headers[way.header] = way.separator.join([*parts, way.prefix + digest])
    else:
        headers[way.header] = _prefix(way) + _credentials(way, secret)
    return headers


def moment(timestamp: Timestamp, text: str) -> float | None:
    """Epoch seconds; None for what is no timestamp of this format."""
    match timestamp.format:
        case "seconds":
            return float(text) if re.fullmatch(r"[0-9]{1,12}", text) else None
        case "milliseconds":
            return int(text) / 1000 if re.fullmatch(r"[0-9]{1,15}", text) else None
        case "iso8601":
            stamp = timestamps.parse(text)
            return stamp.instant.timestamp() if stamp else None


def text_of(timestamp: Timestamp, seconds: float) -> str:
    """The reverse of `moment`."""
    match timestamp.format:
        case "seconds":
            return str(int(seconds))
        case "milliseconds":
            return str(int(seconds * 1000))
        case "iso8601":
            return timestamps.exact(timestamps.Stamp(datetime.fromtimestamp(seconds, UTC), precise=True))


def _signed(way: Hmac, headers: Mapping[str, str], body: bytes) -> Claim:
    message_id = _id(way, headers)
    values = {"id": message_id or "", "timestamp": ""}
    epoch = None
    if way.timestamp and not way.timestamp.body:
        values["timestamp"] = _value(way, way.timestamp, headers)
        epoch = moment(way.timestamp, values["timestamp"])
        if epoch is None:
            raise refused("malformed_header")
    digests = [_digest(way, text) for text in _listed(way, headers, way.prefix)]
    return Claim(digests, _content(way, values, body), message_id, epoch)


def _content(way: Hmac, values: Mapping[str, str], body: bytes) -> bytes:
    pieces = PLACEHOLDER.split(way.signed)  # text and names by turns
    return b"".join(
        piece.encode() if not number % 2 else body if piece == "body" else values[piece].encode()
        for number, piece in enumerate(pieces)
    )


def _header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise refused("missing_header")
    if len(value) > MAX_HEADER:
        raise refused("malformed_header")
    return value


def _value(way: Way, place: Place, headers: Mapping[str, str]) -> str:
    if place.header:
        return _header(headers, place.header)
    return _listed(way, headers, f"{place.part}=")[0]


def _id(way: Way, headers: Mapping[str, str]) -> str | None:
    if way.id is None or way.id.body:
        return None
    value = _value(way, way.id, headers)
    if not ID.fullmatch(value):
        raise refused("malformed_header")
    return value


def _listed(way: Way, headers: Mapping[str, str], prefix: str) -> list[str]:
    """What follows the prefix in the signature's header, at least once, wherever it stands in the list.

    API Gateway joins repeated headers with commas, which neither hex nor base64 holds.
    """
    separator = way.separator if isinstance(way, Hmac) else ""
    found = _item(prefix, separator).findall(_header(headers, way.header))
    if not found:
        raise refused("malformed_header")
    return found


@cache
def _item(prefix: str, separator: str) -> re.Pattern[str]:
    between = re.escape(f"{separator}, ")
    return re.compile(f"(?:^|[{between}]){re.escape(prefix)}([^{between}]*)")


def _digest(way: Hmac, text: str) -> bytes:
    try:
        digest = bytes.fromhex(text) if way.encoding == "hex" else base64.b64decode(text, validate=True)
    except ValueError:  # also binascii.Error, and text that is not ASCII
        raise refused("malformed_header") from None
    if len(digest) != hashlib.new(way.algorithm, usedforsecurity=False).digest_size:
        raise refused("malformed_header")
    return digest


def _key(way: Hmac, secret: str) -> bytes:
    match way.key:
        case "text":
            key = secret.encode()
        case "hex":
            key = bytes.fromhex(secret)
        case "base64":
            key = _from_base64(secret)
        case "whsec":
            key = _from_base64(secret.removeprefix("whsec_"))
            if not secret.startswith("whsec_") or not 24 <= len(key) <= 64:
                raise ValueError
    if not key:
        raise ValueError
    return key


def _from_base64(text: str) -> bytes:
    """With or without its padding, as the libraries of Standard Webhooks take it."""
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _token(way: Bearer | Basic, headers: Mapping[str, str]) -> str:
    """The names of HTTP's own schemes are the same in any case (RFC 9110, 11.1)."""
    value = _header(headers, way.header)
    prefix = _prefix(way)
    if value[: len(prefix)].lower() != prefix.lower():
        raise refused("malformed_header")
    return value[len(prefix) :]


def _prefix(way: Bearer | Basic) -> str:
    if isinstance(way, Basic):
        return "Basic "
    return way.prefix if way.prefix is not None else "Bearer " if way.header == "authorization" else ""


def _credentials(way: Bearer | Basic, secret: str) -> str:
    """The text that stands for the secret in the header."""
    if isinstance(way, Basic):
        if not all(secret.partition(":")):
            raise ValueError
        return base64.b64encode(secret.encode()).decode()
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", secret):
        raise ValueError
    return secret


def _hashed(text: str) -> bytes:
    """So that comparing tells nothing, the length included."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
