"""One run of the poller: how long it may go on, what it has met, and how one row's failure is kept from the others."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ticket_relay import observability
from ticket_relay.errors import RelayError, StaleRow, WriteRefused
from ticket_relay.services import Services
from ticket_relay.storage.rows import Row, TicketRow, UpdateRow, Work
from ticket_relay.storage.store import Unreadable

if TYPE_CHECKING:
    from ticket_relay.attachments.addresses import Network

CALL_TIME = 8.0
"""Seconds for the calls about one row, or one batch of jobs."""
TIME_FOR_MANY = 12.0
"""Seconds in which three batches of at most a hundred rows are held, sent and told of it at the same time: four for the
writes. If the time is over before, the rows are in doubt, and looked for.
"""
WAIT_SECONDS = 15.0
"""A run waits for what is due within so many seconds; the rest is the next run's."""
DEFERRED_SECONDS = 600.0
"""Seconds for which a row that meets a bug, or cannot be read, makes room for the others."""
YOUNG = 60.0
"""Seconds for which a job of many is polled ahead of its rows' time, and lets later updates of its tickets wait: after
that it may be stuck.
"""
MOST_WITH_FILES = 50
"""Rows read in a turn that lack files: each may bring its files with it, in its payload."""
MOST_TO_SEND = 300
"""Rows read in a turn, of those in doubt and of the others."""
MOST_WAITING = 3000
"""Rows read in a run's first turn that wait for a job: as many as there are jobs of many at a time, and some more."""
MOST_JOINING = 500
"""Such rows read in each later turn."""

type Submitted = TicketRow | UpdateRow


def is_due(row: Row, now: float) -> bool:
    return row.due_at is not None and row.due_at <= now


def _of_many(row: Submitted) -> bool:
    """Whether its job is one of many tickets, as those of updates are."""
    return row.together or isinstance(row, UpdateRow)


@dataclass(slots=True)
class Run:
    """What both kinds of work share."""

    services: Services
    time_left: Callable[[], float]
    skipped: set[str] = field(default_factory=set)
    """Rows that failed in this run, and are left to the next one."""
    broken: int = 0
    network: "Network | None" = None
    """Where files are fetched from, if not from the Internet: only the local stack and tests have another."""
    waiting: dict[str, Submitted] = field(default_factory=dict)
    """Rows that wait for a job, as far as this run knows: those that it sent together, and those that are due soon."""
    to_compare: dict[int, TicketRow] = field(default_factory=dict)
    """By ticket: rows whose new tickets may lack something (`ignored`)."""
    batches_polled_at: float = 0.0
    _looked: bool = False

    @property
    def has_time(self) -> bool:
        return self.time_left() > CALL_TIME

    @property
    def has_time_for_many(self) -> bool:
        return self.time_left() > TIME_FOR_MANY

    @property
    def batches(self) -> set[str]:
        """Jobs of many tickets that are not over."""
        rows = self.waiting.values()
        return {row.job_id for row in rows if row.job_id and _of_many(row)}

    @property
    def young_batches(self) -> set[str]:
        """Those of them that may be over soon."""
        return {row.job_id for row in self._young() if row.job_id}

    @property
    def busy(self) -> set[int]:
        """Tickets of which an update is under way in a young job: later updates wait for it."""
        return {row.ticket_id for row in self._young() if isinstance(row, UpdateRow)}

    def _young(self) -> list[Submitted]:
        after = self.services.now() - YOUNG
        return [row for row in self.waiting.values() if _of_many(row) and (row.submitted_at or 0) > after]

    def look(self) -> list[Row]:
        """One look at what is due, or will be while the run waits: the rows to send, and those that lack files. The
        others join `waiting`.
        """
        now, first = self.services.now(), not self._looked
        self._looked = True
        wanted = {
            Work.FILES: (now + WAIT_SECONDS, MOST_WITH_FILES),
            Work.SEND: (now + WAIT_SECONDS, MOST_TO_SEND),
            Work.DOUBT: (now + WAIT_SECONDS, MOST_TO_SEND),
            Work.JOB: (now + YOUNG, MOST_WAITING) if first else (now + WAIT_SECONDS, MOST_JOINING),
        }
        known = {pk: row.due_at for pk, row in self.waiting.items() if row.due_at is not None}
        due = self.services.store.due(wanted, known)
        self.wait_for(self._readable(due[Work.JOB]))
        return [row for work in (Work.SEND, Work.DOUBT, Work.FILES) for row in self._readable(due[work])]

    def wait_for(self, rows: Iterable[Row]) -> None:
        """These wait for a job. What is neither in a job of many nor due soon is left to the table, and found again."""
        soon = self.services.now() + WAIT_SECONDS
        for row in rows:
            if isinstance(row, TicketRow | UpdateRow) and (_of_many(row) or is_due(row, soon)):
                self.waiting[row.pk] = row.stripped()

    def move(self, moves: Sequence[tuple[Submitted, Submitted]]) -> None:
        """Move rows that waited for a job; those that wait on are known as they are now."""
        for old, new in self.services.store.move_all(moves, self.failed):
            self.waiting.pop(old.pk, None)
            if new.work is Work.JOB and new.due_at is not None:
                self.wait_for([new])

    def _readable(self, rows: Iterable[Row | Unreadable]) -> Iterator[Row]:
        for row in rows:
            if row.pk in self.skipped:
                continue
            if isinstance(row, Unreadable):
                observability.logger().error("row unreadable", extra={"pk": row.pk})
                self._defer(row.pk)
            else:
                yield row

    @contextmanager
    def guarded(self, *rows: Row) -> Iterator[None]:
        try:
            yield
        except RelayError as error:
            for row in rows:
                self.failed(row, error)
        # A bug met by one row must not stop the others; the run fails in the end, so that it is known.
        except Exception as error:  # noqa: BLE001
            observability.unexpected(error)
            for row in rows:
                self._defer(row.pk)

    def failed(self, row: Row, error: RelayError) -> None:
        """This row could not be advanced, and is no longer ours to advance in this run."""
        self.waiting.pop(row.pk, None)
        if isinstance(error, StaleRow):
            observability.count("RowMoved")
        elif isinstance(error, WriteRefused):
            # Not a passing fault: it would come again with each run, and hide behind the rows that are due.
            observability.logger().error("row deferred", extra={"pk": row.pk, "reason": error.code})
            self._defer(row.pk)
        else:
            observability.logger().warning("row skipped in this run", extra={"pk": row.pk, "reason": error.code})
            self.skipped.add(row.pk)

    def _defer(self, pk: str) -> None:
        self.broken += 1
        self.skipped.add(pk)
        self.waiting.pop(pk, None)
        self.services.store.defer(pk, self.services.now() + DEFERRED_SECONDS)
