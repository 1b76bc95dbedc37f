"""Restoring rows that the table has lost, from a copy of it as DynamoDB's point-in-time recovery makes one."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from ticket_relay.storage.rows import Row, TicketRow, TicketState
from ticket_relay.storage.store import Store


def restore(store: Store, copy: Store, pks: Iterable[str], now: float) -> Counter[str]:
    """Put those of the copy's rows that the table does not have. How many were `restored`, `there` already, `gone` from
    the copy, or `unreadable` by this version.

    Raises StoreUnavailable; a retry is safe, since a row that is there stays as it is.
    """
    return Counter(_restored(store, copy, pk, now) for pk in pks)


def in_doubt(row: Row, now: float) -> Row:
    """The row as the poller may take it up. What the copy calls unsent may have been sent since: it is looked for in
    Zendesk first.
    """
    if row.state not in row.working:
        return row
    changes: dict[str, Any] = {"leased_at": None, "due_at": now}
    if row.state != TicketState.SUBMITTED:
        changes = row.if_sent | changes | {"sent_at": row.sent_at or row.leased_at or row.updated_at}
    if isinstance(row, TicketRow):
        changes["candidate_jobs"] = None
    return row.moved(now, **changes, error_code="restored", error_sentence="Restored from a copy of the table.")


def _restored(store: Store, copy: Store, pk: str, now: float) -> str:
    try:
        row = copy.get(pk)
    except ValidationError:
        return "unreadable"
    if row is None:
        return "gone"
    return "restored" if store.claim(in_doubt(row, now)) is None else "there"
