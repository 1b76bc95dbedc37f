"""The results of jobs: rows that Zendesk took on, moved to their end."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import batched

from ticket_relay.create_ticket import submit
from ticket_relay.poll_jobs import ignored
from ticket_relay.poll_jobs.poll_run import CALL_TIME, Run, Submitted, is_due
from ticket_relay.rate_limits.headers import INDEX
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.states import waiting
from ticket_relay.states.backoff import jitter
from ticket_relay.storage.rows import TicketRow, UpdateRow
from ticket_relay.zendesk.client import JOBS_AT_ONCE
from ticket_relay.zendesk.errors import Rejected, ZendeskError
from ticket_relay.zendesk.jobs import Job

POLL_EVERY = 1.0
"""Seconds between two polls of the jobs of many: one call asks after a hundred."""


def collect_results(run: Run) -> bool:
    """Poll the jobs of the rows that are due, and the jobs of many, and move each row by its job's status; whether any
    was due.
    """
    now = run.services.now()
    by_job: defaultdict[str, list[Submitted]] = defaultdict(list)
    for row in run.waiting.values():
        by_job[row.job_id or ""].append(row)
    due = {job for job, rows in by_job.items() if any(is_due(row, now) for row in rows)}
    if run.batches_polled_at + POLL_EVERY <= now:
        due |= run.young_batches
        run.batches_polled_at = now
    # Polling some that are due soon as well costs no call more.
    soon = sorted(by_job.keys() - due, key=lambda job: min(row.due_at or 0 for row in by_job[job]))
    some = [*due, *soon[: -len(due) % JOBS_AT_ONCE]]
    for jobs in batched(some, JOBS_AT_ONCE, strict=False):
        if run.has_time:
            _poll(run, [row for job in jobs for row in by_job[job]])
    return bool(due)


def _poll(run: Run, rows: Sequence[Submitted]) -> None:
    """One `show_many` for at most a hundred jobs, then each row by its job.

    No lease: polling twice is harmless, moves are conditional.
    """
    services = run.services
    jobs = _statuses(run, rows)
    if jobs is None:
        return
    moves = []
    for row in rows:
        job = jobs.get(row.job_id or "")
        if (is_due(row, services.now()) or (job and job.over)) and run.has_time:
            with run.guarded(row):
                moves.append((row, _advanced(services, row, job)))
    run.move(moves)
    ignored.remember(run, [row for _, row in moves])


def _statuses(run: Run, rows: Sequence[Submitted]) -> Mapping[str, Job] | None:
    """What Zendesk says of the jobs; None where it was not or could not be asked, and the rows were moved by that."""
    services = run.services
    due = [row for row in rows if is_due(row, services.now())]
    with services.gate.permit(Deadline.after(CALL_TIME)) as permit:
        if permit.closed_until is not None:
            until = permit.closed_until
            run.move([(row, waiting.deferred(row, services.now(), until + jitter(2.0))) for row in due])
            return None
        ids = dict.fromkeys(row.job_id for row in rows if row.job_id)
        try:
            return services.zendesk.job_statuses(ids, permit)
        except Rejected:
            # As if the jobs were forgotten: then the tickets themselves are looked for.
            return {}
        except ZendeskError as error:
            run.move([(row, waiting.unanswered(row, error, services.now())) for row in due])
            return None


def _advanced(services: Services, row: Submitted, job: Job | None) -> Submitted:
    """The row after what is known of its job and, where that is not enough, of its ticket."""
    forgotten_after = services.settings.job_forgotten_after_seconds
    if isinstance(row, UpdateRow):
        return update_states.polled(row, job, services.now(), forgotten_after=forgotten_after)
    if not ticket_states.needs_look_up(row, job, services.now()):
        return _noted(services, row, ticket_states.polled(row, job, services.now()))
    return _looked_up(services, row, job, forgotten_after)


def _noted(services: Services, row: TicketRow, new: TicketRow) -> TicketRow:
    submit.note_missing_files(services, row, new)
    return new


def _looked_up(services: Services, row: TicketRow, job: Job | None, forgotten_after: float) -> TicketRow:
    with services.gate.permit(Deadline.after(CALL_TIME), INDEX) as permit:
        if permit.closed_until is not None:
            return waiting.deferred(row, services.now(), permit.closed_until + jitter(2.0))
        try:
            ticket_id = submit.find(services, row, permit)
        except ZendeskError as error:
            return waiting.unanswered(row, error, services.now())
    if ticket_id is not None:
        return _noted(services, row, ticket_states.created(row, ticket_id, services.now()))
    return ticket_states.not_found(row, job, services.now(), forgotten_after=forgotten_after)
