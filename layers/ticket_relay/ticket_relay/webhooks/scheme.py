"""What the signature schemes of senders have in common: one scheme is how headers are read, and how keys are."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ticket_relay.errors import SignatureRefused

MAX_HEADER = 4096
ID = re.compile(r"[!-~]{1,256}")

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
class Claim:
    id: str
    timestamp: float
    content: bytes
    digests: list[bytes]
    id_is_signed: bool


@dataclass(frozen=True, slots=True)
class Scheme:
    read: Callable[[Mapping[str, str], bytes], Claim]
    key: Callable[[str], bytes]
    write: Callable[[str, float, bytes, bytes], dict[str, str]]


def digest(key: bytes, content: bytes) -> bytes:
    return hmac.digest(key, content, "sha256")


def refused(reason: str) -> SignatureRefused:
    return SignatureRefused(reason, _REASONS[reason])


def header(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise refused("missing_header")
    if len(value) > MAX_HEADER:
        raise refused("malformed_header")
    return value


def id_header(headers: Mapping[str, str], name: str) -> str:
    value = header(headers, name)
    if not ID.fullmatch(value):
        raise refused("malformed_header")
    return value


def base64_digest(text: str) -> bytes:
    try:
        digest = base64.b64decode(text, validate=True)
    except ValueError:  # also binascii.Error, and text that is not ASCII
        raise refused("malformed_header") from None
    if len(digest) != hashlib.sha256().digest_size:
        raise refused("malformed_header")
    return digest
