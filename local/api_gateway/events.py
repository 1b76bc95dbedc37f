"""An HTTP API's two translations: a request into an event of payload format 2.0, an answer into a response.

Format: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import binascii
import json
import re
import secrets
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

from local.runtimes.runtime import ACCOUNT

API_ID = "local"

# The documentation says that a binary body is encoded, not which types are binary. Tried against AWS by others
# (ministackorg/ministack, pull request 766): these are text; anything else, a form or no type at all too, is encoded.
_TEXT = re.compile(r"\s*(text/[^;]*|application/(json|xml|javascript))\s*(;|$)", re.IGNORECASE)


class BadAnswerError(Exception):
    """A function answered with what an HTTP API cannot make a response of."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: `target` is path and query undecoded, `headers` in their order, repeated ones repeated."""

    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    source_ip: str = "127.0.0.1"
    protocol: str = "HTTP/1.1"

    @property
    def path(self) -> str:
        """The path, decoded, as `rawPath` is in spite of its name (middleapi/standard-server, pull request 93)."""
        return unquote(self.target.partition("?")[0], errors="replace")


@dataclass(frozen=True, slots=True)
class Response:
    """What goes back to the caller."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """A route and the function behind it; `key` is `POST /webhooks/{partner}`, `ANY /x/{rest+}` or `$default`."""

    key: str
    function: str
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compile the path once."""
        literal = re.escape(self.key.partition(" ")[2]).replace(r"\{", "{").replace(r"\}", "}").replace(r"\+", "+")
        pattern = re.sub(r"\{(\w+)(\+?)\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", literal)
        object.__setattr__(self, "_pattern", re.compile(pattern))

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """The path's parameters if this route takes the request, else None."""
        if self.key == "$default":
            return {}
        if self.key.partition(" ")[0] not in {"ANY", method}:
            return None
        found = self._pattern.fullmatch(path)
        return found.groupdict() if found else None

    @property
    def rank(self) -> tuple[bool, bool, int, bool]:
        """The smaller wins: a full match, then a greedy variable, then `$default`; a method before ANY."""
        return self.key == "$default", "+}" in self.key, self.key.count("{"), self.key.startswith("ANY ")


def routed(routes: Iterable[Route], request: Request) -> tuple[Route, dict[str, str]] | None:
    """The most specific route that takes the request, and the path's parameters; None if there is none."""
    for route in sorted(routes, key=lambda route: route.rank):
        if (parameters := route.match(request.method, request.path)) is not None:
            return route, parameters
    return None


def event(request: Request, route: Route, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The event that an HTTP API hands to a function. Keys without a value are absent, not null."""
    now = time.time()
    query = request.target.partition("?")[2]
    headers, cookies = _joined(request.headers)
    headers |= {
        "x-forwarded-for": ", ".join(filter(None, [headers.get("x-forwarded-for"), request.source_ip])),
        "x-forwarded-proto": "http",
        "x-amzn-trace-id": f"Root=1-{int(now):08x}-{secrets.token_hex(12)}",
    }
    body, encoded = _body(request.body, headers.get("content-type", ""))
    made = {
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": request.path,
        "rawQueryString": query,
        "cookies": cookies,
        "headers": headers,
        "queryStringParameters": _merged(parse_qsl(query, keep_blank_values=True, errors="replace")),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": headers.get("host", "").partition(":")[0],
            "domainPrefix": headers.get("host", "").partition(".")[0].partition(":")[0],
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": str(uuid.uuid4()),
            "routeKey": route.key,
            "stage": "$default",
            "time": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(now)),
            "timeEpoch": int(now * 1000),
        },
        "pathParameters": dict(parameters),
        "body": body,
    }
    optional = {"cookies", "queryStringParameters", "pathParameters", "body"}
    return {key: value for key, value in made.items() if value or key not in optional} | {"isBase64Encoded": encoded}


def response(answer: object) -> Response:
    """The response that an HTTP API makes of a function's answer, inferred if there is no `statusCode`.

    Raises BadAnswerError.
    """
    if not isinstance(answer, dict) or "statusCode" not in answer:
        inferred = answer if isinstance(answer, str) else json.dumps(answer)
        return Response(200, [("content-type", "application/json")], inferred.encode())
    try:
        status = int(answer["statusCode"])
        headers = [(name.lower(), _header_text(value)) for name, value in (answer.get("headers") or {}).items()]
        headers += [("set-cookie", cookie) for cookie in answer.get("cookies") or []]
        text = answer.get("body") or ""
        body = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()
    except (AttributeError, TypeError, ValueError, binascii.Error) as error:
        raise BadAnswerError(str(error)) from error
    if not 100 <= status <= 599:
        raise BadAnswerError(f"status {status}")
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "text/plain; charset=utf-8"))
    return Response(status, headers, body)


def message(status: int, text: str) -> Response:
    """An answer by the API itself; its text cannot be configured."""
    return _json(status, {"message": text})


def too_large() -> Response:
    """API Gateway sends the message alone. The code is added here so that tests against this front find one shape of
    error; a partner meets the function's own limit long before.
    """
    return _json(413, {"error": "body_too_large", "message": "Request Entity Too Large"})


def _json(status: int, body: dict[str, str]) -> Response:
    return Response(status, [("content-type", "application/json")], json.dumps(body).encode())


def _joined(headers: Iterable[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    pairs = [(name.lower(), _readable(value)) for name, value in headers]
    cookies = [cookie.strip() for name, value in pairs if name == "cookie" for cookie in value.split(";")]
    return _merged((name, value) for name, value in pairs if name != "cookie"), [cookie for cookie in cookies if cookie]


def _merged(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    merged: dict[str, str] = {}
    for name, value in pairs:
        merged[name] = f"{merged[name]},{value}" if name in merged else value
    return merged


def _readable(value: str) -> str:
    """A header whose bytes are not UTF-8 (the server reads surrogates) as ISO-8859-1, its historic encoding."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    if not body:
        return "", False
    if _TEXT.match(content_type):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # no text can hold these bytes: an assumption, AWS does not say
    return base64.b64encode(body).decode(), True


def _header_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise TypeError("a header is neither text nor a number")
    return str(value)
