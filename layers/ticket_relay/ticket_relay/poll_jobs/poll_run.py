"""One run of the poller: how long it may go on, what it has met, and how one row's failure is kept from the others."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ticket_relay import observability
from ticket_relay.errors import RelayError, StaleRow, WriteRefused
from ticket_relay.services import Services
from ticket_relay.storage.rows import Row, Work
from ticket_relay.storage.store import Unreadable

CALL_TIME = 8.0
"""Seconds for the calls about one row, or one batch of jobs."""
TIME_FOR_MANY = 20.0
"""Seconds in which a hundred rows are held, sent and told of it."""
WAIT_SECONDS = 15.0
"""A run waits for what is due within so many seconds; the rest is the next run's."""
DEFERRED_SECONDS = 600.0
"""Seconds for which a row that meets a bug, or cannot be read, makes room for the others."""


def is_due(row: Row, now: float) -> bool:
    return row.due_at is not None and row.due_at <= now


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of one kind of work: the rows that are due, or will be while the run waits; whether it did anything."""

    rows: Sequence[Row]
    acted: bool


@dataclass(slots=True)
class Run:
    """What both kinds of work share."""

    services: Services
    time_left: Callable[[], float]
    skipped: set[str] = field(default_factory=set)
    """Rows that failed in this run, and are left to the next one."""
    broken: int = 0
    batches: set[str] = field(default_factory=set)
    """Jobs of many tickets that are not over, as far as this run knows."""
    busy: set[int] = field(default_factory=set)
    """Tickets of which an update is under way in a young job: later updates wait for it."""

    @property
    def has_time(self) -> bool:
        return self.time_left() > CALL_TIME

    @property
    def has_time_for_many(self) -> bool:
        return self.time_left() > TIME_FOR_MANY

    def due_soon(self, work: Work, limit: int, within: float = WAIT_SECONDS) -> list[Row]:
        rows = []
        for row in self.services.store.due(work, self.services.now() + within, limit):
            if row.pk in self.skipped:
                continue
            if isinstance(row, Unreadable):
                observability.logger().error("row unreadable", extra={"pk": row.pk})
                self._defer(row.pk)
            else:
                rows.append(row)
        return rows

    @contextmanager
    def guarded(self, *rows: Row) -> Iterator[None]:
        try:
            yield
        except StaleRow:
            observability.count("RowMoved")
        except WriteRefused as error:
            # Not a passing fault: it would come again with each run, and hide behind the rows that are due.
            for row in rows:
                observability.logger().error("row deferred", extra={"pk": row.pk, "reason": error.code})
                self._defer(row.pk)
        except RelayError as error:
            for row in rows:
                observability.logger().warning("row skipped in this run", extra={"pk": row.pk, "reason": error.code})
                self.skipped.add(row.pk)
        # A bug met by one row must not stop the others; the run fails in the end, so that it is known.
        except Exception as error:  # noqa: BLE001
            observability.unexpected(error)
            for row in rows:
                self._defer(row.pk)

    def _defer(self, pk: str) -> None:
        self.broken += 1
        self.skipped.add(pk)
        self.services.store.defer(pk, self.services.now() + DEFERRED_SECONDS)
