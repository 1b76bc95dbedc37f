"""How a ticket request moves: pure functions from a row and what was learned to the next row. See
docs/architecture.md for the picture.

    accepted ──202 with a job──▶ submitted ──job completed──▶ created
       ▲  │ └──found by its external_id, or 201──────────────────▲ ▲
       │  └──Zendesk's final no, or three days──▶ failed           │
       └──job failed, killed or forgotten: a new attempt── submitted ──the ticket's own fault──▶ failed

Whatever happens, a row is either over, or has a time at which it is due.
"""

import random

from ticket_relay.errors import MappingFailed, Rejected, Throttled, Uncertain, ZendeskError
from ticket_relay.rows import DAY, RETENTION, UNMAPPED_RETENTION, TicketRow, TicketState, ticket_pk
from ticket_relay.zendesk.client import Submission
from ticket_relay.zendesk.jobs import Job, Result

LEASE = 20.0
"""Seconds a worker has a row to itself: longer than the longest request of a function (its timeout is 10 s) and its
write.
"""
KEY_LIFE = 110 * 60.0
"""Idempotency keys live two hours ("Idempotency"); the same request repeated later would be a new ticket."""
POLL_PAUSES = (2.0, 5.0, 10.0, 20.0, 60.0)
YOUNG_JOB = 15.0
"""A job may be unknown for a moment after it was queued: node-zendesk's monitor waits for it as well."""
RESULT_PATIENCE = 60.0
"""Seconds to look for the ticket of a completed job that does not name it."""
MAX_FAILURES = 5
"""Jobs that may come to nothing before the ticket is given up."""
GIVE_UP_AFTER = 3 * DAY
LONGEST_PAUSE = 600.0

# Error names of a create that failed on the ticket's own content: trying again cannot help.
# Real: zendesk-java-client#98 ("Description: cannot be blank").
OWN_FAULT = frozenset({"TicketCreateFailed", "RecordInvalid", "RecordNotFound", "InvalidValue"})


def claimed(partner: str, event_id: str, request: bytes, now: float, *, closed_until: float | None) -> TicketRow:
    """A new request: held by whoever wins the claim, or waiting where the gate is closed."""
    row = TicketRow(
        pk=ticket_pk(partner, event_id),
        state=TicketState.ACCEPTED,
        partner=partner,
        event_id=event_id,
        request=request,
        due_at=closed_until or now,
        created_at=now,
        updated_at=now,
        expires_at=now + RETENTION,
    )
    return row if closed_until else row.model_copy(update={"due_at": now + LEASE, "sent_at": now})


def unmapped(partner: str, event_id: str, event: bytes, error: MappingFailed, now: float) -> TicketRow:
    """Authentic, but not to be understood: kept whole for the person who mends the definition."""
    return TicketRow(
        pk=ticket_pk(partner, event_id),
        state=TicketState.UNMAPPED,
        partner=partner,
        event_id=event_id,
        event=event,
        error_code=error.code,
        error_sentence=error.sentence,
        created_at=now,
        updated_at=now,
        expires_at=now + UNMAPPED_RETENTION,
    )


def held(row: TicketRow, now: float) -> TicketRow:
    """Taken by a worker that is about to send: due again when the lease ends, and doubtful from now on, should the
    worker die.

    Once Zendesk has forgotten the key only the look-up protects, and a new key does no harm.
    """
    if row.sent_at is not None and now - row.sent_at > KEY_LIFE:
        return row.moved(now, due_at=now + LEASE, sent_at=now, attempt=row.attempt + 1)
    return row.moved(now, due_at=now + LEASE, sent_at=row.sent_at or now)


def postponed(row: TicketRow, now: float, until: float) -> TicketRow:
    """Not sent, because the gate is closed. Spread a little, so that not all come at once."""
    return row.moved(now, due_at=until + _jitter(2.0))


def submitted(row: TicketRow, submission: Submission, now: float) -> TicketRow:
    if submission.job_id is None and submission.ticket_id is not None:
        return created(row, submission.ticket_id, now)
    return row.moved(
        now,
        state=TicketState.SUBMITTED,
        job_id=submission.job_id,
        job_index=0,
        ticket_id=submission.ticket_id,
        submitted_at=now,
        tries=0,
        due_at=now + POLL_PAUSES[0],
    )


def created(row: TicketRow, ticket_id: int, now: float) -> TicketRow:
    return row.moved(now, state=TicketState.CREATED, ticket_id=ticket_id, error_code=None, error_sentence=None)


