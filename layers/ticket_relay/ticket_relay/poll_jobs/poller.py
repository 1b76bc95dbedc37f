"""Advance what is unfinished: every minute, until the time is nearly up or nothing is due soon.

One run at a time is the plan (reserved concurrency 1), but nothing depends on it: each row moves on condition of its
version, and is held before anything is sent for it. One row's failure never stops the rest.
"""

import time
from collections.abc import Callable

from aws_lambda_powertools.metrics import MetricUnit

from ticket_relay import observability
from ticket_relay.errors import RelayError
from ticket_relay.poll_jobs.job_results import collect_results
from ticket_relay.poll_jobs.poll_run import Run
from ticket_relay.poll_jobs.send_due import Sender
from ticket_relay.services import Services

SHORTEST_NAP, LONGEST_NAP = 0.2, 2.0


class Unfinished(RelayError):
    """Some rows met an unexpected error or cannot be read. They are deferred; the failed run makes them known."""

    code = "poll_unfinished"


def run(services: Services, time_left: Callable[[], float], nap: Callable[[float], None] = time.sleep) -> None:
    """Advance whatever is due. `time_left` gives seconds.

    Raises StoreUnavailable, and Unfinished after a bug; running again is safe.
    """
    this = Run(services, time_left)
    sender = Sender(this)
    while this.has_time:
        collected, sent = collect_results(this), sender.send_due()
        rows, now = [*collected.rows, *sent.rows], services.now()
        if not rows:
            break
        observability.measure("OldestUnfinished", MetricUnit.Seconds, max(now - row.created_at for row in rows))
        later = [row.due_at for row in rows if row.due_at and row.due_at > now]
        acted = collected.acted or sent.acted
        next_due = min(later, default=now if acted else now + LONGEST_NAP)
        nap(min(max(next_due - services.now(), SHORTEST_NAP), LONGEST_NAP))
    # Last, when what is due has been tried: a trial that succeeded has opened the gate.
    observability.measure("GateClosed", MetricUnit.Count, services.gate.closed_until() is not None)
    if this.broken:
        raise Unfinished(f"{this.broken} rows could not be advanced.")
