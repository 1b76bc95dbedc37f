"""A call and its answer, without a web framework: the whole simulator can be tested without sockets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

type Json = dict[str, Any]

JSON_TYPE = "application/json; charset=utf-8"
TEXT_TYPE = "text/plain; charset=utf-8"


def endpoint(path: str) -> str:
    """The path without `.json`: the suffix is optional and changes nothing (API basics)."""
    return path.removesuffix(".json")


def whole(value: object) -> int | None:
    """The whole number that `value` is or spells, as Rails takes both; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        return int(value)
    return value if isinstance(value, int) else None


@dataclass(frozen=True)
class Call:
    """What a client sent. Header names are in lower case; `path` is as `endpoint` returns it."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = "127.0.0.1"

    def json(self) -> Json:
        """The body as an object; `{}` when it is not declared as JSON or is no object.

        Assumption: Rails reads the body by its content type, so one sent under another type sets no parameters at all.
        Raises Refusal 400 for malformed JSON (assumption: neither status nor body has been published).
        """
        if not self.body or "json" not in self.headers.get("content-type", ""):
            return {}
        try:
            parsed = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Refusal(400, {"error": "InvalidJSON", "description": "Request body is not valid JSON"}) from error
        return parsed if isinstance(parsed, dict) else {}


@dataclass
class Answer:
    """What goes back; `headers` includes the content type."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, value: object, content_type: str = JSON_TYPE, **headers: str) -> Self:
        return cls(status, json.dumps(value).encode(), {"Content-Type": content_type, **headers})

    @classmethod
    def text(cls, status: int, text: str, content_type: str = TEXT_TYPE, **headers: str) -> Self:
        return cls(status, text.encode(), {"Content-Type": content_type, **headers})


class Refusal(Exception):
    """A request that Zendesk refuses: its status, its body and further headers."""

    def __init__(self, status: int, body: Json | str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def answer(self) -> Answer:
        if isinstance(self.body, str):
            return Answer.text(self.status, self.body, **self.headers)
        return Answer.json(self.status, self.body, **self.headers)
