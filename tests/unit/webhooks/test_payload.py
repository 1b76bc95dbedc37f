import gzip
import json
import zlib
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.errors import PayloadRefused
from ticket_relay.webhooks.payload import MAX_BODY, MAX_DEPTH, Request, check_size, find, parse

JSON = {"content-type": "application/json"}
GZIP = JSON | {"content-encoding": "gzip"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def refusal(body, headers=JSON):
    with pytest.raises(PayloadRefused) as refused:
        _ = Request(headers, body).event
    return refused.value.code, refused.value.status


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/cloudevents+json",
        "application/vnd.acme.v2+json;v=2",
    ],
)
def test_json_is_taken_under_each_of_its_names(content_type):
    headers = {} if content_type is None else {"content-type": content_type}
    assert Request(headers, b' {"a": [1, 2.5, null, "\xc3\xa9"]}\n').event == {"a": [1, 2.5, None, "é"]}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "multipart/form-data", "application/jsonp", "json", ";"],
)
def test_another_content_type_is_refused(content_type):
    assert refusal(b"{}", {"content-type": content_type}) == ("unsupported_media_type", 415)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", " x-gzip "])
@pytest.mark.parametrize("content_type", [{}, JSON])
def test_a_body_in_gzip_is_read_unpacked(content_type, coding):
    request = Request(content_type | {"content-encoding": coding}, gzip.compress(b'{"a": 1}'))
    assert (request.event, request.text) == ({"a": 1}, b'{"a": 1}')


@pytest.mark.parametrize("coding", ["", "identity"])
def test_a_body_that_is_not_packed_is_its_own_text(coding):
    assert Request(JSON | {"content-encoding": coding}, b'{"a": 1} ').text == b'{"a": 1} '


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, gzip", "gzip,identity"])
def test_another_coding_is_refused(coding):
    assert refusal(b"{}", JSON | {"content-encoding": coding}) == ("unsupported_content_encoding", 415)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        gzip.compress(b"{}")[:-1],
        gzip.compress(b"{}")[:12],
        gzip.compress(b"{}") + b"more",
        gzip.compress(b"{}")[:-8] + bytes(8),
        zlib.compress(b"{}"),
    ],
    ids=["empty", "plain", "cut", "cut early", "with more", "wrong checksum", "zlib"],
)
def test_what_is_not_gzip_is_refused(body):
    assert refusal(body, GZIP) == ("body_not_gzip", 400)


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    """64 MiB of blanks in 64 KiB; no more than the limit and one byte are ever made of it."""
    made = []
    whole = zlib.decompressobj

    class Watched:
        def __init__(self, wbits):
            self.stream = whole(wbits)

        def decompress(self, data, most):
            made.append(self.stream.decompress(data, most))
            return made[-1]

    monkeypatch.setattr(zlib, "decompressobj", Watched)
    assert refusal(gzip.compress(b" " * 2**26), GZIP) == ("body_too_large", 413)
    assert list(map(len, made)) == [MAX_BODY + 1]


def test_the_largest_allowed_body_may_come_packed():
    body = b'{"a": "' + b"x" * (MAX_BODY - 9) + b'"}'
    assert len(Request(GZIP, gzip.compress(body)).text) == MAX_BODY
    assert refusal(gzip.compress(body + b" "), GZIP) == ("body_too_large", 413)


@pytest.mark.parametrize("content_type", [FORM["content-type"], "Application/X-WWW-Form-Urlencoded; a=b"])
def test_a_form_is_read_by_its_field_payload(content_type):
    body = urlencode({"token": "x", "payload": '{"a": "é&= +"}'}).encode()
    request = Request({"content-type": content_type}, body)
    assert (request.event, request.text) == ({"a": "é&= +"}, '{"a": "é&= +"}'.encode())


