"""Authentic events of a stack, as lines of JSON that another stack can be sent."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self, TextIO

from pydantic import TypeAdapter, ValidationError

from ticket_relay.storage.events import Events
from ticket_relay.storage.rows import TicketRow
from ticket_relay.storage.store import Store

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Exported:
    """A delivery as its partner sent it: `body` is its JSON, byte by byte, and `at` when it came (epoch seconds)."""

    partner: str
    id: str
    at: float
    body: str
    format: int = FORMAT

    @classmethod
    def read(cls, line: str) -> Self:
        """Raises ValueError for what no export has written. The sentence quotes nothing of it."""
        try:
            event = TypeAdapter(cls).validate_json(line)
        except ValidationError:
            raise ValueError("is not an exported event") from None
        if event.format != FORMAT:
            raise ValueError(f"has format {event.format}, and this version reads {FORMAT}")
        return event


def export(store: Store, events: Events, pks: Iterable[str], file: TextIO) -> Counter[str]:
    """Write the deliveries that brought these events, in this order, each once. How many were `written`; `not_kept`,
    `gone` since they were listed, or `unreadable` by this version.

    Raises StoreUnavailable; what was written until then is whole.
    """
    counts: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for pk in pks:
        found = _exported(store, events, pk)
        if isinstance(found, str):
            counts[found] += 1
        elif (found.partner, found.id) not in seen:
            seen.add((found.partner, found.id))
            file.write(json.dumps(asdict(found), ensure_ascii=False) + "\n")
            counts["written"] += 1
    return counts


def _exported(store: Store, events: Events, pk: str) -> Exported | str:
    try:
        row = store.get(pk)
    except ValidationError:
        return "unreadable"
    if not isinstance(row, TicketRow):
        return "gone"
    delivered: Any = events.delivered(row)
    if delivered is None:
        return "not_kept"
    id, body = delivered
    return Exported(row.partner, id, row.created_at, body.decode())
