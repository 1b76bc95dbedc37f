"""What a file really is, by how it begins: what an event or a server calls it is only a word.

Every type that a definition may allow is here. HTML, SVG and others that browsers run are not, on purpose.
"""

import re

from ticket_relay.errors import FileUnavailable
from ticket_relay.zendesk.file_values import base_type

_ZIP, _OLE, _TEXT = "a ZIP archive", "an old Office file", "a text"

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", _ZIP),
    (b"PK\x05\x06", _ZIP),
    (b"\x1f\x8b", "application/gzip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _OLE),
)
_OFFICE = "application/vnd.openxmlformats-officedocument"
TYPES: dict[str, str] = {
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "image/bmp": "image/bmp",
    "image/tiff": "image/tiff",
    "image/webp": "image/webp",
    "video/mp4": "video/mp4",
    "application/pdf": "application/pdf",
    "application/gzip": "application/gzip",
    "application/zip": _ZIP,
    f"{_OFFICE}.wordprocessingml.document": _ZIP,
    f"{_OFFICE}.spreadsheetml.sheet": _ZIP,
    f"{_OFFICE}.presentationml.presentation": _ZIP,
    "application/vnd.oasis.opendocument.text": _ZIP,
    "application/vnd.oasis.opendocument.spreadsheet": _ZIP,
    "application/msword": _OLE,
    "application/vnd.ms-excel": _OLE,
    "application/vnd.ms-outlook": _OLE,
    "text/plain": _TEXT,
    "text/csv": _TEXT,
    "text/markdown": _TEXT,
    "text/xml": _TEXT,
    "text/calendar": _TEXT,
    "application/json": _TEXT,
    "application/xml": _TEXT,
    "application/yaml": _TEXT,
    "message/rfc822": _TEXT,
}
"""The types that a definition may allow, and what a file of each really is."""

LOOKED_AT = 4096
"""Bytes, for what has no signature."""
_BINARY = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
# Behind declarations and comments, each read in one way only (`*+`): tried in several, each more would double the time.
_RUN_BY_BROWSERS = re.compile(
    rb"(?:\s*+(?:<\?[^>]*+>|<!--(?:(?!-->).)*+-->))*+\s*+(<!doctype\s++(html|svg)|<html|<svg|<script)",
    re.IGNORECASE | re.DOTALL,
)


def checked_type(content: bytes, declared: str, allowed: frozenset[str]) -> str:
    """The declared type, if it is allowed and is what the content is. Raises FileUnavailable (`type_refused`)."""
    declared = base_type(declared)
    if declared not in allowed:
        raise refused_type()
    if declared not in TYPES or TYPES[declared] != real_kind(content):
        raise FileUnavailable("type_refused", "its content is not what its type says")
    return declared


def refused_type() -> FileUnavailable:
    return FileUnavailable("type_refused", "its type is not one that the partner's definition allows")


def real_kind(content: bytes) -> str | None:
    """One of the kinds in TYPES; None for what is none of them: a program, a page, or nothing at all."""
    for beginning, kind in _BEGINNINGS:
        if content.startswith(beginning):
            return kind
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    # Two letters are a BMP only before four bytes that are reserved; `ftyp` is an MP4's only after a size.
    if content.startswith(b"BM") and content[6:10] == bytes(4):
        return "image/bmp"
    if content.startswith(bytes(2)) and content[4:8] == b"ftyp":
        return "video/mp4"
    # A program that begins with `MZ` holds bytes that no text does.
    head = content[:LOOKED_AT].removeprefix(b"\xef\xbb\xbf")
    if not head or head.startswith(b"#!") or _BINARY.search(head) or _RUN_BY_BROWSERS.match(head):
        return None
    return _TEXT
