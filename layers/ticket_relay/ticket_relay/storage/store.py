"""Rows in the table: claimed once, moved one at a time, found when they are due; each new state counted and logged."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from pydantic import ValidationError

from ticket_relay import observability
from ticket_relay.errors import RelayError, StaleRow, StoreUnavailable
from ticket_relay.storage.dynamodb import ConditionFailed, Item, Table
from ticket_relay.storage.outcomes import outcome
from ticket_relay.storage.rows import DAY, Row, TicketRow, UpdateRow, Work

SHARDS = range(4)
"""Each kind of work is spread over so many keys of the due index: one takes 1000 writes a second."""
MOST_JOBS = 2000
"""Rows read for the jobs that are known to be ours."""
FAR = 10.0**11
"""A due time after all others, in epoch seconds."""
SEEN_FOR = DAY
"""Longer than any signature is accepted."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that should be a row and is not. It is counted, never guessed at."""

    pk: str


def count_and_log(row: Row, before: Row | None, *, by_partner: bool = False) -> None:
    """A new state is one metric and one line; a change within a state only a line of DEBUG.

    `by_partner` counts an event's new state for its partner as well. Zendesk's own sentence stays in the row.
    """
    about = {"pk": row.pk, "state": row.state, "attempt": row.attempt, "retries": row.retries, "reason": row.error_code}
    if before and before.state == row.state:
        observability.logger().debug("row kept", extra=about)
        return
    outcome = ("Ticket" if isinstance(row, TicketRow) else "Update") + row.state.capitalize()
    observability.count(outcome)
    if by_partner and isinstance(row, TicketRow):
        observability.count(outcome, partner=row.partner)
    observability.logger().info("row moved", extra=about)


class Store:
    """Raises StoreUnavailable from every method; then nothing is known to have changed, and repeating is safe.

    `report` hears of each row that was claimed or moved: the row, and the one before it.
    """

    def __init__(self, table: Table, report: Callable[[Row, Row | None], None] = count_and_log) -> None:
        self._table = table
        self._report = report

    def get(self, pk: str) -> Row | None:
        item = self._table.get(pk)
        return _row(item) if item else None

    def claim[R: Row](self, row: R) -> R | None:
        """Put the row if there is none. Returns None to the one caller that won, the winner's row to all others.

        Two workers with one event:   A put ─ won ──────── works
                                      B ───── put ─ lost ─ reads A's row
        """
        try:
            self._table.put(_item(row), only_if="attribute_not_exists(pk)")
        except ConditionFailed:
            # Older engines do not return the item that failed the condition, so it is read.
            there = self.get(row.pk)
            if there is None:
                raise StoreUnavailable("The row vanished between the claim and the read.") from None
            return type(row).model_validate(there)
        self._report(row, None)
        return None

    def move[R: Row](self, old: R, new: R) -> R:
        """Replace the row if it is still in the state and version that were read. Raises StaleRow."""
        try:
            self._table.put(
                _item(new),
                only_if="#state = :state AND version = :version",
                given={":state": str(old.state), ":version": old.version},
            )
        except ConditionFailed:
            raise StaleRow(f"The row left {old.state} version {old.version} since it was read.") from None
        self._report(new, old)
        return new

    def first_sight(self, replay_key: str, pk: str, now: float) -> str:
        """Remember that this signed content came for this row; the row that it came for first, which may be another."""
        seen = f"seen#{replay_key}"
        try:
            self._table.put(
                {"pk": seen, "row": pk, "expires_at": int(now + SEEN_FOR)}, only_if="attribute_not_exists(pk)"
            )
        except ConditionFailed:
            item = self._table.get(seen)
            return str(item["row"]) if item else pk
        return pk

    def due(self, work: Work, until: float, limit: int) -> Iterator[Row | Unreadable]:
        """Rows with this work and a due_at by then, as they are now, earliest first.

        One kind of work does not hide another: jobs are polled however many rows wait to be sent.
        """
        rows = []
        found = sorted(
            chain.from_iterable(self._table.due(f"{work}{shard}", until, limit) for shard in SHARDS),
            key=lambda it: it[1],
        )
        for item in self._table.get_many(pk for pk, _ in found[:limit]):
            try:
                row = _row(item)
            except (ValidationError, KeyError):
                yield Unreadable(item["pk"])
                continue
            if row.due_at is not None and row.due_at <= until and row.work is work:
                rows.append(row)
        yield from sorted(rows, key=lambda row: row.due_at or 0)

    def jobs_waited_for(self) -> set[str]:
        """The jobs that rows of ours know as theirs alone; of very many rows, those that are due first.

        A job for several events may be known to some of them, and not to one whose worker died before it was told.
        """
        found = self.due(Work.JOB, FAR, limit=MOST_JOBS)
        return {row.job_id for row in found if isinstance(row, Row) and row.job_id and not row.together}

    def defer(self, pk: str, until: float) -> None:
        """Let a row that cannot be advanced, or not even be read, make room for the others."""
        with suppress(ConditionFailed):
            self._table.update(pk, "SET due_at = :until", only_if="due_at < :until", given={":until": until})


def left_to_poller(row: Row, error: RelayError) -> None:
    """A claim stands, but its outcome could not be written. When the lease ends, the poller finds the row in doubt."""
    observability.count("ClaimLeftToPoller")
    observability.logger().warning("left to the poller", extra={"pk": row.pk, "reason": error.code})


def _item(row: Row) -> Item:
    item: Item = row.model_dump(mode="python")
    item["state"] = str(row.state)
    if row.due_at is not None:
        item["due_shard"] = f"{row.work}{hashlib.sha256(row.pk.encode()).digest()[0] % len(SHARDS)}"
    if (told := outcome(row)) is not None:
        item["outcome"] = told
    # TTL takes whole seconds (DynamoDB developer guide, "Time to live").
    item["expires_at"] = int(row.expires_at)
    return item


def _row(item: Item) -> Row:
    kinds: dict[str, type[Row]] = {"ticket": TicketRow, "update": UpdateRow}
    # For the index and for others, and worked out anew with each write.
    attributes = {name: value for name, value in item.items() if name not in {"due_shard", "outcome"}}
    return kinds[item["pk"].partition("#")[0]].model_validate(attributes)
