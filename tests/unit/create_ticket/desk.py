"""A scripted Zendesk whose tickets have comments and a status, and a table in which workers die between two writes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from tests.fakes import Clock, FakeZendesk, Killed, MemoryStore
from ticket_relay.storage.correlations import MOST_PENDING, Correlation, CorrelationFull
from ticket_relay.storage.rows import Row
from ticket_relay.zendesk.client import Shown
from ticket_relay.zendesk.errors import Conflict


class Strokes:
    """Counts the writes of a worker. At one of them, before it or behind it, it dies, or another worker comes in."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.then: Callable[[], None] | None = None

    def at(self, moment: int | None, then: Callable[[], None] | None = None) -> None:
        """At this moment, of which a write has two; without `then`, death."""
        self.left, self.then = moment, then

    def write(self) -> None:
        if self.left is None:
            return
        self.left -= 1
        if self.left <= 0:
            self.left = None
            if self.then is None:
                raise Killed
            self.then()


class FragileStore(MemoryStore):
    def __init__(self, strokes: Strokes) -> None:
        super().__init__()
        self._strokes = strokes

    def claim(self, row: Row) -> Row | None:
        self._strokes.write()
        winner = super().claim(row)
        self._strokes.write()
        return winner

    def move(self, old: Row, new: Row) -> Row:
        self._strokes.write()
        moved = super().move(old, new)
        self._strokes.write()
        return moved


class MemoryCorrelations:
    """What `Correlations` promises, kept in a dictionary."""

    def __init__(self, strokes: Strokes) -> None:
        self.items: dict[str, Correlation] = {}
        self._strokes = strokes

    def get(self, pk: str) -> Correlation:
        return self.items.get(pk, Correlation(pk))

    def lead(self, pk: str, row: str, _now: float) -> Correlation | None:
        with self._one_step():
            there = self.get(pk)
            if there.leader not in {None, row}:
                return None
            return self._put(Correlation(pk, row, there.term + 1, there.ticket_id, there.pending))

    def join(self, pk: str, row: str, _now: float) -> Correlation:
        with self._one_step():
            there = self.get(pk)
            if row == there.leader or row in there.pending:
                return there
            if len(there.pending) >= MOST_PENDING:
                raise CorrelationFull
            return self._put(Correlation(pk, there.leader, there.term, there.ticket_id, (*there.pending, row)))

    def leave(self, there: Correlation, row: str, ticket_id: int | None, _now: float) -> Correlation:
        with self._one_step():
            now = self.get(there.pk)
            if now.pending[:1] != (row,) or now.leader != there.leader:
                return now
            return self._put(Correlation(now.pk, now.leader, now.term, ticket_id or now.ticket_id, now.pending[1:]))

    def take_over(self, there: Correlation, row: str, _now: float) -> Correlation | None:
        with self._one_step():
            now = self.get(there.pk)
            place = there.pending.index(row)
            if now.pending[place : place + 1] != (row,) or (now.leader, now.term) != (there.leader, there.term):
                return None
            others = (*now.pending[:place], *now.pending[place + 1 :])
            return self._put(Correlation(now.pk, row, now.term + 1, None, others))

    @contextmanager
    def _one_step(self) -> Iterator[None]:
        """DynamoDB judges a condition and writes at once."""
        self._strokes.write()
        yield
        self._strokes.write()

    def _put(self, item: Correlation) -> Correlation:
        self.items[item.pk] = item
        return item


class NoItems:
    """The table, for what is neither a row nor a correlation."""

    def get(self, _pk: str) -> None:
        return None


class Desk(FakeZendesk):
    """Zendesk's tickets as agents see them."""

    def __init__(self, clock: Clock, **how: Any) -> None:
        super().__init__(**how)
        self._clock = clock
        self._content: dict[str, dict[str, Any]] = {}
        self._known: dict[int, dict[str, Any]] = {}

    def create_ticket(self, request: bytes, key: str, permit: Any) -> Any:
        self._remember(request)
        return super().create_ticket(request, key, permit)

    def create_tickets(self, requests: Any, permit: Any) -> Any:
        for request in requests:
            self._remember(request)
        return super().create_tickets(requests, permit)

    def show_ticket(self, ticket_id: int, permit: Any) -> Shown | None:
        if super().show_ticket(ticket_id, permit) is None:
            return None
        ticket = self.ticket(ticket_id)
        return Shown({**ticket, "updated_at": _stamp(ticket["updated_at"])}, self._clock())

    def update_ticket(self, ticket_id: int, update: dict[str, Any], _permit: Any) -> None:
        self._accident("update_ticket", self.before)
        ticket = self.ticket(ticket_id)
        if _stamp(ticket["updated_at"]) > update["updated_stamp"] or ticket["status"] == "closed":
            raise Conflict(409, "UpdateConflict", "The ticket was updated.")
        self.change(ticket_id, status=update.get("status", ticket["status"]))
        if "comment" in update:
            ticket["comments"].append(update["comment"]["body"])
        ticket["audits"].insert(0, {"metadata": {"custom": update["metadata"]}, "created_at": _stamp(self._clock())})
        self.calls.append("update_ticket")
        self._accident("update_ticket", self.after)

    def audits(self, ticket_id: int, _permit: Any) -> list[dict[str, Any]]:
        self._accident("audits", self.before)
        return list(self.ticket(ticket_id)["audits"])

    def change(self, ticket_id: int, **changes: Any) -> None:
        self.ticket(ticket_id).update(changes, updated_at=self._clock())

    def ticket(self, ticket_id: int) -> dict[str, Any]:
        if ticket_id not in self._known:
            content = self._content[self.tickets[ticket_id]]
            self._known[ticket_id] = {
                "id": ticket_id,
                "external_id": content["external_id"],
                "subject": content["subject"],
                "requester_id": 1,
                "status": "new",
                "tags": [],
                "updated_at": self._clock(),
                "comments": [content["comment"]["body"]],
                "audits": [],
            }
        return self._known[ticket_id]

    def about(self, thing: str) -> list[dict[str, Any]]:
        """The tickets of a thing, in the order in which they were made."""
        found = (self.ticket(ticket_id) for ticket_id in sorted(self.tickets))
        return [ticket for ticket in found if ticket["subject"] == thing]

    def _remember(self, request: bytes) -> None:
        ticket = json.loads(request)["ticket"]
        self._content[ticket["external_id"]] = ticket


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
