"""How a ticket update moves: pure functions from a row and what was learned to the next row.

accepted ──the PUT landed, or its changes are true already──▶ applied ◀──────its result says so──┐
 ▲ │ ├──its condition does not hold, our own user did it, or its policy is to skip──▶ skipped     │
 │ │ ├──others changed what it would change, and its policy says so──▶ conflict                   │
 │ │ └──Zendesk's final no, or too many conflicts──▶ failed ◀────────────────its result says so──┤
 │ └──sent together with updates of other tickets──▶ submitted ──────────────────────────────────┤
 └──the ticket was changed concurrently, or no answer: due again, decided again on the newer ──┘
"""

from collections.abc import Sequence

from ticket_relay.states.backoff import LEASE, TOGETHER_PAUSE, YOUNG_JOB, growing, jitter
from ticket_relay.states.waiting import still_waiting
from ticket_relay.storage.parts import Step, Upload
from ticket_relay.storage.rows import DAY, UNFINISHED_RETENTION, UpdateRow, UpdateState
from ticket_relay.zendesk.errors import Conflict, NotSent, Rejected, Throttled, ZendeskError
from ticket_relay.zendesk.jobs import Job
from ticket_relay.zendesk.transport import closes

GIVE_UP_AFTER = DAY
LAG = 60.0
MAX_CONFLICTS = 30
LONGEST_PAUSE = 300.0
SETTLED = 1.0
"""Seconds after which the second of an update is over, so that the next can be decided on it."""
REFUSED_TOGETHER = "refused_together"
NO_TICKET = "ticket_not_found"
TICKET_CHANGED = ("ticket_changed", "Others changed the ticket since the stamp, and the rule's policy is to skip.")


def claimed(
    pk: str,
    ticket_id: int,
    invocation_id: str,
    event: bytes,
    now: float,
    *,
    closed_until: float | None,
    of_event: str | None = None,
    files: int = 0,
) -> UpdateRow:
    """A new update: leased to the worker that wins the claim, or waiting where the gate is closed."""
    return UpdateRow(
        pk=pk,
        state=UpdateState.ACCEPTED,
        ticket_id=ticket_id,
        invocation_id=invocation_id,
        event=event,
        of_event=of_event,
        files=files,
        due_at=closed_until or now + LEASE,
        leased_at=None if closed_until else now,
        created_at=now,
        updated_at=now,
        expires_at=now + UNFINISHED_RETENTION,
        history=(Step(state=UpdateState.ACCEPTED, at=now),),
    )


def held(row: UpdateRow, now: float, rest: bytes | None = None, lease: float = LEASE) -> UpdateRow:
    """Taken by a worker that is about to send, and due when its lease ends.

    `rest` is what follows in a second request: what the rule decides after the first may be something else.
    """
    return row.moved(now, due_at=now + lease, leased_at=now, leased_rest=rest)


def released(row: UpdateRow, now: float) -> UpdateRow:
    """Held, and not sent after all: due at once."""
    return row.moved(now, **row.if_not_sent, due_at=now)


def submitted(row: UpdateRow, job_id: str, index: int, now: float) -> UpdateRow:
    """Taken on in a job, as its update number `index`."""
    return row.moved(
        now,
        **row.if_sent,
        state=UpdateState.SUBMITTED,
        job_id=job_id,
        job_index=index,
        submitted_at=now,
        retries=0,
        due_at=now + TOGETHER_PAUSE,
        error_code=None,
        error_sentence=None,
    )


def applied(row: UpdateRow, now: float, reason: str | None = None) -> UpdateRow:
    """The end. What it was made of holds a customer's words, and has done its work."""
    return row.moved(
        now,
        state=UpdateState.APPLIED,
        event=None,
        rest=None,
        leased_rest=None,
        job_id=None,
        error_code=reason,
        error_sentence=None,
    )


def half_applied(row: UpdateRow, now: float) -> UpdateRow:
    """The first of two requests has landed for certain; `rest` goes out when the ticket can be read again."""
    landed = row.if_sent | {"sent_at": None}
    return row.moved(now, **landed, retries=0, due_at=now + SETTLED, error_code=None, error_sentence=None)


def without_files(row: UpdateRow, number: int, now: float) -> UpdateRow:
    """Not sent, and it has not landed: file `number` is to be uploaded before, for the first time or again."""
    return row.moved(now, **row.if_not_sent, uploads=row.uploads[:number], due_at=now)


def redriven(row: UpdateRow, now: float) -> UpdateRow:
    """Redriven by an operator, who means the ticket as it is now. In doubt if it ended so: then the audits are read
    first.
    """
    return row.moved(
        now,
        state=UpdateState.ACCEPTED,
        base=None,
        conflicts=0,
        retries=0,
        # The tokens may be used up, but whether the update has landed is looked at before files are fetched again.
        uploads=tuple(
            Upload(token=it.token, reason=it.reason, sentence=it.sentence) for it in row.uploads if row.in_doubt
        ),
        redriven_at=now,
        due_at=now,
        error_code="redriven",
        error_sentence="Redriven by an operator.",
    )


