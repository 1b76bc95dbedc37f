"""Faults on purpose: what the network and Zendesk's outages do to a call."""

import asyncio
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from .chance import Chance, first
from .wire import Answer, endpoint

# What is known of the bodies of errors; a fault may bring its own.
_BODIES: dict[int, tuple[str, str]] = {
    401: ("application/json", '{"error":"Couldn\'t authenticate you"}'),
    409: ("application/json", '{"error":"DatabaseConflict","description":"Database collision"}'),
    429: ("text/plain", "Number of allowed API requests per minute exceeded"),
    500: ("application/json", '{"error":"InternalServerError"}'),
    503: ("text/plain", "Service Unavailable"),
}
_HTML = "<!DOCTYPE html><html><head><title>Bad gateway</title></head><body><h1>Error</h1></body></html>"


@dataclass(config=ConfigDict(extra="forbid"))
class Fault(Chance):
    """A disturbance of the calls whose method and path fit (`*` and `?` as in a shell; the path without `.json`).

    `kind`: `status` (answers `status`, `body`, `headers`), `drop` (the connection is cut), `malformed` (the true
    answer, cut in half), `html` (an error page with `status`, 502 by default), `delay` (the true answer, late).
    `delay` (seconds) goes with every kind.
    `effect`: whether the call does its work `before` the disturbance, `after` it, or `never`; by default never for
    `status`, `drop` and `html`, and before for `malformed` and `delay`.
    """

    kind: Literal["status", "drop", "malformed", "html", "delay"]
    method: str = "*"
    path: str = "*"
    status: int | None = None
    body: str | None = None
    content_type: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    delay: float = 0
    effect: Literal["before", "after", "never"] | None = None

    def fits(self, method: str, path: str) -> bool:
        return fnmatchcase(method, self.method) and fnmatchcase(endpoint(path), self.path)

    @property
    def moment(self) -> str:
        return self.effect or ("before" if self.kind in {"malformed", "delay"} else "never")

    def disguise(self, true: Answer | None) -> Answer | None:
        """What the client gets instead of the true answer; None: the connection is cut."""
        if self.kind == "drop":
            return None
        if self.kind == "html":
            return Answer.text(self.status or 502, self.body or _HTML, "text/html; charset=utf-8", **self.headers)
        if self.kind == "status":
            status = self.status or 500
            content_type, body = _BODIES.get(status, ("application/json", '{"error":"InternalServerError"}'))
            return Answer.text(status, self.body or body, self.content_type or content_type, **self.headers)
        if self.kind == "delay" and true is not None:
            return true
        true = true or Answer.text(200, '{"ticket":{"id":', "application/json")
        return Answer(self.status or true.status, true.body[: len(true.body) // 2], {**true.headers, **self.headers})


class Faults:
    def __init__(self) -> None:
        self.planned: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self.planned.append(fault)

    def clear(self) -> None:
        self.planned.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        return first(self.planned, lambda fault: fault.fits(method, path))


async def disturbed(fault: Fault | None, act: Callable[[], Answer]) -> Answer | None:
    """The answer to a call under a fault, delays included; None: cut the connection."""
    if fault is None:
        return act()
    true = act() if fault.moment == "before" else None
    if fault.delay:
        await asyncio.sleep(fault.delay)
    if fault.moment == "after":
        true = act()
    return fault.disguise(true)
