"""From the bytes of an authentic request to a JSON object, or a reason why not."""

import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from ticket_relay.errors import PayloadRefused

MAX_BODY = 6 * 1024 * 1024
"""Bytes, unpacked. More does not come: API Gateway takes 10 MB, but Lambda at most 6 MB, in which the body is a
text of JSON or in base64 (Lambda quotas, "Invocation payload").
"""
MAX_DEPTH = 64

FORM_FIELD = "payload"
"""Where GitHub and Slack, sending a form, put their JSON."""

_JSON_TYPE = re.compile(r"application/([a-z0-9!#$&^_.-]+\+)?json")
_FORM_TYPE = "application/x-www-form-urlencoded"
_GZIP = zlib.MAX_WBITS | 16


@dataclass(frozen=True)
class Request:
    """A request as it came: `headers` with lower-case names, the raw `body`. The rest raises PayloadRefused."""

    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def text(self) -> bytes:
        """The JSON that the body holds, as it is when nothing packs it: what `parse` reads, now and at a redrive."""
        return unpacked(self.headers, self.body)

    @cached_property
    def event(self) -> dict[str, Any]:
        return parse(self.text)


def check_size(body: bytes, most: int = MAX_BODY) -> None:
    """Refuse more than so many bytes. Apart from `parse`, so that a sender cannot make us hash more."""
    if len(body) > most:
        raise PayloadRefused("body_too_large", f"The body has more than {most // 1024} KiB.", status=413)


def unpacked(headers: Mapping[str, str], body: bytes) -> bytes:
    """The JSON in a body that may be compressed with gzip, or be a form. Raises PayloadRefused.

    Without a content type, JSON is assumed.
    """
    match headers.get("content-encoding", "").strip().lower():
        case "gzip" | "x-gzip":
            body = _gunzipped(body)
        case "" | "identity":
            pass
        case _:
            sentence = "The body must be plain, or compressed with gzip."
            raise PayloadRefused("unsupported_content_encoding", sentence, status=415)
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == _FORM_TYPE:
        return _form_field(body)
    if headers.get("content-type") and not _JSON_TYPE.fullmatch(media_type):
        raise PayloadRefused("unsupported_media_type", "The content type must be application/json.", status=415)
    return body


def _gunzipped(body: bytes) -> bytes:
    """Never more than MAX_BODY bytes and one, however many there would be."""
    stream = zlib.decompressobj(_GZIP)
    try:
        plain = stream.decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise _not_gzip() from None
    check_size(plain)
    if not stream.eof or stream.unused_data:
        raise _not_gzip()
    return plain


def _not_gzip() -> PayloadRefused:
    return PayloadRefused("body_not_gzip", "The body is not whole, or not compressed with gzip.")


def _form_field(body: bytes) -> bytes:
    try:
        fields = parse_qsl(body.decode(), errors="strict", max_num_fields=100)
    except UnicodeDecodeError:
        raise _not_utf8() from None
    except ValueError:
        fields = []
    values = [value for name, value in fields if name == FORM_FIELD]
    if len(values) != 1:
        raise PayloadRefused("form_without_payload", f"The form must have one field {FORM_FIELD}, with JSON in it.")
    return values[0].encode()


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in the body. Raises PayloadRefused, and nothing else.

    A byte order mark is refused: RFC 8259 forbids sending one. Half a surrogate pair, which is what cutting a text in
    the middle of an emoji leaves, becomes U+FFFD: legal JSON, but neither DynamoDB nor Zendesk can hold it.
    """
    check_size(body)
    if not body.strip():
        raise PayloadRefused("body_empty", "The body is empty.")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None
    try:
        event = json.loads(text, parse_constant=_no_number, parse_float=_finite)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:  # also JSONDecodeError, and an integer of more digits than Python converts
        raise PayloadRefused("body_not_json", "The body is not JSON.") from None
    if not isinstance(event, dict):
        raise PayloadRefused("body_not_an_object", "The body is JSON, but not an object.")
    if _is_deeper_than(event, MAX_DEPTH):
        raise _too_deep()
    return _whole(event) if re.search(r"\\u[dD][89a-fA-F]", text) else event


def find(event: dict[str, Any], pointer: str) -> Any:
    """What stands at an RFC 6901 pointer; None where there is nothing, or null."""
    node: Any = event
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(node, dict):
            node = node.get(key)
        elif isinstance(node, list) and re.fullmatch("0|[1-9][0-9]{0,5}", key) and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node


def _not_utf8() -> PayloadRefused:
    return PayloadRefused("body_not_utf8", "The body is not UTF-8.")


def _too_deep() -> PayloadRefused:
    return PayloadRefused("body_too_deep", f"The body is nested more than {MAX_DEPTH} levels deep.")


def _no_number(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(literal: str) -> float:
    """1e999 is JSON, but infinity to Python, which no JSON can carry on."""
    if math.isinf(number := float(literal)):
        raise ValueError(literal)
    return number


def _is_deeper_than(value: object, limit: int) -> bool:
    level = [value]  # the containers at one depth
    for _ in range(limit):
        level = [child for node in level for child in _containers(node)]
        if not level:
            return False
    return True


def _containers(node: object) -> list[Any]:
    inside = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in inside if isinstance(child, dict | list)]


def _whole(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_whole(key): _whole(child) for key, child in value.items()}
        case list():
            return [_whole(child) for child in value]
        case _:
            return value
