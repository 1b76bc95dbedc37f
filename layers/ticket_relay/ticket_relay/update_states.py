"""How a ticket update moves: pure functions from a row and what was learned to the next row.

accepted ──the PUT landed, or its changes are true already──▶ applied
   │ ├──the rule's condition no longer holds, or our own user did it──▶ skipped
   │ └──Zendesk's final no, or too many conflicts──▶ failed
   └──the ticket changed under our hands, or no answer: due again, decided again on the newer ticket
"""

from ticket_relay.errors import Conflict, Rejected, Throttled, Uncertain, Unreached, ZendeskError
from ticket_relay.pauses import LEASE, growing, jitter
from ticket_relay.rows import DAY, UNFINISHED_RETENTION, Step, UpdateRow, UpdateState

GIVE_UP_AFTER = DAY
LAG = 60.0
MAX_CONFLICTS = 30
LONGEST_PAUSE = 300.0


def claimed(
    pk: str, ticket_id: int, invocation_id: str, event: bytes, now: float, *, closed_until: float | None
) -> UpdateRow:
    """A new update: held by whoever wins the claim, or waiting where the gate is closed."""
    row = UpdateRow(
        pk=pk,
        state=UpdateState.ACCEPTED,
        ticket_id=ticket_id,
        invocation_id=invocation_id,
        event=event,
        due_at=closed_until or now,
        created_at=now,
        updated_at=now,
        expires_at=now + UNFINISHED_RETENTION,
        history=(Step(state=UpdateState.ACCEPTED, at=now),),
    )
    return row if closed_until else row.model_copy(update={"due_at": now + LEASE, "sent_at": now})


def held(row: UpdateRow, now: float) -> UpdateRow:
    """Taken by a worker that is about to send: due when the lease ends, and doubtful from now on, should it die."""
    return row.moved(now, due_at=now + LEASE, sent_at=row.sent_at or now)


def postponed(row: UpdateRow, now: float, until: float) -> UpdateRow:
    return row.moved(now, due_at=until + jitter(2.0))


def applied(row: UpdateRow, now: float) -> UpdateRow:
    return row.moved(now, state=UpdateState.APPLIED, event=None, error_code=None, error_sentence=None)


def redriven(row: UpdateRow, now: float) -> UpdateRow:
    """Set going again by an operator. As doubtful as it ended, so the audits are looked at first."""
    return row.moved(
        now,
        state=UpdateState.ACCEPTED,
        conflicts=0,
        tries=0,
        redriven_at=now,
        due_at=now,
        error_code="redriven",
        error_sentence="Set going again by an operator.",
    )


def not_found(row: UpdateRow, now: float) -> UpdateRow:
    """A trigger tells only of tickets that exist, so at first their absence is a copy of the database that lags."""
    sentence = "Zendesk has no such ticket."
    if now - row.begun_at > LAG:
        return failed(row, "ticket_not_found", sentence, now)
    return not_applied(row, Unreached("ticket_not_found", sentence), now, conflicts=row.conflicts, sent_before=None)


def skipped(row: UpdateRow, now: float) -> UpdateRow:
    return row.moved(now, state=UpdateState.SKIPPED, event=None, error_code=None, error_sentence=None)


def failed(row: UpdateRow, code: str, sentence: str, now: float) -> UpdateRow:
    return row.moved(now, state=UpdateState.FAILED, error_code=code, error_sentence=sentence)


def not_applied(
    row: UpdateRow, error: ZendeskError, now: float, *, conflicts: int, sent_before: float | None
) -> UpdateRow:
    """No success, after so many conflicts in all. `sent_before`, the doubt from before, outlives a certain refusal."""
    if conflicts > MAX_CONFLICTS:
        return failed(row, error.code, f"Given up: the ticket had changed {conflicts} times under our hands.", now)
    if isinstance(error, Rejected) and not isinstance(error, Conflict):
        return failed(row, error.code, error.sentence, now)
    if now - row.begun_at > GIVE_UP_AFTER:
        return failed(row, error.code, f"Given up after a day. The last reason: {error.sentence}", now)
    pause = growing(2.0, row.tries, most=LONGEST_PAUSE)
    if isinstance(error, Throttled):
        pause = (error.retry_after or 0) + jitter(2.0)
    doubtful = isinstance(error, Uncertain) or (isinstance(error, Throttled) and not error.certain)
    return row.moved(
        now,
        sent_at=row.sent_at if doubtful else sent_before,
        conflicts=conflicts,
        tries=row.tries + 1,
        due_at=now + pause,
        error_code=error.code,
        error_sentence=error.sentence,
    )
