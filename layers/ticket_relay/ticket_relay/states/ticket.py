"""How a ticket request moves: pure functions from a row and what was learned to the next row.

    accepted ──202 with a job──▶ submitted ──job completed──▶ created
       ▲  │ └──found by its external_id, or 201──────────────────▲ ▲
       │  └──Zendesk's final no, or three days──▶ failed           │
       └──job failed, killed or forgotten: a new attempt── submitted ──the ticket's own fault──▶ failed

Whatever happens, a row is either over, or has a time at which it is due. The whole picture: docs/architecture.md.
"""

from typing import Any

from ticket_relay.errors import MappingFailed, RelayError
from ticket_relay.states.backoff import LEASE, TOGETHER_PAUSE, YOUNG_JOB, growing, jitter, poll_pause
from ticket_relay.states.waiting import still_waiting
from ticket_relay.storage.events import NOWHERE, Kept
from ticket_relay.storage.parts import Joining, Step
from ticket_relay.storage.rows import DAY, UNFINISHED_RETENTION, TicketRow, TicketState, ticket_pk
from ticket_relay.zendesk.client import Submission
from ticket_relay.zendesk.errors import OutcomeUnknown, Rejected, Throttled, ZendeskError
from ticket_relay.zendesk.jobs import Job
from ticket_relay.zendesk.request_body import followed_up, followers_named, properties_named

KEY_LIFE = 110 * 60.0
"""Idempotency keys live two hours ("Idempotency"); the same request repeated later would be a new ticket."""
RESULT_WAIT = 60.0
"""Seconds to look for the ticket of a completed job that does not name it."""
MAX_FAILURES = 20
"""Jobs that may come to nothing before the ticket is given up: with their pauses, half a day of an incident."""
GIVE_UP_AFTER = 3 * DAY
LONGEST_PAUSE = 600.0
FORGOTTEN = "job_forgotten"
REFUSED_TOGETHER = "refused_together"

LONGEST_ATTEMPT_PAUSE = 3600.0
"""Seconds between two attempts whose jobs came to nothing."""


# The names under which a create fails on its content; a passing fault of Zendesk's may have one of them, too.
_OWN_FAULT = frozenset({"TicketCreateFailed", "RecordInvalid"})


def claimed(
    partner: str,
    event_id: str,
    request: bytes | None,
    now: float,
    *,
    closed_until: float | None,
    digest: bytes | None = None,
    kept: Kept = NOWHERE,
    files: int = 0,
) -> TicketRow:
    """A new request: leased to the worker that wins the claim, or waiting where the gate is closed, or for its files to
    be uploaded. `kept` tells where its raw event is, if that is kept.
    """
    if files:
        closed_until = closed_until or now
    return TicketRow(
        pk=ticket_pk(partner, event_id),
        state=TicketState.ACCEPTED,
        partner=partner,
        event_id=event_id,
        request=request,
        files=files,
        **kept.attributes,
        keeps_event=kept != NOWHERE,
        body_digest=digest,
        due_at=closed_until or now + LEASE,
        leased_at=None if closed_until else now,
        created_at=now,
        updated_at=now,
        expires_at=now + UNFINISHED_RETENTION,
        history=(Step(state=TicketState.ACCEPTED, at=now),),
    )


def about(row: TicketRow, correlation: str, joining: Joining, changes: bytes | None) -> TicketRow:
    """The same new row, as one of several events about the same thing."""
    return row.model_copy(update={"correlation": correlation, "joining": joining, "changes": changes})


def unmapped(
    partner: str,
    event_id: str,
    kept: Kept,
    error: MappingFailed,
    now: float,
    *,
    digest: bytes | None = None,
    keep: bool = False,
) -> TicketRow:
    """Authentic, but the definition does not fit: kept whole until a person fixes it and redrives, or even after it."""
    return TicketRow(
        pk=ticket_pk(partner, event_id),
        state=TicketState.UNMAPPED,
        partner=partner,
        event_id=event_id,
        **kept.attributes,
        keeps_event=keep,
        body_digest=digest,
        error_code=error.code,
        error_sentence=error.sentence,
        created_at=now,
        updated_at=now,
        expires_at=now + UNFINISHED_RETENTION,
        history=(Step(state=TicketState.UNMAPPED, at=now, reason=error.code),),
    )


def held(row: TicketRow, now: float, lease: float = LEASE) -> TicketRow:
    """Taken by a worker that is about to send, and due when its lease ends.

    Once Zendesk has forgotten the key only the look-up protects, and a new key does no harm.
    """
    key_is_over = row.sent_at is not None and now - row.sent_at > KEY_LIFE
    return row.moved(
        now,
        due_at=now + lease,
        leased_at=now,
        sent_at=None if key_is_over else row.sent_at,
        attempt=row.attempt + key_is_over,
    )


