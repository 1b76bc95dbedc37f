"""Advance what is unfinished: every minute, until the time is nearly up or nothing is due soon.

One run at a time is the plan (reserved concurrency 1), but nothing depends on it: each row moves on condition of its
version, and is held before anything is sent for it. One row's failure never stops the rest.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from aws_lambda_powertools.metrics import MetricUnit

from ticket_relay import observability
from ticket_relay.errors import RelayError, StoreUnavailable
from ticket_relay.poll_jobs import ignored
from ticket_relay.poll_jobs.job_results import POLL_EVERY, collect_results
from ticket_relay.poll_jobs.poll_run import WAIT_SECONDS, Run
from ticket_relay.poll_jobs.send_due import BACKLOG, Sender
from ticket_relay.poll_jobs.sweep import sweep
from ticket_relay.services import Services

if TYPE_CHECKING:
    from ticket_relay.attachments.addresses import Network

SHORTEST_NAP, LONGEST_NAP = 0.1, 2.0


class Unfinished(RelayError):
    """Some rows, or the sweep, met an unexpected error or cannot be read. The rows are deferred; the failed run makes
    it known.
    """

    code = "poll_unfinished"


def run(
    services: Services,
    time_left: Callable[[], float],
    nap: Callable[[float], None] = time.sleep,
    network: "Network | None" = None,
) -> None:
    """Advance whatever is due. `time_left` gives seconds; `network` is as for a `Run`.

    Raises StoreUnavailable, and Unfinished after a bug; running again is safe.
    """
    _measure_backlog(services)
    this = Run(services, time_left, network=network)
    _sweep(this)
    _advance(this, nap)
    ignored.compare(this)
    # Last, when what is due has been tried: a trial that succeeded has opened the gate.
    observability.measure("GateClosed", MetricUnit.Count, services.gate.closed_until() is not None)
    if this.broken:
        raise Unfinished(f"{this.broken} rows could not be advanced, the sweep among them if it failed.")


def _sweep(this: Run) -> None:
    """First, so that this run sends what the sweep finds; but whatever becomes of it, what is due goes on."""
    try:
        sweep(this.services)
    except StoreUnavailable as error:
        observability.logger().warning("sweep not finished", extra={"reason": error.code})
    except Exception as error:  # noqa: BLE001
        observability.unexpected(error)
        this.broken += 1


def _advance(this: Run, nap: Callable[[float], None]) -> None:
    """Turn after turn, until nothing is due soon; under pressure until the time is up, for more is to come."""
    services, sender = this.services, Sender(this)
    while this.has_time:
        gate, now = services.gate.state(), services.now()
        if gate.closed_until is not None:
            if gate.closed_until - now > this.time_left():
                break
            nap(_bounded(gate.closed_until - now))
            continue
        to_send = this.look()
        if sum(not row.lacks_files for row in to_send) >= BACKLOG:
            services.gate.go_together(gate.together_until)
        acted = collect_results(this)
        acted = sender.send_due(to_send) or acted
        now = services.now()
        due_at = [row.due_at for row in [*to_send, *this.waiting.values()] if row.due_at]
        if this.young_batches:
            due_at.append(this.batches_polled_at + POLL_EVERY)
        # What was just moved may be due again soon: only a look will tell.
        more = acted or gate.together_until > now or any(at <= now + WAIT_SECONDS for at in due_at)
        if not more:
            break
        next_due = now if acted else min((at for at in due_at if at > now), default=now + LONGEST_NAP)
        nap(_bounded(next_due - now))


def _bounded(seconds: float) -> float:
    return min(max(seconds, SHORTEST_NAP), LONGEST_NAP)


def _measure_backlog(services: Services) -> None:
    """In every run, whatever the gate and the pauses of rows say: how much is unfinished, and since when at most."""
    backlog = services.store.backlog()
    age = services.now() - backlog.oldest if backlog.oldest is not None else 0
    observability.measure("OldestUnfinished", MetricUnit.Seconds, age)
    observability.measure("Unfinished", MetricUnit.Count, backlog.unfinished)
