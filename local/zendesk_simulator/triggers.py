"""Triggers: when a ticket is created or changes, a signed webhook (webhook documentation)."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from .clock import moment, stamp
from .deliveries import Deliveries, Invocation
from .jobs import ACCOUNT_ID
from .settings import Settings
from .users import User, Users
from .wire import Json


@checked_dataclass(config=ConfigDict(extra="forbid"))
class Trigger:
    """A trigger with its webhook. `body` is the JSON that one pastes into Zendesk, with `{{placeholders}}`.

    Conditions, all of which must hold: `on` (a ticket is created, or updated, or either), `tag` (it is present), and
    `not_by` (the acting user's address is another: how a loop is cut in Zendesk itself).
    """

    url: str
    secret: str
    body: str
    on: Literal["create", "update", "any"] = "any"
    tag: str | None = None
    not_by: str | None = None
    webhook_id: str = "01F1KRFQ6BG29CNWFR60NK5FNY"

    def fires(self, ticket: Json, actor: User, *, created: bool) -> bool:
        return (
            self.on in {"any", "create" if created else "update"}
            and (self.tag is None or self.tag in ticket["tags"])
            and actor.email != self.not_by
        )


class Triggers:
    """No rule, no webhook: an account has none until some are added."""

    def __init__(
        self, users: Users, settings: Settings, deliveries: Deliveries, ids: Iterator[int], now: Callable[[], float]
    ) -> None:
        self.rules: list[Trigger] = []
        self._users = users
        self._settings = settings
        self._deliveries = deliveries
        self._ids = ids
        self._now = now

    def fire(self, ticket: Json, audit: Json, actor: User, created: bool) -> None:
        for rule in self.rules:
            if rule.fires(ticket, actor, created=created):
                body = render(rule.body, self._placeholders(ticket, audit, actor)).encode()
                self._deliveries.add(
                    Invocation(
                        id=str(next(self._ids)),
                        url=rule.url,
                        ticket_id=ticket["id"],
                        body=body,
                        due_at=self._now(),
                        headers=partial(signed, rule, body),
                        webhook_id=rule.webhook_id,
                    )
                )

    def _placeholders(self, ticket: Json, audit: Json, actor: User) -> dict[str, object]:
        """Placeholders reference; the form of each time is the documented one, quirks included."""
        updated = datetime.fromtimestamp(moment(ticket["updated_at"]), UTC)
        seconds = self._settings.stamp_precision == "second"
        requester = self._users.get(ticket["requester_id"])
        comments = [event["body"] for event in audit["events"] if event["type"] == "Comment"]
        return {
            "ticket.id": ticket["id"],
            "ticket.title": ticket["subject"],
            "ticket.description": ticket["description"],
            "ticket.external_id": ticket["external_id"],
            # Assumption: words are shown as the agent sees them.
            "ticket.status": (ticket["status"] or "").capitalize(),
            "ticket.priority": (ticket["priority"] or "").capitalize(),
            "ticket.tags": " ".join(ticket["tags"]),
            "ticket.url": f"example.zendesk.com/agent/tickets/{ticket['id']}",
            "ticket.updated_at": f"{updated:%b}{updated.day}",
            "ticket.updated_at_with_time": f"{updated:%B} {updated.day}, {updated:%H:%M}",
            "ticket.updated_at_with_timestamp": updated.strftime(
                "%Y-%m-%dT%H:%M:%SZ" if seconds else "%Y-%m-%dT%H:%MZ"
            ),
            "ticket.requester.id": ticket["requester_id"],
            "ticket.requester.name": requester.name if requester else None,
            "ticket.requester.email": requester.email if requester else None,
            "ticket.latest_comment": comments[-1] if comments else None,
            "current_user.id": actor.id,
            "current_user.name": actor.name,
            "current_user.email": actor.email,
        }


def render(template: str, values: dict[str, object]) -> str:
    """Placeholders filled in, unknown and empty ones with nothing (Liquid); values escaped for JSON (recalled)."""

    def fill(found: re.Match[str]) -> str:
        value = values.get(found[1])
        return "" if value is None else json.dumps(str(value), ensure_ascii=False)[1:-1]

    return re.sub(r"\{\{\s*([\w.]+)\s*\}\}", fill, template)


def signed(rule: Trigger, body: bytes, at: float) -> dict[str, str]:
    """The five headers but for the invocation's (Anatomy of a webhook request; Verifying a webhook).

    The signature is base64(HMAC-SHA256(secret, timestamp + body)) with the secret's own characters as the key.
    """
    timestamp = stamp(at)
    digest = hmac.new(rule.secret.encode(), timestamp.encode() + body, hashlib.sha256).digest()
    return {
        "x-zendesk-account-id": str(ACCOUNT_ID),
        "x-zendesk-webhook-id": rule.webhook_id,
        "x-zendesk-webhook-signature": base64.b64encode(digest).decode(),
        "x-zendesk-webhook-signature-timestamp": timestamp,
    }