def redriven(row: TicketRow, now: float, *, remap: bool = False) -> TicketRow:
    """Redriven by an operator. What was sent before has a key of its own, and is looked for. Another event may lead by
    now. To `remap` it is to forget what its event became: the poller maps it again, once its ticket was looked for.
    """
    forgotten: dict[str, Any] = {"sent_at": None}
    if remap:
        forgotten = dict.fromkeys(("request", "changes", "correlation", "joining")) | {"files": 0}
    return row.moved(
        now,
        **forgotten,
        state=TicketState.ACCEPTED,
        attempt=row.attempt + (row.request is not None),
        failures=0,
        retries=0,
        # What was sent with the old ones may have used them up.
        uploads=(),
        leads=False,
        candidate_jobs=None,
        job_id=None,
        submitted_at=None,
        redriven_at=now,
        due_at=now,
        error_code="redriven",
        error_sentence="Redriven by an operator.",
    )


def mapped(row: TicketRow, request: bytes | None, files: int, now: float) -> TicketRow:
    """Redriven, and now understood: due at once. What was sent before has been looked for."""
    now_known = {"request": request, "changes": row.changes, "files": files, "uploads": (), "sent_at": None}
    return row.moved(now, **row.if_over | now_known, due_at=now)


def still_unmapped(row: TicketRow, error: RelayError, now: float, kept: Kept = NOWHERE) -> TicketRow:
    """`kept` tells where its event is now, if it is elsewhere."""
    return row.moved(
        now,
        event_at=kept.event_at or row.event_at,
        state=TicketState.UNMAPPED,
        error_code=error.code,
        error_sentence=error.sentence,
    )


def ignored(row: TicketRow, now: float, reason: str | None = None) -> TicketRow:
    """The end of an event that its partner's definition does not want: it was redriven from unmapped, or waited."""
    return row.moved(
        now,
        **row.if_over,
        state=TicketState.IGNORED,
        error_code=reason,
        error_sentence=None,
    )


def split(row: TicketRow, now: float) -> TicketRow:
    """The end of a delivery that was redriven from unmapped: its events have rows of their own."""
    return row.moved(now, **row.if_over, state=TicketState.SPLIT, error_code=None, error_sentence=None)


def submitted(
    row: TicketRow, submission: Submission, now: float, index: int = 0, *, together: bool = False
) -> TicketRow:
    """Taken on: in a job, as its ticket number `index`, perhaps `together` with others; or made at once."""
    if submission.job_id is None and submission.ticket_id is not None:
        return created(row, submission.ticket_id, now)
    return row.moved(
        now,
        **row.if_sent,
        state=TicketState.SUBMITTED,
        job_id=submission.job_id,
        job_index=index,
        together=together,
        ticket_id=submission.ticket_id,
        submitted_at=now,
        followers=followers_named(row.request or b""),
        named=properties_named(row.request or b""),
        retries=0,
        due_at=now + (TOGETHER_PAUSE if together else poll_pause(0)),
        error_code=None,
        error_sentence=None,
    )


def created(row: TicketRow, ticket_id: int, now: float) -> TicketRow:
    """The end."""
    return row.moved(
        now,
        **row.if_over,
        state=TicketState.CREATED,
        ticket_id=ticket_id,
        error_code=None,
        error_sentence=None,
    )


def waiting_for_jobs(row: TicketRow, candidate_jobs: tuple[str, ...], now: float) -> TicketRow:
    """Not sent, because one of these unfinished jobs may be about to make the ticket."""
    return row.moved(
        now,
        **row.if_not_sent,
        candidate_jobs=candidate_jobs,
        retries=row.retries + 1,
        due_at=now + growing(2.0, row.retries, most=60.0),
        error_code="job_unfinished",
        error_sentence="An unfinished job at Zendesk may be about to make this ticket.",
    )


def without_files(row: TicketRow, number: int, now: float) -> TicketRow:
    """Not sent, and there is no ticket: file `number` is to be uploaded before, for the first time or again."""
    return row.moved(now, **row.if_not_sent, candidate_jobs=(), uploads=row.uploads[:number], due_at=now)


def jobs_may_be_candidates(row: TicketRow, now: float) -> bool:
    """While the key lives; after that, as for the key itself, the look-up alone must do. What is redriven may have been
    sent a moment before.
    """
    last = row.sent_at or row.submitted_at or row.created_at
    return now - max(last, row.redriven_at or 0.0) < KEY_LIFE


def on_create_error(
    row: TicketRow,
    error: ZendeskError,
    now: float,
    *,
    doubtful_pause: float,
    sent: bool = True,
    spread: float = 2.0,
) -> TicketRow:
    """The request of a held row brought no success, or was not `sent`, since the look-up before it brought none.

    Doubt from before the lease outlives a certain refusal. After a `Throttled`, rows are due up to `spread` seconds
    apart, so that not all come at once.
    """
    if isinstance(error, Rejected):
        return failed(row, error.code, error.sentence, now)
    if sent and error.outcome_unknown:
        row = row.after_lease()
    if now - row.retry_window_start > GIVE_UP_AFTER:
        return failed(row, error.code, f"Given up after three days. The last reason: {error.sentence}", now)
    pause = growing(2.0, row.retries, most=LONGEST_PAUSE)
    if isinstance(error, OutcomeUnknown):
        pause = growing(doubtful_pause, row.retries, most=LONGEST_PAUSE)
    elif isinstance(error, Throttled):
        pause = (error.retry_after or 0) + jitter(spread)
    return row.moved(
        now,
        **row.if_not_sent,
        retries=row.retries + 1,
        due_at=now + pause,
        error_code=error.code,
        error_sentence=error.sentence,
    )


