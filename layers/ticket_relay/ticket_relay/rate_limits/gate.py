"""The gate before Zendesk: a circuit breaker that all functions share through the table, and a sign of many at once.

Closed means that no worker calls. When the time is over, one worker makes the half-open trial, and the others go on
waiting for its outcome:

    open ──429──▶ closed until T ──T passes, one worker takes the probe──▶ closed until T' ──its call succeeds──▶ open
                       ▲──────────────────────────429──────────────────────────┘

A limit of one endpoint, which Zendesk names in a header of the answer, closes the gate for that endpoint alone.

Under pressure, which `pressure.py` tells, nobody sends an event or an update alone: it waits for the poller, which
sends it together with others. That ends by itself, a minute after the last sign of pressure. One item, one read.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ticket_relay.errors import StoreUnavailable
from ticket_relay.rate_limits.headers import ACCOUNT, CREATE, EXPORT, INDEX, UPDATES, UPDATES_OF_TICKET, Limit
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.rate_limits.pressure import Pace, is_little
from ticket_relay.rate_limits.update_limits import UpdateLimits
from ticket_relay.storage.dynamodb import ConditionFailed, Item, Table

PK = "gate"
PROBE_TIME = 10.0
"""Seconds that the half-open trial has: longer than any call's time-out."""
TOGETHER_TIME = 60.0
"""Seconds from the last sign of pressure until events are sent one by one again."""

CLOSED = "closed_until"
CLOSED_BY_LIMIT = {
    ACCOUNT: CLOSED,
    CREATE: "create_closed_until",
    INDEX: "index_closed_until",
    UPDATES: "updates_closed_until",
    EXPORT: "export_closed_until",
}
"""By the name of a limit: the attribute that says until when it is used up."""
TOGETHER = {ACCOUNT: "together_until", CREATE: "create_together_until", UPDATES: "updates_together_until"}
"""By the name of a limit: the attribute that says until when what counts towards it is not sent alone."""


@dataclass(frozen=True, slots=True)
class State:
    """Until when no call is to be made, if the gate is closed, and until when nothing is sent alone (epoch seconds)."""

    closed_until: float | None
    together_until: float


class Gate:
    """`now` is the wall clock in epoch seconds; `left_to_others` is how many requests a minute of the account's others
    may make. `on_pressure` is called when events begin to go together. Raises StoreUnavailable where it is asked, never
    where it records: an answer of Zendesk that a worker has in hand is worth more than what others learn from it.
    """

    def __init__(
        self,
        table: Table,
        update_limits: UpdateLimits,
        now: Callable[[], float] = time.time,
        *,
        left_to_others: int = 0,
        pace: Pace | None = None,
        on_pressure: Callable[[], None] = lambda: None,
    ) -> None:
        self._table = table
        self._update_limits = update_limits
        self._left_to_others = left_to_others
        self._pace = pace
        self.on_pressure = on_pressure
        self.now = now

    @contextmanager
    def permit(
        self, by: Deadline, *endpoints: str, ticket_id: int | None = None, alone: bool = False
    ) -> Iterator[Permit]:
        """Permission to call Zendesk while the context lasts, or none.

        `endpoints` are the limits that the calls will count towards, by their names in headers.py; `ticket_id` is the
        ticket that is to be updated. A call for one event `alone` gets none under pressure. A half-open trial that ends
        without an answer is given back to the next worker.
        """
        item = self._table.get(PK) or {}
        permit = self._take(item, by, endpoints, ticket_id, alone)
        calls = _Calls(self, permit, item, endpoints)
        if alone and permit.closed_until is None and self._pace and self._pace.is_fast(self.now()):
            calls.pressed |= {*endpoints}
        try:
            yield calls.permit
        finally:
            calls.end()

    def state(self, *endpoints: str) -> State:
        """For these endpoints, without taking the half-open trial."""
        item, now = self._table.get(PK) or {}, self.now()
        closed_until = _latest(item, CLOSED_BY_LIMIT, (ACCOUNT, *endpoints))
        return State(closed_until if closed_until > now else None, _latest(item, TOGETHER, TOGETHER))

    def close(self, until: float, limit: str = ACCOUNT, probe: float | None = None) -> None:
        """Closed until then, or for longer if another worker was told a later time; and many are waiting after that."""
        attribute = CLOSED_BY_LIMIT[limit]
        change, given = f"SET {attribute} = :until", {":until": until, ":probe": probe or 0}
        if limit in TOGETHER:
            change += f", {TOGETHER[limit]} = :together"
            given[":together"] = until + TOGETHER_TIME
        with suppress(ConditionFailed):
            self._table.update(
                PK,
                change,
                only_if=f"attribute_not_exists({attribute}) OR {attribute} < :until OR {attribute} = :probe",
                given=given,
            )

    def closed_until(self, *endpoints: str) -> float | None:
        """None: the gate is open for these endpoints, or its half-open trial may be made."""
        return self.state(*endpoints).closed_until

    def go_together(self, read: float, limit: str = ACCOUNT) -> bool:
        """From now on, and for a minute, nothing that counts towards this limit is sent alone; whether that begins.

        `read` is until when it was so already. It is written again only when half of the time is over.
        """
        now, attribute = self.now(), TOGETHER[limit]
        begins = read < now
        if read > now + TOGETHER_TIME / 2:
            return False
        try:
            self._table.update(
                PK,
                f"SET {attribute} = :until",
                only_if=f"attribute_not_exists({attribute}) OR {attribute} < :after",
                given={":until": now + TOGETHER_TIME, ":after": now if begins else now + TOGETHER_TIME / 2},
            )
        except ConditionFailed:
            return False
        return begins

    def open(self, probe: float) -> None:
        """The half-open trial succeeded: open for all, unless another worker closed the gate meanwhile."""
        with suppress(ConditionFailed):
            self._table.update(PK, f"REMOVE {CLOSED}", only_if=f"{CLOSED} = :probe", given={":probe": probe})

    def give_back(self, probe: float) -> None:
        """The half-open trial brought no answer: the next worker may make it at once."""
        with suppress(ConditionFailed):
            self._table.update(
                PK,
                f"SET {CLOSED} = :now",
                only_if=f"{CLOSED} = :probe",
                given={":now": self.now(), ":probe": probe},
            )

    def use_up(self, limits: Iterable[Limit], tickets: Collection[int], at_least: float = 0) -> None:
        """Nothing is left for us of these limits until they reset. Limits that no caller checks are not remembered."""
        for limit in limits:
            until = self.now() + max(limit.resets, at_least)
            if limit.name in CLOSED_BY_LIMIT:
                self.close(until, limit.name)
            elif limit.name == UPDATES_OF_TICKET:
                for ticket_id in tickets:
                    self._update_limits.close(ticket_id, until)

    def used_up(self, limits: Iterable[Limit]) -> list[Limit]:
        """Of the account's requests, the share of others counts as used."""
        return [each for each in limits if each.remaining <= (self._left_to_others if each.name == ACCOUNT else 0)]

    def _take(self, item: Item, by: Deadline, endpoints: Iterable[str], ticket_id: int | None, alone: bool) -> Permit:
        now = self.now()
        limited_until = _latest(item, CLOSED_BY_LIMIT, endpoints)
        if ticket_id is not None:
            limited_until = max(limited_until, self._update_limits.closed_until([ticket_id], now).get(ticket_id, 0))
        closed_until = item.get(CLOSED)
        if limited_until > now or (closed_until or 0) > now:
            return Permit(by, closed_until=max(limited_until, closed_until or 0))
        if alone and _latest(item, TOGETHER, (ACCOUNT, *endpoints)) > now:
            return Permit(by, closed_until=now)
        if closed_until is None:
            return Permit(by)
        probe = now + PROBE_TIME
        try:
            self._table.update(
                PK,
                f"SET {CLOSED} = :probe",
                only_if=f"{CLOSED} = :read",
                given={":probe": probe, ":read": closed_until},
            )
        except ConditionFailed:
            return Permit(by, closed_until=probe)
        return Permit(by, probe=probe)


