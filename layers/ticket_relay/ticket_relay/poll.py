"""What is unfinished is driven on: every minute, until the time is nearly up or nothing is due soon.

One run at a time is the plan (reserved concurrency 1), but nothing depends on it: each row moves on condition of its
version, and is held before anything is sent for it. One row's failure never stops the rest.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import batched

from aws_lambda_powertools.metrics import MetricUnit

from ticket_relay import observability, submit, ticket_states, update, update_many, update_states
from ticket_relay.errors import Rejected, RelayError, RowMoved, ZendeskError
from ticket_relay.relay import Relay
from ticket_relay.rows import Row, TicketRow, UpdateRow, Work
from ticket_relay.store import Unreadable
from ticket_relay.zendesk.client import JOBS_AT_ONCE, TICKETS_AT_ONCE
from ticket_relay.zendesk.jobs import Job
from ticket_relay.zendesk.transport import Deadline

CALL_TIME = 8.0
"""Seconds for the calls about one row, or one batch of jobs."""
SOON = 15.0
"""A run waits for what is due within so many seconds; the rest is the next run's."""
SHORTEST_NAP, LONGEST_NAP = 0.2, 2.0
TURN = 5.0
"""Seconds of sending rows one by one, after which jobs are asked about again."""
MOST_JOBS, MOST_SENDS = 500, 300
"""Rows looked at in a turn."""
BACKLOG = 10
"""From so many rows on they are sent together."""
TIME_FOR_MANY = 20.0
"""Seconds in which a hundred rows are held, sent and told of it."""
MOST_BATCHES = 20
"""Jobs of many tickets that one run may queue: Zendesk takes 30 at a time ("Job limit"), and they may be slow."""
BUSY = 60.0
"""Seconds for which an update that is under way in a job lets later ones of its ticket wait; a job may be stuck."""
PUT_OFF = 600.0
"""Seconds for which a row that meets a bug, or cannot be read, makes room for the others."""


type Submitted = TicketRow | UpdateRow


class Unfinished(RelayError):
    """Some rows met an unexpected error or cannot be read. They are put off; the failed run makes them known."""

    code = "poll_unfinished"


@dataclass(slots=True)
class _Run:
    relay: Relay
    time_left: Callable[[], float]
    left_alone: set[str] = field(default_factory=set)
    """Rows that failed in this run: the next run may have more luck with them, this one would only turn in circles."""
    broken: int = 0

    batches: int = 0
    """Jobs of many tickets that this run has queued."""

    @property
    def has_time(self) -> bool:
        return self.time_left() > CALL_TIME

    @property
    def has_time_for_many(self) -> bool:
        return self.time_left() > TIME_FOR_MANY

    def due_soon(self, work: Work, limit: int) -> list[Row]:
        rows = []
        for row in self.relay.store.due(work, self.relay.now() + SOON, limit):
            if row.pk in self.left_alone:
                continue
            if isinstance(row, Unreadable):
                observability.logger().error("row unreadable", extra={"pk": row.pk})
                self._put_off(row.pk)
            else:
                rows.append(row)
        return rows

    @contextmanager
    def guarded(self, *rows: Row) -> Iterator[None]:
        try:
            yield
        except RowMoved:
            observability.count("RowMoved")
        except RelayError as error:
            for row in rows:
                observability.logger().warning("row left alone", extra={"pk": row.pk, "reason": error.code})
                self.left_alone.add(row.pk)
        # A bug met by one row must not stop the others; the run fails in the end, so that it is known.
        except Exception as error:  # noqa: BLE001
            observability.unexpected(error)
            for row in rows:
                self._put_off(row.pk)

    def _put_off(self, pk: str) -> None:
        self.broken += 1
        self.left_alone.add(pk)
        self.relay.store.put_off(pk, self.relay.now() + PUT_OFF)


def run(relay: Relay, time_left: Callable[[], float], nap: Callable[[float], None] = time.sleep) -> None:
    """Advance whatever is due. `time_left` gives seconds.

    Raises StoreUnavailable, and Unfinished after a bug; running again is safe.
    """
    this = _Run(relay, time_left)
    while this.has_time:
        jobs, rows = this.due_soon(Work.JOB, MOST_JOBS), this.due_soon(Work.SEND, MOST_SENDS)
        now = relay.now()
        closed_until = relay.gate.closed_until(now)
        if closed_until is not None and closed_until > now + SOON:
            rows = []
        if not jobs and not rows:
            break
        observability.measure("OldestUnfinished", MetricUnit.Seconds, max(now - row.created_at for row in jobs + rows))
        if any(_is_due(row, now) for row in jobs):
            # Asking about those that are due soon as well costs no call more.
            _poll_jobs(this, jobs)
        if closed_until is None:
            busy = {
                row.ticket_id for row in jobs if isinstance(row, UpdateRow) and now - (row.submitted_at or 0) < BUSY
            }
            due = [row for row in rows if _is_due(row, now)]
            _send(this, [row for row in due if not (isinstance(row, UpdateRow) and row.ticket_id in busy)])
        next_due = min((row.due_at for row in jobs + rows if row.due_at and row.due_at > now), default=now)
        nap(min(max(next_due - relay.now(), SHORTEST_NAP), LONGEST_NAP))
    if this.broken:
        raise Unfinished(f"{this.broken} rows could not be advanced.")


def _is_due(row: Row, now: float) -> bool:
    return row.due_at is not None and row.due_at <= now


