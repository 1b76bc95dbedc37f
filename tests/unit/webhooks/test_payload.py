import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.errors import PayloadRefused
from ticket_relay.webhooks.payload import MAX_BODY, MAX_DEPTH, check_size, parse


def refusal(body, content_type="application/json"):
    with pytest.raises(PayloadRefused) as refused:
        parse(body, content_type)
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
    assert parse(b' {"a": [1, 2.5, null, "\xc3\xa9"]}\n', content_type) == {"a": [1, 2.5, None, "é"]}


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "application/x-www-form-urlencoded", "application/jsonp", "json", ";"],
)
def test_another_content_type_is_refused(content_type):
    assert refusal(b"{}", content_type) == ("unsupported_media_type", 415)


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
    assert parse(nested(MAX_DEPTH), None)


@pytest.mark.parametrize(
    "body",
    [nested(MAX_DEPTH + 1), nested(20_000), b"[" * 100_000, b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}"],
)
def test_a_deeper_body_is_refused(body):
    assert refusal(body)[0] == "body_too_deep"


def test_many_containers_side_by_side_are_not_depth():
    assert len(parse(json.dumps({"a": [[]] * 1000}).encode(), None)["a"]) == 1000


def test_the_largest_allowed_body_is_taken():
    body = b'{"a": "' + b"x" * (MAX_BODY - 9) + b'"}'
    assert len(body) == MAX_BODY
    check_size(body)
    assert parse(body, None)


def test_a_larger_body_is_refused():
    assert refusal(b'{"a": "' + b"x" * (MAX_BODY - 8) + b'"}') == ("body_too_large", 413)


def test_half_an_emoji_becomes_a_replacement_character():
    event = parse(rb'{"cut": "hi \ud83d", "whole": "\ud83d\ude00", "\udc00": ["\\ud83d"]}', None)
    assert event == {"cut": "hi \ufffd", "whole": "\U0001f600", "\ufffd": ["\\ud83d"]}


def test_a_refusal_does_not_quote_the_body():
    with pytest.raises(PayloadRefused) as refused:
        parse(b'{"secret": canary}', None)
    assert "canary" not in repr(refused.value)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), values, max_size=4), st.booleans())
def test_every_object_comes_through_unchanged(event, ascii_only):
    assert parse(json.dumps(event, ensure_ascii=ascii_only).encode(), None) == event


@given(
    st.binary(max_size=80) | st.text(alphabet='{}[]":,\\ud8eE019.-+ntf ', max_size=60).map(str.encode),
    st.none() | st.text(),
)
def test_whatever_comes_only_a_refusal_escapes(body, content_type):
    try:
        event = parse(body, content_type)
    except PayloadRefused:
        return
    json.dumps(event, allow_nan=False, ensure_ascii=False).encode()
