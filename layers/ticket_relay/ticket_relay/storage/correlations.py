"""Which events are about the same thing: one item for each correlation, changed by conditional writes only.

The event that `leads` has the ticket, or is to have it. All others stand in `pending`, in the order in which they came,
and the first of them goes to that ticket, or takes the lead. Rows are claimed before they stand here, so that no lead
and no place is held by an event that is not durable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ticket_relay.errors import RelayError
from ticket_relay.storage.dynamodb import ConditionFailed, Item, Table
from ticket_relay.storage.rows import UNFINISHED_RETENTION

MOST_PENDING = 300
"""Keys have some hundred bytes at most, and DynamoDB takes 400 KB an item."""


class CorrelationFull(RelayError):
    """Too many events wait for one ticket. The row waits, and tries again."""

    code = "correlation_full"


@dataclass(frozen=True, slots=True)
class Correlation:
    """`leader` and `pending` are keys of rows. `ticket_id` is the leader's ticket, once an event has joined it.

    `term` counts the writes that took or confirmed the lead: who takes it over names the term that it saw, so that a
    leader which goes on meanwhile keeps it.
    """

    pk: str
    leader: str | None = None
    term: int = 0
    ticket_id: int | None = None
    pending: tuple[str, ...] = ()


class Correlations:
    """Raises StoreUnavailable from every method; repeating is safe then. `now` is in epoch seconds."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def get(self, pk: str) -> Correlation:
        """As it is in the table; one without a leader where there is none."""
        return _correlation(self._table.get(pk) or {"pk": pk})

    def lead(self, pk: str, row: str, now: float) -> Correlation | None:
        """Let the row lead where none does, or confirm that it does; None if another one leads.

        Two events at once:   A lead ─ won ─── sends
                              B ────── lead ── lost ─ joins
        """
        return self._changed(
            pk,
            "SET leader = :row, term = if_not_exists(term, :none) + :one, expires_at = :expires_at",
            only_if="attribute_not_exists(leader) OR leader = :row",
            given={":row": row, ":none": 0, ":one": 1, ":expires_at": _expires_at(now)},
        )

    def join(self, pk: str, row: str, now: float) -> Correlation:
        """Append the row, unless it is there already or leads. Raises CorrelationFull."""
        joined = self._changed(
            pk,
            "SET pending = list_append(if_not_exists(pending, :none), :rows), expires_at = :expires_at",
            only_if="(attribute_not_exists(leader) OR leader <> :row) AND "
            "(attribute_not_exists(pending) OR (NOT contains(pending, :row) AND size(pending) < :most))",
            given={
                ":row": row,
                ":rows": [row],
                ":none": [],
                ":most": MOST_PENDING,
                ":expires_at": _expires_at(now),
            },
        )
        if joined is not None:
            return joined
        there = self.get(pk)
        if there.leader != row and row not in there.pending:
            raise CorrelationFull("Too many events about the same thing wait for its ticket.")
        return there

    def leave(self, there: Correlation, row: str, ticket_id: int | None, now: float) -> Correlation:
        """Take away the first row, which is over. `ticket_id` is the leader's ticket, if it is known."""
        remember = ", ticket_id = :ticket_id" if ticket_id is not None else ""
        left = self._changed(
            there.pk,
            f"SET expires_at = :expires_at{remember} REMOVE pending[0]",
            only_if="pending[0] = :row AND leader = :leader" if there.leader else "pending[0] = :row",
            given={":row": row, ":expires_at": _expires_at(now)}
            | ({":leader": there.leader} if there.leader else {})
            | ({":ticket_id": ticket_id} if remember else {}),
        )
        return left or self.get(there.pk)

    def take_over(self, there: Correlation, row: str, now: float) -> Correlation | None:
        """Let a row of the line lead in place of the present leader; None if the line or the lead has changed since
        `there` was read.
        """
        place = f"pending[{there.pending.index(row)}]"
        return self._changed(
            there.pk,
            f"SET leader = :row, term = :next, expires_at = :expires_at REMOVE {place}, ticket_id",
            only_if=f"{place} = :row AND "
            + ("leader = :leader AND term = :term" if there.leader else "attribute_not_exists(leader)"),
            given={":row": row, ":next": there.term + 1, ":expires_at": _expires_at(now)}
            | ({":leader": there.leader, ":term": there.term} if there.leader else {}),
        )

    def _changed(self, pk: str, change: str, *, only_if: str, given: Mapping[str, Any]) -> Correlation | None:
        try:
            return _correlation(self._table.update(pk, change, only_if=only_if, given=given))
        except ConditionFailed:
            return None


def _correlation(item: Item) -> Correlation:
    return Correlation(
        item["pk"],
        item.get("leader"),
        item.get("term", 0),
        item.get("ticket_id"),
        tuple(item.get("pending", ())),
    )


def _expires_at(now: float) -> int:
    """It outlives the events, whose last one may come long after the first."""
    return int(now + UNFINISHED_RETENTION)