def _send(this: _Run, rows: Sequence[Row]) -> None:
    """Send what is due: a backlog in parcels, and the rest one by one, but not for so long that jobs wait for it."""
    until = this.relay.now() + TURN
    gone = _create_together(this, [row for row in rows if isinstance(row, TicketRow)])
    tickets: defaultdict[int, list[UpdateRow]] = defaultdict(list)
    for row in rows:
        if isinstance(row, UpdateRow):
            tickets[row.ticket_id].append(row)
    gone |= _update_together(this, tickets)
    for row in rows:
        if row.pk in gone or not this.has_time or this.relay.now() >= until:
            continue
        # One by one, but those of one ticket together.
        by = Deadline.after(CALL_TIME)
        if isinstance(row, TicketRow):
            with this.guarded(row):
                submit.resume(this.relay, row, by)
        elif isinstance(row, UpdateRow):
            of_ticket = tickets[row.ticket_id]
            gone |= {each.pk for each in of_ticket}
            with this.guarded(*of_ticket):
                update.resume(this.relay, of_ticket, by)


def _create_together(this: _Run, rows: Sequence[TicketRow]) -> set[str]:
    """Those that went in parcels, or wait for the next one, if they are many."""
    backlog = [row for row in rows if ticket_states.may_go_together(row)]
    if len(backlog) < BACKLOG:
        return set()
    for parcel in submit.parcels(backlog):
        if this.has_time_for_many and this.batches < MOST_BATCHES:
            with this.guarded(*parcel):
                this.batches += submit.send_together(this.relay, parcel, Deadline.after(CALL_TIME)) is not None
    return {row.pk for row in backlog}


def _update_together(this: _Run, tickets: Mapping[int, list[UpdateRow]]) -> set[str]:
    """Those that went in one job with updates of other tickets, if there are many."""
    gone: set[str] = set()
    if len(tickets) < BACKLOG:
        return gone
    for some in batched(tickets.items(), TICKETS_AT_ONCE, strict=False):
        if this.has_time_for_many and this.batches < MOST_BATCHES:
            together = dict(some)
            rows = [row for of_ticket in together.values() for row in of_ticket]
            with this.guarded(*rows):
                alone = update_many.drive(this.relay, together, Deadline.after(CALL_TIME))
                this.batches += 1
                gone |= {row.pk for row in rows if row.ticket_id not in alone}
    return gone


def _poll_jobs(this: _Run, rows: Sequence[Row]) -> None:
    """One `show_many` for a hundred jobs, then each row by its job.

    No lease: asking twice harms nobody, moves are conditional.
    """
    by_job: defaultdict[str | None, list[Submitted]] = defaultdict(list)
    for row in rows:
        if isinstance(row, TicketRow | UpdateRow):
            by_job[row.job_id].append(row)
    for some in batched(by_job.values(), JOBS_AT_ONCE, strict=False):
        if this.has_time:
            _poll_some(this, [row for of_one_job in some for row in of_one_job])


def _poll_some(this: _Run, rows: Sequence[Submitted]) -> None:
    relay = this.relay
    jobs = _asked(this, rows)
    if jobs is None:
        return
    for row in rows:
        job = jobs.get(row.job_id or "")
        if (_is_due(row, relay.now()) or (job and job.over)) and this.has_time:
            with this.guarded(row):
                _advance(relay, row, job)


def _asked(this: _Run, rows: Sequence[Submitted]) -> dict[str, Job] | None:
    """What Zendesk says of the jobs; None where it was not or could not be asked, and the rows were moved by that."""
    relay = this.relay
    with relay.gate.asking(relay.now) as passage:
        if passage.closed_until is not None:
            for row in _due(rows, relay.now()):
                with this.guarded(row):
                    relay.move(row, _postponed(row, relay.now(), passage.closed_until))
            return None
        ids = dict.fromkeys(row.job_id for row in rows if row.job_id)
        try:
            jobs = relay.zendesk.job_statuses(ids, Deadline.after(CALL_TIME))
        except Rejected:
            # As if the jobs were forgotten: then the tickets themselves are looked for.
            jobs = {}
        except ZendeskError as error:
            relay.heed(error, passage)
            for row in _due(rows, relay.now()):
                with this.guarded(row):
                    relay.move(row, _unanswered(row, error, relay.now()))
            return None
        relay.gate.went_well(passage)
        return jobs


def _due(rows: Sequence[Submitted], now: float) -> list[Submitted]:
    return [row for row in rows if _is_due(row, now)]


def _postponed(row: Submitted, now: float, until: float) -> Submitted:
    if isinstance(row, UpdateRow):
        return update_states.postponed(row, now, until)
    return ticket_states.postponed(row, now, until)


def _unanswered(row: Submitted, error: ZendeskError, now: float) -> Submitted:
    if isinstance(row, UpdateRow):
        return update_states.unanswered(row, error, now)
    return ticket_states.unanswered(row, error, now)


def _advance(relay: Relay, row: Submitted, job: Job | None) -> None:
    if isinstance(row, UpdateRow):
        after = relay.settings.job_forgotten_after_seconds
        relay.move(row, update_states.polled(row, job, relay.now(), forgotten_after=after))
        return
    if not ticket_states.needs_look(row, job, relay.now()):
        relay.move(row, ticket_states.polled(row, job, relay.now()))
        return
    with relay.gate.asking(relay.now) as passage:
        if passage.closed_until is not None:
            relay.move(row, ticket_states.postponed(row, relay.now(), passage.closed_until))
            return
        try:
            ticket_id = submit.find(relay, row, Deadline.after(CALL_TIME))
        except ZendeskError as error:
            relay.heed(error, passage)
            relay.move(row, ticket_states.unanswered(row, error, relay.now()))
            return
        relay.gate.went_well(passage)
    if ticket_id is not None:
        relay.move(row, ticket_states.created(row, ticket_id, relay.now()))
    else:
        after = relay.settings.job_forgotten_after_seconds
        relay.move(row, ticket_states.not_found(row, job, relay.now(), forgotten_after=after))
