"""Rows in the table: claimed once, moved on condition, found when they are due; each new state counted and logged."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from ticket_relay import observability
from ticket_relay.errors import RelayError, StaleRow, StoreUnavailable, WriteRefused
from ticket_relay.storage.dynamodb import BATCH_GET_LIMIT, ConditionFailed, Item, Table
from ticket_relay.storage.outcomes import outcome
from ticket_relay.storage.packing import packed, unpacked
from ticket_relay.storage.rows import (
    DAY,
    PAYLOAD,
    RETENTION,
    UNFINISHED_RETENTION,
    Row,
    TicketRow,
    UpdateRow,
    Work,
)

SHARDS = range(2)
"""Each kind of work is spread over so many keys of the due index: one takes 1000 writes a second, which is far beyond
what the API lets in and Zendesk takes, and each is a query of every turn.
"""
MOST_JOBS = 2000
"""Rows read for the jobs that are known to be ours."""
FAR = 10.0**11
"""A due time after all others, in epoch seconds."""
KINDS: dict[str, type[Row]] = {"ticket": TicketRow, "update": UpdateRow}
_WITHOUT_PAYLOAD = {name: None for kind in KINDS.values() for name in kind.model_fields if name not in PAYLOAD}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that should be a row and is not. It is counted, never guessed at."""

    pk: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """The rows that are not over: how many there are, and when the oldest was created (epoch seconds)."""

    unfinished: int
    oldest: float | None


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

    def __init__(
        self,
        table: Table,
        report: Callable[[Row, Row | None], None] = count_and_log,
        each: Callable[..., Iterable[Any]] = map,
    ) -> None:
        self._table = table
        self._report = report
        self._each = each

    def in_parallel(self, each: Callable[..., Iterable[Any]]) -> "Store":
        """The same rows, but calls that do not depend on each other are made by `each`: the `map` of an executor."""
        return Store(self._table, self._report, each)

    def get(self, pk: str) -> Row | None:
        item = self._table.get(pk)
        return _row(item) if item else None

    def claim[R: Row](self, row: R) -> R | None:
        """Put the row if there is none. Returns None to the one caller that won, the winner's row to all others.

        Two workers with one event:   A put ─ won ──────── works
                                      B ───── put ─ lost ─ reads A's row
        """
        try:
            self._table.put(packed(_item(row)), only_if="attribute_not_exists(pk)")
        except ConditionFailed:
            # Older engines do not return the item that failed the condition, so it is read.
            there = self.get(row.pk)
            if there is None:
                raise StoreUnavailable("The row vanished between the claim and the read.") from None
            return type(row).model_validate(there)
        self._report(row, None)
        return None

    def move[R: Row](self, old: R, new: R) -> R:
        """Replace the row if it is still in the state and version that were read. Raises StaleRow, WriteRefused."""
        self._replace(old, new)
        self._report(new, old)
        return new

    def move_all[R: Row](
        self, moves: Sequence[tuple[R, R]], on_error: Callable[[R, RelayError], None]
    ) -> list[tuple[R, R]]:
        """Replace each row on its own condition, several at once; those pairs that were.

        What `move` would raise for a row goes to `on_error`, with the row as it was. Raises nothing.
        """
        done = []
        for (old, new), error in zip(moves, self._each(self._tried, moves), strict=True):
            if error:
                on_error(old, error)
            else:
                self._report(new, old)
                done.append((old, new))
        return done

    def _tried(self, move: tuple[Row, Row]) -> RelayError | None:
        try:
            self._replace(*move)
        except (StaleRow, StoreUnavailable, WriteRefused) as error:
            return error
        return None

    def _replace(self, old: Row, new: Row) -> None:
        """Written whole, so that nothing is left of what was; but only the difference if its payload was not read."""
        before = {"state": str(old.state), "version": old.version}
        try:
            if old.without_payload:
                self._table.replace(new.pk, _item(old), _item(new), same=before)
            else:
                only_if = "#state = :state AND version = :version"
                self._table.put(
                    packed(_item(new)), only_if=only_if, given={f":{name}": value for name, value in before.items()}
                )
        except ConditionFailed:
            raise StaleRow(f"The row left {old.state} version {old.version} since it was read.") from None

    def first_sight(self, replay_key: str, pk: str, now: float, *, until: float) -> str:
        """Remember that this signed content came for this row; the row that it came for first, which may be another.

        It can come again `until` then (epoch seconds), with a day for clocks; longer than any row lives, nothing knows
        what became of it.
        """
        seen = f"seen#{replay_key}"
        expires_at = int(min(until + DAY, now + UNFINISHED_RETENTION + RETENTION))
        try:
            self._table.put({"pk": seen, "row": pk, "expires_at": expires_at}, only_if="attribute_not_exists(pk)")
        except ConditionFailed:
            item = self._table.get(seen)
            return str(item["row"]) if item else pk
        return pk

    def due(
        self, wanted: Mapping[Work, tuple[float, int]], known: Mapping[str, float] = MappingProxyType({})
    ) -> dict[Work, list[Row | Unreadable]]:
        """By kind of work: rows with a due_at by the wanted time, as they are now, the earliest first, at most so many.
        Those that are `known` to be due at just that time are left out.

        One kind of work does not hide another: jobs are polled however many rows wait to be sent. Rows that wait for a
        job come without their payload (`UNREAD`).
        """
        queries = [(work, f"{work}{shard}", *limits) for work, limits in wanted.items() for shard in SHARDS]
        found: dict[Work, list[tuple[float, str]]] = {work: [] for work in wanted}
        for work, keys in self._each(self._query, queries):
            found[work] += keys
        reads = [
            (work, some)
            for work, keys in found.items()
            for some in batched(_first(keys, wanted[work][1], known), BATCH_GET_LIMIT, strict=False)
        ]
        rows: dict[Work, list[Row | Unreadable]] = {work: [] for work in wanted}
        for work, some_rows in self._each(self._read, reads):
            rows[work] += [row for row in some_rows if _still_due(row, work, wanted[work][0])]
        return {work: sorted(some, key=lambda row: getattr(row, "due_at", 0)) for work, some in rows.items()}

    def _query(self, query: tuple[Work, str, float, int]) -> tuple[Work, list[tuple[float, str]]]:
        work, shard, until, limit = query
        return work, [(due_at, pk) for pk, due_at in self._table.due(shard, until, limit)]

    def _read(self, read: tuple[Work, Sequence[str]]) -> tuple[Work, list[Row | Unreadable]]:
        work, pks = read
        items = self._table.get_many(pks, _WITHOUT_PAYLOAD if work is Work.JOB else ())
        return work, [_readable(item, without_payload=work is Work.JOB) for item in items]

    def backlog(self) -> Backlog:
        """Reads the whole index, which has an entry for each row that is not over, and holds no more than its pages."""
        found = list(self._each(self._backlog, [f"{work}{shard}" for work in Work for shard in SHARDS]))
        oldest = [each.oldest for each in found if each.oldest is not None]
        return Backlog(sum(each.unfinished for each in found), min(oldest, default=None))

    def _backlog(self, shard: str) -> Backlog:
        unfinished, oldest = 0, None
        for created_at in self._table.created_at(shard):
            unfinished += 1
            oldest = created_at if oldest is None else min(oldest, created_at)
        return Backlog(unfinished, oldest)

    def jobs_waited_for(self) -> set[str]:
        """The jobs that rows of ours know as theirs alone; of very many rows, those that are due first.

        A job for several events may be known to some of them, and not to one whose worker died before it was told.
        """
        found = self.due({Work.JOB: (FAR, MOST_JOBS)})[Work.JOB]
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


def _row(item: Item, *, without_payload: bool = False) -> Row:
    kind = KINDS[item["pk"].partition("#")[0]]
    # For the index and for others, and worked out anew with each write.
    attributes = {name: value for name, value in item.items() if name not in {"due_shard", "outcome"}}
    row = kind.model_validate(unpacked(attributes))
    return row.stripped() if without_payload else row


def _readable(item: Item, *, without_payload: bool) -> Row | Unreadable:
    try:
        return _row(item, without_payload=without_payload)
    except (ValidationError, KeyError, TypeError, zlib.error):
        return Unreadable(item["pk"])


def _first(keys: list[tuple[float, str]], limit: int, known: Mapping[str, float]) -> list[str]:
    return [pk for due_at, pk in sorted(keys)[:limit] if known.get(pk) != due_at]


def _still_due(row: Row | Unreadable, work: Work, until: float) -> bool:
    """The index lags: a row may have been moved since. Another version of the code may call what there is to do
    otherwise; only rows that wait for a job are read in another way.
    """
    if isinstance(row, Unreadable):
        return True
    return row.due_at is not None and row.due_at <= until and (row.work is Work.JOB) == (work is Work.JOB)
