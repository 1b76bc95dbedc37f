"""The rows as the console shows them in its list: short, without payload and history, in memory, the latest known."""

import heapq
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Self

from cli.reading import NOT_OVER, WORKING

ATTRIBUTES = (
    *("pk", "state", "version", "partner", "created_at", "updated_at", "due_at", "ticket_id"),
    *("error_code", "error_sentence"),
)
"""What is read of each row."""

STOPPED = sorted(set(NOT_OVER) - WORKING)
"""The states in which a row waits for a person."""

GROUPS = {"stopped": frozenset(STOPPED), "waiting": frozenset(map(str, WORKING))}
"""States that are asked for together, by name."""


@dataclass(frozen=True, slots=True)
class Brief:
    """A row in one line. Times are epoch seconds."""

    pk: str
    state: str
    version: int
    created_at: float
    updated_at: float
    partner: str | None = None
    due_at: float | None = None
    ticket_id: int | None = None
    reason: str | None = None

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> Self | None:
        """From an item in Python's types; None for one that is no row, or not of this version of the code."""
        if not item["pk"].startswith(("ticket#", "update#")) or not {"state", "created_at"} <= item.keys():
            return None
        created_at = float(item["created_at"])
        return cls(
            pk=item["pk"],
            state=str(item["state"]),
            version=int(item.get("version", 0)),
            created_at=created_at,
            updated_at=float(item.get("updated_at", created_at)),
            partner=item.get("partner"),
            due_at=float(item["due_at"]) if "due_at" in item else None,
            ticket_id=int(item["ticket_id"]) if "ticket_id" in item else None,
            reason=item.get("error_sentence") or item.get("error_code"),
        )

    @property
    def kind(self) -> str:
        return self.pk.partition("#")[0]

    @property
    def name(self) -> str:
        """The event's id or, of an update, its invocation's: what is left of the key."""
        return self.pk.split("#", 2)[2]

    @property
    def waits(self) -> bool:
        """For a worker."""
        return self.state in GROUPS["waiting"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which rows to show: all that is given must hold."""

    partner: str | None = None
    """A partner's name."""
    state: str | None = None
    """A state, or one of GROUPS."""
    text: str | None = None
    """A part of the key, in any case of letters; or a ticket's number."""

    def fits(self, row: Brief) -> bool:
        if self.partner and row.partner != self.partner:
            return False
        if self.state and row.state not in GROUPS.get(self.state, (self.state,)):
            return False
        return not self.text or self.text.lower() in row.pk.lower() or self.text == str(row.ticket_id)


class Board:
    """All known rows. Safe to use from several threads."""

    def __init__(self) -> None:
        self._rows: dict[str, Brief] = {}
        self._version = 0
        self._lock = threading.Lock()

    @property
    def version(self) -> int:
        """Another number after each change."""
        return self._version

    def put(self, row: Brief) -> None:
        """Take over a row, unless a later version of it is known."""
        with self._lock:
            known = self._rows.get(row.pk)
            if known is None or known.version < row.version:
                self._rows[row.pk] = row
                self._version += 1

    def remove(self, pk: str) -> None:
        with self._lock:
            if self._rows.pop(pk, None):
                self._version += 1

    def keep(self, pks: set[str]) -> None:
        """Forget all other rows: they are not in the table any more."""
        with self._lock:
            gone = self._rows.keys() - pks
            for pk in gone:
                del self._rows[pk]
            self._version += bool(gone)

    def get(self, pk: str) -> Brief | None:
        return self._rows.get(pk)

    def select(self, wanted: Filter, start: int, count: int) -> tuple[list[Brief], int]:
        """`count` of the wanted rows from number `start` on, the newest first; and how many there are."""
        found = list(filter(wanted.fits, self._all()))
        newest = heapq.nlargest(start + count, found, key=attrgetter("created_at", "pk"))
        return newest[start:], len(found)

    def partners(self) -> list[str]:
        return sorted({row.partner for row in self._all() if row.partner})

    def counts(self) -> Counter[tuple[str, str]]:
        """By partner (or "updates") and state."""
        return Counter((row.partner or "updates", row.state) for row in self._all())

    def waiting(self) -> list[Brief]:
        """The rows that wait for a worker, the oldest first."""
        return sorted((row for row in self._all() if row.waits), key=lambda row: row.created_at)

    def __len__(self) -> int:
        return len(self._rows)

    def _all(self) -> list[Brief]:
        with self._lock:
            return list(self._rows.values())