def test_a_form_may_come_packed():
    body = gzip.compress(urlencode({"payload": '{"a": 1}'}).encode())
    assert Request(FORM | {"content-encoding": "gzip"}, body).event == {"a": 1}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "form_without_payload"),
        (b"payload=", "form_without_payload"),
        (b"payload", "form_without_payload"),
        (b"text=94070&command=/weather", "form_without_payload"),
        (b"payload={}&payload={}", "form_without_payload"),
        (b"&".join([b"a=1"] * 200), "form_without_payload"),
        (b"payload=%ff", "body_not_utf8"),
        (b"payload=\xff", "body_not_utf8"),
        (b"payload=%7B", "body_not_json"),
        (b"payload=[]", "body_not_an_object"),
        (b'{"a": 1}', "form_without_payload"),
    ],
)
def test_each_defect_of_a_form_has_its_code(body, code):
    assert refusal(body, FORM) == (code, 400)


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("/a", {"b": [1, {"c": "d"}]}),
        ("/a/b/0", 1),
        ("/a/b/1/c", "d"),
        ("/a~1b", 2),
        ("/m~0n", 3),
        ("/null", None),
        ("/none", None),
        ("/a/none/b", None),
        ("/a/b/2", None),
        ("/a/b/-1", None),
        ("/a/b/01", None),
        ("/a/b/\u0660", None),
        ("/a/b/-", None),
        ("/text/0", None),
    ],
)
def test_a_pointer_leads_to_a_value_or_to_nothing(pointer, found):
    event = {"a": {"b": [1, {"c": "d"}]}, "a/b": 2, "m~n": 3, "null": None, "text": "abc"}
    assert find(event, pointer) == found


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "body_empty"),
        (b" \n", "body_empty"),
        (b'{"a": "\xff"}', "body_not_utf8"),
        ('{"a": 1}'.encode("utf-16"), "body_not_utf8"),
        (b'\xef\xbb\xbf{"a": 1}', "body_not_json"),
        (b'{"a": 1', "body_not_json"),
        (b"{'a': 1}", "body_not_json"),
        (b'{"a": NaN}', "body_not_json"),
        (b'{"a": -Infinity}', "body_not_json"),
        (b'{"a": 1e999}', "body_not_json"),
        (b'{"a": ' + b"9" * 5000 + b"}", "body_not_json"),
        (b"[]", "body_not_an_object"),
        (b"null", "body_not_an_object"),
        (b'"text"', "body_not_an_object"),
        (b"7", "body_not_an_object"),
    ],
)
def test_each_defect_of_a_body_has_its_code(body, code):
    assert refusal(body) == (code, 400)


def nested(levels):
    return b'{"a":' * (levels - 1) + b"{}" + b"}" * (levels - 1)


def test_the_deepest_allowed_body_is_taken():
    assert parse(nested(MAX_DEPTH))


@pytest.mark.parametrize(
    "body",
    [nested(MAX_DEPTH + 1), nested(20_000), b"[" * 100_000, b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"],
)
def test_a_deeper_body_is_refused(body):
    assert refusal(body)[0] == "body_too_deep"


def test_many_containers_side_by_side_are_not_depth():
    assert len(parse(json.dumps({"a": [[]] * 1000}).encode())["a"]) == 1000


def test_the_largest_allowed_body_is_taken():
    body = b'{"a": "' + b"x" * (MAX_BODY - 9) + b'"}'
    assert len(body) == MAX_BODY
    check_size(body)
    assert parse(body)


def test_a_larger_body_is_refused():
    assert refusal(b'{"a": "' + b"x" * (MAX_BODY - 8) + b'"}') == ("body_too_large", 413)


def test_half_an_emoji_becomes_a_replacement_character():
    event = parse(rb'{"cut": "hi \ud83d", "whole": "\ud83d\ude00", "\udc00": ["\\ud83d"]}')
    assert event == {"cut": "hi \ufffd", "whole": "\U0001f600", "\ufffd": ["\\ud83d"]}


def test_a_refusal_does_not_quote_the_body():
    with pytest.raises(PayloadRefused) as refused:
        parse(b'{"secret": canary}')
    assert "canary" not in repr(refused.value)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), values, max_size=4), st.booleans())
def test_every_object_comes_through_unchanged(event, ascii_only):
    assert parse(json.dumps(event, ensure_ascii=ascii_only).encode()) == event


bodies = st.binary(max_size=80) | st.text(alphabet='{}[]":,\\ud8eE019.-+ntf ', max_size=60).map(str.encode)


@given(
    bodies | bodies.map(gzip.compress) | bodies.map(lambda body: urlencode({"payload": body}).encode()),
    st.dictionaries(
        st.sampled_from(["content-type", "content-encoding"]),
        st.text() | st.sampled_from([*JSON.values(), *FORM.values(), "gzip"]),
    ),
)
def test_whatever_comes_only_a_refusal_escapes(body, headers):
    try:
        request = Request(headers, body)
        event = request.event
    except PayloadRefused:
        return
    json.dumps(event, allow_nan=False, ensure_ascii=False).encode()
    assert parse(request.text) == event  # as at a redrive, when the headers are forgotten
