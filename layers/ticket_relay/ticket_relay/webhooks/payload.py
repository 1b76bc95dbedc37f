"""From the bytes of an authentic request to a JSON object, or a reason why not."""

import json
import math
import re
from typing import Any, NoReturn

from ticket_relay.errors import PayloadRefused

MAX_BODY = 256 * 1024
MAX_DEPTH = 64

_JSON_TYPE = re.compile(r"application/([a-z0-9!#$&^_.-]+\+)?json", re.IGNORECASE)


def check_size(body: bytes) -> None:
    """Refuse more than MAX_BODY bytes. Apart from `parse`, so that a sender cannot make us hash megabytes."""
    if len(body) > MAX_BODY:
        raise PayloadRefused("body_too_large", f"The body has more than {MAX_BODY // 1024} KiB.", status=413)


def parse(body: bytes, content_type: str | None) -> dict[str, Any]:
    """The JSON object in the body. Raises PayloadRefused, and nothing else.

    `content_type` is the header's value; without one, JSON is assumed. A byte order mark is refused: RFC 8259 forbids
    sending one. Half a surrogate pair, which is what cutting a text in the middle of an emoji leaves, becomes U+FFFD:
    legal JSON, but neither DynamoDB nor Zendesk can hold it.
    """
    if content_type and not _JSON_TYPE.fullmatch(content_type.partition(";")[0].strip()):
        raise PayloadRefused("unsupported_media_type", "The content type must be application/json.", status=415)
    check_size(body)
    if not body.strip():
        raise PayloadRefused("body_empty", "The body is empty.")
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise PayloadRefused("body_not_utf8", "The body is not UTF-8.") from None
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
