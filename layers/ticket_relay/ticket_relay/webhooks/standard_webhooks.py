"""Standard Webhooks 1.0.0, as github.com/standard-webhooks/standard-webhooks has it."""

import base64
import re
from collections.abc import Mapping

from ticket_relay.webhooks.scheme import Claim, Scheme, base64_digest, digest, header, id_header, refused

_EPOCH = re.compile(r"[0-9]{1,12}")


def _read(headers: Mapping[str, str], body: bytes) -> Claim:
    message_id = id_header(headers, "webhook-id")
    timestamp = header(headers, "webhook-timestamp")
    if not _EPOCH.fullmatch(timestamp):
        raise refused("malformed_header")
    # "v1,<base64> v1a,<base64>"; API Gateway joins a repeated header with ",", which base64 never holds: so the words,
    # however they are separated, are pairs.
    words = re.split(r"[ ,]+", header(headers, "webhook-signature").strip(" ,"))
    if len(words) % 2:
        raise refused("malformed_header")
    digests = [base64_digest(text) for version, text in zip(words[::2], words[1::2], strict=True) if version == "v1"]
    return Claim(message_id, int(timestamp), _content(message_id, timestamp, body), digests, id_is_signed=True)


def _content(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode() + body


def _key(secret: str) -> bytes:
    """The base64 after `whsec_`, 24 to 64 bytes. Raises ValueError."""
    if not secret.startswith("whsec_"):
        raise ValueError
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    if not 24 <= len(key) <= 64:
        raise ValueError
    return key


def _write(message_id: str, timestamp: float, body: bytes, key: bytes) -> dict[str, str]:
    seconds = str(int(timestamp))
    signature = digest(key, _content(message_id, seconds, body))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


STANDARD_WEBHOOKS = Scheme(_read, _key, _write)