class _Calls:
    """What the calls of one permit said. Throttling is written at once, for others to stop; all else when the work is
    over, so that nothing comes between Zendesk's answer and the row that it is about.
    """

    def __init__(self, gate: Gate, permit: Permit, item: Item, endpoints: Collection[str]) -> None:
        self._gate = gate
        self._endpoints = endpoints
        self.permit = Permit(permit.by, permit.closed_until, permit.probe, recorder=self)
        self.pressed: set[str] = set()
        """The limits that are under pressure."""
        self._item = item
        self._succeeded = False
        self._used_up: list[tuple[Sequence[Limit], Collection[int]]] = []

    def record_throttling(self, permit: Permit, wait: float, limits: Sequence[Limit], tickets: Collection[int]) -> None:
        used_up = self._gate.used_up(limits)
        if EXPORT in self._endpoints and permit.probe is None and not used_up:
            # Ten a minute, which every tool of the account's that exports shares: a no that names no limit is of these.
            used_up = [Limit(EXPORT, 0, 0, wait)]
        of_endpoints = [each for each in used_up if each.name in {*CLOSED_BY_LIMIT, UPDATES_OF_TICKET} - {ACCOUNT}]
        with suppress(StoreUnavailable):
            if of_endpoints:
                # The endpoint said no, so Zendesk answers: the half-open trial has succeeded.
                self._succeeded = True
                self._gate.use_up(used_up, tickets, at_least=wait)
            else:
                self._gate.close(self._gate.now() + wait, probe=permit.probe)

    def record_success(self, permit: Permit, limits: Sequence[Limit], tickets: Collection[int]) -> None:
        self._succeeded = True
        self.pressed |= {each.name for each in limits if is_little(each)}
        if used_up := self._gate.used_up(limits):
            self._used_up.append((used_up, tickets))

    def end(self) -> None:
        """Without a table the half-open trial ends by itself."""
        with suppress(StoreUnavailable):
            if self.permit.probe is not None:
                # After a 429 the mark of the trial is gone, and neither has an effect.
                settle = self._gate.open if self._succeeded else self._gate.give_back
                settle(self.permit.probe)
            for used_up, tickets in self._used_up:
                self._gate.use_up(used_up, tickets)
            self._press()

    def _press(self) -> None:
        begins = [
            self._gate.go_together(self._item.get(attribute, 0.0), limit)
            for limit, attribute in TOGETHER.items()
            if limit in self.pressed
        ]
        if any(begins):
            self._gate.on_pressure()


def _latest(item: Item, attributes: Mapping[str, str], limits: Iterable[str]) -> float:
    return max((item.get(attributes[limit], 0.0) for limit in limits), default=0.0)