def on_batch_error(row: TicketRow, error: ZendeskError, now: float, *, doubtful_pause: float) -> TicketRow:
    """One of many in a request that brought no success. If one of them is to blame, each is sent alone now, and learns
    its own outcome; those that must wait go together again.
    """
    if isinstance(error, Rejected):
        return row.moved(now, **row.if_not_sent, due_at=now, error_code=REFUSED_TOGETHER, error_sentence=error.sentence)
    return on_create_error(row, error, now, doubtful_pause=doubtful_pause, spread=0)


def may_go_together(row: TicketRow, now: float) -> bool:
    """Whether it may be sent with others. What is in doubt is looked for, and sent with its own key; and what a
    follow-up continues is looked at.
    """
    if row.request is None or row.in_line or row.next_file(now) is not None or followed_up(row.request) is not None:
        return False
    return not row.after_lease().in_doubt and row.error_code != REFUSED_TOGETHER


def nothing_to_follow_up(row: TicketRow, source: int, now: float, *, exists: bool) -> TicketRow:
    """Not sent: "the parameter only works with closed tickets", and others make a ticket that refers to nothing."""
    if exists:
        return failed(row, "follow_up_source_open", f"Ticket {source} is not closed, so nothing can follow it up.", now)
    return failed(row, "follow_up_source_missing", f"There is no ticket {source} to follow up.", now)


def new_attempt(row: TicketRow, code: str, sentence: str, now: float) -> TicketRow:
    """Back to the start with a new key: the old one would bring back the old job. Doubtful, so it is looked for."""
    if row.failures + 1 >= MAX_FAILURES:
        return failed(row, code, f"Given up after {MAX_FAILURES} jobs. The last one's reason: {sentence}", now)
    return row.moved(
        now,
        state=TicketState.ACCEPTED,
        attempt=row.attempt + 1,
        failures=row.failures + 1,
        retries=0,
        # A job that came to nothing may have used them up.
        uploads=(),
        sent_at=None,
        job_id=None,
        # A job that is over makes no ticket any more; one that was forgotten might still be among the unfinished.
        candidate_jobs=None if code == FORGOTTEN else (),
        due_at=now + growing(5.0, row.failures, most=LONGEST_ATTEMPT_PAUSE),
        error_code=code,
        error_sentence=sentence,
    )


def failed(row: TicketRow, code: str, sentence: str, now: float) -> TicketRow:
    return row.moved(now, state=TicketState.FAILED, error_code=code, error_sentence=sentence)


def needs_look_up(row: TicketRow, job: Job | None, now: float) -> bool:
    """Whether the ticket itself must be looked for, since even a job that failed may have left it.

    The job is unknown, or will not be finished, or is over without naming the ticket.
    """
    if job is None:
        return _age(row, now) > YOUNG_JOB
    return _ticket_id(row, job) is None if job.over else _age(row, now) > GIVE_UP_AFTER


def polled(row: TicketRow, job: Job | None, now: float) -> TicketRow:
    """After the job was polled, where that was enough (`needs_look_up`)."""
    ticket_id = _ticket_id(row, job) if job else None
    return still_waiting(row, now) if ticket_id is None else created(row, ticket_id, now)


def not_found(row: TicketRow, job: Job | None, now: float, *, forgotten_after: float) -> TicketRow:
    """There is no ticket, and a job that is unknown or over: a new attempt, in time, unless the ticket is to blame."""
    result = job.results.get(row.job_index) if job else None
    if result and result.error in _OWN_FAULT and result.blames_the_ticket:
        return failed(row, result.error, result.details, now)
    if job and not job.over:
        return failed(row, "job_stuck", "Zendesk did not finish the job in three days, and there is no ticket.", now)
    if job is None:
        wait = forgotten_after
    else:
        wait = RESULT_WAIT if job.status == "completed" and not (result and result.error) else 0
    if _age(row, now) < wait:
        return still_waiting(row, now)
    return new_attempt(row, *_reason(row, job), now)


def _reason(row: TicketRow, job: Job | None) -> tuple[str, str]:
    """Why a job came to nothing: a code and a sentence."""
    if job is None:
        return FORGOTTEN, "Zendesk no longer knows the job, and there is no ticket."
    result = job.results.get(row.job_index)
    if result and result.error:
        return result.error, result.details or job.message
    if job.status == "completed":
        return "job_without_result", "The job was completed without naming the ticket, and there is none."
    return f"job_{job.status}", job.message or f"The job was {job.status}."


def _ticket_id(row: TicketRow, job: Job) -> int | None:
    """A result that is ours and tells of no error means the announced ticket, should it not repeat the id."""
    result = job.results.get(row.job_index)
    if job.status != "completed" or result is None or result.error:
        return None
    return result.ticket_id or row.ticket_id


def _age(row: TicketRow, now: float) -> float:
    return now - (row.submitted_at or row.created_at)