def not_found(row: UpdateRow, now: float) -> UpdateRow:
    """A trigger tells only of tickets that exist, so at first their absence is a copy of the database that lags."""
    sentence = "Zendesk has no such ticket."
    if now - row.retry_window_start > LAG:
        return failed(row, NO_TICKET, sentence, now)
    return on_update_error(row, NotSent(NO_TICKET, sentence), now, conflicts=row.conflicts)


def skipped(row: UpdateRow, now: float, reason: str | None = None, sentence: str | None = None) -> UpdateRow:
    return row.moved(
        now,
        state=UpdateState.SKIPPED,
        event=None,
        rest=None,
        leased_rest=None,
        error_code=reason,
        error_sentence=sentence,
    )


def conflict(row: UpdateRow, fields: Sequence[str], now: float) -> UpdateRow:
    """The policy said not to overwrite. An operator may set it going again."""
    sentence = f"Others changed since the stamp what this would change: {', '.join(fields)}."
    return row.moved(
        now, **row.if_not_sent, state=UpdateState.CONFLICT, error_code="update_conflict", error_sentence=sentence[:500]
    )


def failed(row: UpdateRow, code: str, sentence: str, now: float) -> UpdateRow:
    return row.moved(now, **row.if_not_sent, state=UpdateState.FAILED, error_code=code, error_sentence=sentence)


def on_update_error(
    row: UpdateRow, error: ZendeskError, now: float, *, conflicts: int, sent: bool = True, spread: float = 2.0
) -> UpdateRow:
    """No success, after so many conflicts in all; `sent` says whether a request was sent that may have had an effect.

    Doubt from before the lease outlives a certain refusal. `spread` is as for a ticket.
    """
    if sent and error.outcome_unknown:
        row = row.after_lease()
    if conflicts > MAX_CONFLICTS:
        return _overtaken(row, error.code, conflicts, now)
    if isinstance(error, Rejected) and not isinstance(error, Conflict):
        return failed(row, error.code, error.sentence, now)
    if now - row.retry_window_start > GIVE_UP_AFTER:
        return _too_late(row, error.code, error.sentence, now)
    pause = growing(2.0, row.retries, most=LONGEST_PAUSE)
    if isinstance(error, Throttled):
        pause = (error.retry_after or 0) + jitter(spread)
    return row.moved(
        now,
        **row.if_not_sent,
        conflicts=conflicts,
        retries=row.retries + 1,
        due_at=now + pause,
        error_code=error.code,
        error_sentence=error.sentence,
    )


def refused_together(row: UpdateRow, error: Rejected, now: float) -> UpdateRow:
    """Of many in one request, which had no effect, one is to blame: now each is sent alone, and learns its own."""
    return row.moved(now, **row.if_not_sent, due_at=now, error_code=REFUSED_TOGETHER, error_sentence=error.sentence)


def must_go_alone(row: UpdateRow) -> bool:
    """Whether it must not be sent with others again."""
    return row.error_code == REFUSED_TOGETHER


def polled(row: UpdateRow, job: Job | None, now: float, *, forgotten_after: float) -> UpdateRow:
    """After the job was polled: its result decides, and without one the audits do."""
    age = now - (row.submitted_at or row.created_at)
    if (job is None and age < max(forgotten_after, YOUNG_JOB)) or (job and not job.over and age < GIVE_UP_AFTER):
        return still_waiting(row, now)
    result = job.of_ticket(row.ticket_id, row.job_index) if job else None
    if job is None or result is None:
        code, sentence = ("job_forgotten", "Zendesk no longer knows the job.") if job is None else _no_result(job)
        return _again(row, code, sentence, now, sent_at=row.sent_at, conflicts=row.conflicts)
    if not result.error:
        return applied(row, now)
    if result.error == "UpdateConflict" or closes(result.details):
        return _again(row, result.error, result.details, now, sent_at=None, conflicts=row.conflicts + 1)
    if not result.blames_the_ticket:
        # A deadlock, a limit, a fault of Zendesk's: sent alone the update would be tried again, and so it is.
        return _again(row, result.error, result.details, now, sent_at=row.sent_at, conflicts=row.conflicts)
    return failed(row, result.error, result.details, now)


def _no_result(job: Job) -> tuple[str, str]:
    return f"job_{job.status}", job.message or f"The job was {job.status} without a word on this ticket."


def _again(row: UpdateRow, code: str, sentence: str, now: float, *, sent_at: float | None, conflicts: int) -> UpdateRow:
    """Back to be decided on the ticket as it is now."""
    if conflicts > MAX_CONFLICTS:
        return _overtaken(row, code, conflicts, now)
    if now - row.retry_window_start > GIVE_UP_AFTER:
        return _too_late(row, code, sentence, now)
    return row.moved(
        now,
        state=UpdateState.ACCEPTED,
        job_id=None,
        sent_at=sent_at,
        conflicts=conflicts,
        due_at=now + growing(2.0, row.retries, most=LONGEST_PAUSE),
        error_code=code,
        error_sentence=sentence,
    )


def _overtaken(row: UpdateRow, code: str, conflicts: int, now: float) -> UpdateRow:
    return failed(row, code, f"Given up: the ticket was changed concurrently {conflicts} times.", now)


def _too_late(row: UpdateRow, code: str, sentence: str, now: float) -> UpdateRow:
    return failed(row, code, f"Given up after a day. The last reason: {sentence}", now)
