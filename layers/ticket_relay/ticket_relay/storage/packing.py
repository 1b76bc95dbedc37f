"""Payloads as they are stored: compressed, and a kept event by what was made of it, which says most of the same.

An event and its request share their texts, so with the request as zlib's dictionary (RFC 1950) the event is a few
hundred bytes more in each write of the row, and not an item of its own.
"""

import zlib
from collections.abc import Mapping
from typing import Any

from ticket_relay.storage.rows import PAYLOAD

COMPRESSED = b"x\x9c"
"""How zlib's default output begins (RFC 1950), and no text in UTF-8 does."""
BY_REQUEST = "event_by_request"
"""The attribute of an event that is read with the row's request and changes. A version that does not know it leaves it
as it is, and what was `event` before means to it what it always did.
"""

type Item = dict[str, Any]


def packed(item: Item) -> Item:
    """An item as it is written."""
    new = item | {name: zlib.compress(item[name]) for name in PAYLOAD if item.get(name) is not None}
    made = _made(item)
    if item.get("keeps_event") and item.get("event") is not None and made:
        stream = zlib.compressobj(zdict=made)
        new[BY_REQUEST] = stream.compress(item["event"]) + stream.flush()
        del new["event"]
    return new


def unpacked(item: Mapping[str, Any]) -> Item:
    """An item as it was before. Raises zlib.error."""
    new = {name: plain(value) if name in PAYLOAD else value for name, value in item.items() if name != BY_REQUEST}
    if BY_REQUEST in item and (event := _by_request(item[BY_REQUEST], _made(new))) is not None:
        new["event"] = event
    return new


def plain(payload: bytes) -> bytes:
    """A payload as it was before it was stored. Raises zlib.error."""
    return zlib.decompress(payload) if payload.startswith(COMPRESSED) else payload


def _made(item: Mapping[str, Any]) -> bytes:
    """What the event became."""
    return (item.get("request") or b"") + (item.get("changes") or b"")


def _by_request(event: bytes, made: bytes) -> bytes | None:
    """None if an older version has dropped or changed what it became: zlib knows a dictionary by its checksum."""
    try:
        return zlib.decompressobj(zdict=made).decompress(event)
    except zlib.error:
        return None
