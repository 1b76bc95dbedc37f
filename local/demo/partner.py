"""A partner: its events, and how it signs them. Uses none of the relay's code, because a partner has none."""

import base64
import hmac
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `body` is sent as it is; the id is the same however often the event is delivered."""

    partner: str
    body: bytes
    id: str = field(default_factory=lambda: f"msg_{secrets.token_hex(8)}")
    sent_as: str | None = None
    """The delivery's id, where the definition gives the event one of its own."""

    @property
    def pk(self) -> str:
        """Its row in the relay's table."""
        return f"ticket#{self.partner}#{self.id}"

    @property
    def external_id(self) -> str:
        """The `external_id` of its ticket."""
        return f"{self.partner}:{self.id}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the relay answered, and after how many seconds."""

    status: int
    body: dict[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Partner:
    """A sender of Standard Webhooks. `url` is its endpoint at the relay."""

    name: str
    url: str
    secret: str
    sample: bytes

    @classmethod
    def of(cls, name: str, ready: Mapping[str, Any]) -> Self:
        """From the stack's ready line."""
        known = ready["partners"][name]
        sample = (_ROOT / known["sample"]).read_bytes()
        return cls(name, f"{ready['url']}/webhooks/{name}", known["secret"], sample)

    def event(self) -> Event:
        """The sample, as a new event."""
        return Event(self.name, self.sample)

    async def deliver(
        self, http: aiohttp.ClientSession, event: Event, *, body: bytes | None = None, ago: float = 0
    ) -> Answer:
        """One delivery of an event, signed `ago` seconds in the past; with another `body`, one altered on its way."""
        headers = signed(self.secret, event.sent_as or event.id, event.body, time.time() - ago)
        began = time.monotonic()
        async with http.post(self.url, data=body or event.body, headers=headers) as answer:
            return Answer(answer.status, await answer.json(), time.monotonic() - began)


def signed(secret: str, message_id: str, body: bytes, at: float) -> dict[str, str]:
    """The headers of Standard Webhooks 1.0.0, the body's type among them; `at` in epoch seconds."""
    timestamp = str(int(at))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, f"{message_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
