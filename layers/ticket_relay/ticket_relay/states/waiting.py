"""Rows that wait, be they events or updates: for the gate, or for what a job has to say."""

from ticket_relay.states.backoff import jitter, poll_pause
from ticket_relay.storage.rows import Row
from ticket_relay.zendesk.errors import Throttled, ZendeskError


def deferred[R: Row](row: R, now: float, until: float) -> R:
    """Not sent, or not polled, before `until`: the gate is closed."""
    return row.moved(now, **row.if_not_sent, due_at=until)


def still_waiting[R: Row](row: R, now: float) -> R:
    return row.moved(now, retries=row.retries + 1, due_at=now + poll_pause(row.retries + 1))


def unanswered[R: Row](row: R, error: ZendeskError, now: float) -> R:
    """The question about the job was not answered: that says nothing about the ticket."""
    wait = (error.retry_after or 0) + jitter(2.0) if isinstance(error, Throttled) else 0
    return row.moved(now, retries=row.retries + 1, due_at=now + max(poll_pause(row.retries + 1), wait))
