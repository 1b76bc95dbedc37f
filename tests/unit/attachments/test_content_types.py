"""A file is what its first bytes say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.attachments.content_types import TYPES, checked_type, real_kind
from ticket_relay.errors import FileUnavailable

FILES = {
    "image/png": b"\x89PNG\r\n\x1a\n....",
    "image/jpeg": b"\xff\xd8\xff\xe0....",
    "image/gif": b"GIF89a....",
    "image/bmp": b"BM\x46\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00",
    "image/tiff": b"II*\x00....",
    "image/webp": b"RIFF\x00\x00\x00\x00WEBP",
    "video/mp4": b"\x00\x00\x00\x18ftypisom",
    "application/pdf": b"%PDF-1.7\n",
    "application/gzip": b"\x1f\x8b\x08\x00",
    "application/zip": b"PK\x03\x04....",
    "application/msword": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1....",
    "text/plain": "Grüße, ohne Anhang.\r\n".encode(),
    "text/csv": "a,b\n1,é\n".encode("latin-1"),
    "application/json": b'{"a": 1}',
    "application/xml": b'<?xml version="1.0"?><order/>',
    "message/rfc822": b"From: a@example.com\r\n\r\nHi",
}
TEXTS = [
    b"BMW;320i;2019\r\n",
    b"BM",
    b"MZ;municipality\r\nZH;Uster\r\n",
    b"sur ftyp;size\r\n",
    b"say:ftypisom",
]
NONE_OF_THEM = [
    b"",
    b"MZ\x90\x00",
    b"MZ\x90\x00\x03\x00\x00\x00",
    b"BM\x46\x00\x00\x00....",
    b"\x01\x00\x00\x18ftypisom",
    b"\x7fELF\x02\x01",
    b"#!/bin/sh\nrm -rf /",
    b"\xca\xfe\xba\xbe\x00\x00",
    b"<!DOCTYPE html><html>",
    b"\xef\xbb\xbf  <HTML><script>",
    b"<script>alert(1)</script>",
    b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    b"<?xml version='1.0'?>\n<!-- a picture --><svg onload='alert(1)'/>",
    b"<?xml version='1.0'?><!DOCTYPE svg PUBLIC '' ''><svg/>",
    b"<!DOCTYPE svg><svg/>",
    b"<!-- a page --><html>",
    b"<!-- a page -->\n<!-- and more -->\n<script>alert(1)</script>",
    b"<?xml version='1.0'?><!DOCTYPE html PUBLIC '' ''><html/>",
    b"<?xml version='1.0'?>\n<?xml-stylesheet href='a.css'?><!-- a page --><html/>",
    b"text with a \x00 byte",
]


@pytest.mark.parametrize(("declared", "content"), FILES.items(), ids=FILES.keys())
def test_a_file_of_its_type_is_taken(declared, content):
    assert checked_type(content, f"{declared.upper()}; charset=utf-8", frozenset({declared})) == declared


@pytest.mark.parametrize("content", TEXTS)
def test_a_text_may_begin_like_something_else(content):
    assert checked_type(content, "text/csv", frozenset({"text/csv"})) == "text/csv"


@pytest.mark.parametrize("content", NONE_OF_THEM)
def test_what_is_run_by_a_machine_or_a_browser_is_no_type_at_all(content):
    assert real_kind(content) is None
    for declared in TYPES:
        with pytest.raises(FileUnavailable):
            checked_type(content, declared, frozenset(TYPES))


@pytest.mark.parametrize("declared", FILES.keys())
def test_a_file_that_is_something_else_is_refused(declared):
    for other, content in FILES.items():
        if TYPES[other] != TYPES[declared]:
            with pytest.raises(FileUnavailable) as refused:
                checked_type(content, declared, frozenset(TYPES))
            assert refused.value.code == "type_refused"


@pytest.mark.parametrize(
    "declared", ["", "text/html", "image/svg+xml", "image/*", "application/octet-stream", "text/csv"]
)
def test_what_the_definition_does_not_allow_is_refused(declared):
    with pytest.raises(FileUnavailable, match="allows"):
        checked_type(FILES["text/csv"], declared, frozenset({"text/plain"}))


@pytest.mark.parametrize("rest", [b"<order/>", b"<!--", b"<svg/>", b""])
def test_a_file_of_nothing_but_comments_is_judged(rest):
    assert real_kind(b"<?xml version='1.0'?>" + b"<!---->" * 5000 + rest) == "a text"


@pytest.mark.parametrize("comments", [b"<!---->" * 500, b"<!-- > -- <svg> -->\n" * 100])
def test_a_page_behind_comments_is_seen(comments):
    assert real_kind(b"<?xml version='1.0'?>" + comments + b"<svg/>") is None
    assert real_kind(b"<?xml version='1.0'?>" + comments + b"<order/>") == "a text"


@given(st.binary(max_size=5000))
def test_any_bytes_are_one_kind_or_none(content):
    assert real_kind(content) in {None, *TYPES.values()}
