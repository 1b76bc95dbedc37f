"""The results of jobs: rows that Zendesk took on, moved to their end."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import batched

from ticket_relay.create_ticket import submit
from ticket_relay.poll_jobs.poll_run import CALL_TIME, WAIT_SECONDS, Run, Turn, is_due
from ticket_relay.rate_limits.headers import INDEX
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.states import waiting
from ticket_relay.states.backoff import jitter
from ticket_relay.storage.rows import Row, TicketRow, UpdateRow, Work
from ticket_relay.zendesk.client import JOBS_AT_ONCE
from ticket_relay.zendesk.errors import Rejected, ZendeskError
from ticket_relay.zendesk.jobs import Job

type Submitted = TicketRow | UpdateRow

MOST_ROWS = 500
"""Rows read in a turn."""
BUSY = 60.0
"""Seconds for which an update that is under way in a job lets later ones of its ticket wait; a job may be stuck."""


def collect_results(this: Run) -> Turn:
    """Poll the jobs of the rows that are due, and move each row by its job's status."""
    # A young job may be polled only in a minute, and its tickets are busy all the same.
    unfinished = this.due_soon(Work.JOB, MOST_ROWS, within=BUSY)
    now = this.services.now()
    this.busy = {
        row.ticket_id for row in unfinished if isinstance(row, UpdateRow) and now - (row.submitted_at or 0) < BUSY
    }
    rows = [row for row in unfinished if row.due_at and row.due_at <= now + WAIT_SECONDS]
    this.batches |= {row.job_id for row in rows if row.job_id and (row.together or isinstance(row, UpdateRow))}
    any_due = any(is_due(row, now) for row in rows)
    if any_due:
        # Polling those that are due soon as well costs no call more.
        _follow(this, rows)
    return Turn(rows, any_due)


def _follow(this: Run, rows: Sequence[Row]) -> None:
    """One `show_many` for a hundred jobs, then each row by its job.

    No lease: polling twice is harmless, moves are conditional.
    """
    by_job: defaultdict[str | None, list[Submitted]] = defaultdict(list)
    for row in rows:
        if isinstance(row, TicketRow | UpdateRow):
            by_job[row.job_id].append(row)
    for some in batched(by_job.values(), JOBS_AT_ONCE, strict=False):
        if this.has_time:
            _poll_some(this, [row for of_one_job in some for row in of_one_job])


def _poll_some(this: Run, rows: Sequence[Submitted]) -> None:
    services = this.services
    jobs = _statuses(this, rows)
    if jobs is None:
        return
    this.batches -= {job.id for job in jobs.values() if job.over}
    for row in rows:
        job = jobs.get(row.job_id or "")
        if (is_due(row, services.now()) or (job and job.over)) and this.has_time:
            with this.guarded(row):
                _advance(services, row, job)


def _statuses(this: Run, rows: Sequence[Submitted]) -> dict[str, Job] | None:
    """What Zendesk says of the jobs; None where it was not or could not be asked, and the rows were moved by that."""
    services = this.services
    with services.gate.permit(Deadline.after(CALL_TIME)) as permit:
        if permit.closed_until is not None:
            for row in _due(rows, services.now()):
                with this.guarded(row):
                    services.store.move(row, waiting.deferred(row, services.now(), permit.closed_until + jitter(2.0)))
            return None
        ids = dict.fromkeys(row.job_id for row in rows if row.job_id)
        try:
            jobs = services.zendesk.job_statuses(ids, permit)
        except Rejected:
            # As if the jobs were forgotten: then the tickets themselves are looked for.
            jobs = {}
        except ZendeskError as error:
            for row in _due(rows, services.now()):
                with this.guarded(row):
                    services.store.move(row, waiting.unanswered(row, error, services.now()))
            return None
        return jobs


def _due(rows: Sequence[Submitted], now: float) -> list[Submitted]:
    return [row for row in rows if is_due(row, now)]


def _advance(services: Services, row: Submitted, job: Job | None) -> None:
    if isinstance(row, UpdateRow):
        after = services.settings.job_forgotten_after_seconds
        services.store.move(row, update_states.polled(row, job, services.now(), forgotten_after=after))
        return
    if not ticket_states.needs_look_up(row, job, services.now()):
        services.store.move(row, ticket_states.polled(row, job, services.now()))
        return
    with services.gate.permit(Deadline.after(CALL_TIME), INDEX) as permit:
        if permit.closed_until is not None:
            services.store.move(row, waiting.deferred(row, services.now(), permit.closed_until + jitter(2.0)))
            return
        try:
            ticket_id = submit.find(services, row, permit)
        except ZendeskError as error:
            services.store.move(row, waiting.unanswered(row, error, services.now()))
            return
    if ticket_id is not None:
        services.store.move(row, ticket_states.created(row, ticket_id, services.now()))
    else:
        after = services.settings.job_forgotten_after_seconds
        services.store.move(row, ticket_states.not_found(row, job, services.now(), forgotten_after=after))
