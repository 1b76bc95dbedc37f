"""What is unfinished is driven on: every minute, until the time is nearly up or nothing is due soon.

One run at a time is the plan (reserved concurrency 1), but nothing depends on it: each row moves on condition of its
version, and is held before anything is sent for it. One row's failure never stops the rest.
"""

import time
from collections.abc import Callable, Sequence

from aws_lambda_powertools.metrics import MetricUnit

from ticket_relay import observability
from ticket_relay.errors import RelayError
from ticket_relay.poll_jobs import job_results, send_due
from ticket_relay.poll_jobs.poll_run import SOON, Run, is_due
from ticket_relay.services import Services
from ticket_relay.storage.rows import Row, UpdateRow, Work

SHORTEST_NAP, LONGEST_NAP = 0.2, 2.0
MOST_JOBS, MOST_SENDS = 500, 300
"""Rows looked at in a turn."""
BUSY = 60.0
"""Seconds for which an update that is under way in a job lets later ones of its ticket wait; a job may be stuck."""


class Unfinished(RelayError):
    """Some rows met an unexpected error or cannot be read. They are put off; the failed run makes them known."""

    code = "poll_unfinished"


def run(services: Services, time_left: Callable[[], float], nap: Callable[[float], None] = time.sleep) -> None:
    """Advance whatever is due. `time_left` gives seconds.

    Raises StoreUnavailable, and Unfinished after a bug; running again is safe.
    """
    this = Run(services, time_left)
    while this.has_time:
        # A young job may be asked about only in a minute, and its tickets are busy all the same.
        unfinished, rows = this.due_soon(Work.JOB, MOST_JOBS, within=BUSY), this.due_soon(Work.SEND, MOST_SENDS)
        now = services.now()
        jobs = [row for row in unfinished if row.due_at and row.due_at <= now + SOON]
        closed_until = services.gate.closed_until()
        if closed_until is not None and closed_until > now + SOON:
            rows = []
        if not jobs and not rows:
            break
        observability.measure("OldestUnfinished", MetricUnit.Seconds, max(now - row.created_at for row in jobs + rows))
        acted = _turn(this, jobs, rows if closed_until is None else [], _busy(unfinished, now))
        later = [row.due_at for row in jobs + rows if row.due_at and row.due_at > now]
        next_due = min(later, default=now if acted else now + LONGEST_NAP)
        nap(min(max(next_due - services.now(), SHORTEST_NAP), LONGEST_NAP))
    if this.broken:
        raise Unfinished(f"{this.broken} rows could not be advanced.")


def _busy(unfinished: Sequence[Row], now: float) -> set[int]:
    """The tickets of which an update is under way in a young job."""
    return {row.ticket_id for row in unfinished if isinstance(row, UpdateRow) and now - (row.submitted_at or 0) < BUSY}


def _turn(this: Run, jobs: Sequence[Row], rows: Sequence[Row], busy: set[int]) -> bool:
    """Ask about jobs, then send; whether there was anything to do. Rows are those that are due, and due soon."""
    now = this.services.now()
    this.batches |= {row.job_id for row in jobs if row.job_id and (row.together or isinstance(row, UpdateRow))}
    ask = any(is_due(row, now) for row in jobs)
    if ask:
        # Asking about those that are due soon as well costs no call more.
        job_results.follow(this, jobs)
    return send_due.send(this, rows, busy) or ask