def not_taken(
    row: TicketRow, error: ZendeskError, now: float, *, sent_before: float | None, doubtful_pause: float
) -> TicketRow:
    """The request brought no success. `sent_before` is what was in doubt before this worker sent: it outlives a
    certain refusal.
    """
    if isinstance(error, Rejected):
        return failed(row, error.code, error.sentence, now)
    if now - row.created_at > GIVE_UP_AFTER:
        return failed(row, error.code, f"Given up after three days. The last reason: {error.sentence}", now)
    sent_at, pause = sent_before, _growing(2.0, row.tries)
    if isinstance(error, Uncertain):
        sent_at, pause = row.sent_at, _growing(doubtful_pause, row.tries)
    elif isinstance(error, Throttled):
        sent_at = sent_before if error.certain else row.sent_at
        pause = (error.retry_after or 0) + _jitter(2.0)
    return row.moved(
        now,
        sent_at=sent_at,
        tries=row.tries + 1,
        due_at=now + pause,
        error_code=error.code,
        error_sentence=error.sentence,
    )


def new_attempt(row: TicketRow, code: str, sentence: str, now: float) -> TicketRow:
    """Back to the start with a new key: the old one would only bring back the old job. Doubtful, so it is looked for
    first.
    """
    if row.failures + 1 >= MAX_FAILURES:
        return failed(row, code, f"Given up after {MAX_FAILURES} jobs. The last one's reason: {sentence}", now)
    return row.moved(
        now,
        state=TicketState.ACCEPTED,
        attempt=row.attempt + 1,
        failures=row.failures + 1,
        tries=0,
        sent_at=None,
        job_id=None,
        due_at=now + _growing(2.0, row.failures),
        error_code=code,
        error_sentence=sentence,
    )


def failed(row: TicketRow, code: str, sentence: str, now: float) -> TicketRow:
    return row.moved(now, state=TicketState.FAILED, error_code=code, error_sentence=sentence)


def needs_look(row: TicketRow, job: Job | None, now: float) -> bool:
    """The job does not say what became of the ticket, so only the ticket itself can."""
    if job is None:
        return _age(row, now) > YOUNG_JOB
    return job.status == "completed" and _failure(row, job) is None and _ticket_id(row, job) is None


def polled(row: TicketRow, job: Job | None, now: float) -> TicketRow:
    """After a look at the job, where that was enough (`needs_look`)."""
    if job is None or not job.over:
        return still_waiting(row, now)
    if failure := _failure(row, job):
        if failure.error in OWN_FAULT and failure.details:
            return failed(row, failure.error, failure.details, now)
        return new_attempt(row, failure.error or "", failure.details or job.message, now)
    ticket_id = _ticket_id(row, job)
    if job.status == "completed" and ticket_id is not None:
        return created(row, ticket_id, now)
    return new_attempt(row, f"job_{job.status}", job.message or f"The job was {job.status}.", now)


def not_found(row: TicketRow, job: Job | None, now: float, *, forgotten_after: float) -> TicketRow:
    """No ticket, and a job that is unknown or does not name one: patience first, then a new attempt."""
    if _age(row, now) <= (forgotten_after if job is None else RESULT_PATIENCE):
        return still_waiting(row, now)
    if job is None:
        return new_attempt(row, "job_forgotten", "Zendesk no longer knows the job, and there is no ticket.", now)
    return new_attempt(
        row, "job_without_result", "The job was completed without naming the ticket, and there is none.", now
    )


def still_waiting(row: TicketRow, now: float) -> TicketRow:
    """Asked again later and later: during an incident a job may be queued for hours."""
    if now - row.created_at > GIVE_UP_AFTER:
        return failed(row, "job_stuck", "Zendesk did not finish the job in three days.", now)
    pause = POLL_PAUSES[min(row.tries + 1, len(POLL_PAUSES) - 1)]
    return row.moved(now, tries=row.tries + 1, due_at=now + pause)


def unanswered(row: TicketRow, error: ZendeskError, now: float) -> TicketRow:
    """The question about the job was not answered: that says nothing about the ticket."""
    later = still_waiting(row, now)
    if isinstance(error, Throttled) and later.due_at is not None:
        return later.model_copy(update={"due_at": max(later.due_at, now + (error.retry_after or 0) + _jitter(2.0))})
    return later


def _failure(row: TicketRow, job: Job) -> Result | None:
    result = job.results.get(row.job_index)
    return result if result and result.error else None


def _ticket_id(row: TicketRow, job: Job) -> int | None:
    """A result that is ours and tells of no error means the announced ticket, should it not repeat the id."""
    result = job.results.get(row.job_index)
    return (result.ticket_id or row.ticket_id) if result else None


def _age(row: TicketRow, now: float) -> float:
    return now - (row.submitted_at or row.created_at)


def _growing(pause: float, tries: int) -> float:
    return float(min(pause * 2 ** min(tries, 12), LONGEST_PAUSE)) + _jitter(1.0)


def _jitter(most: float) -> float:
    return random.uniform(0, most)  # noqa: S311 - spreads load, guards nothing
