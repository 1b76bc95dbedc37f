"""The gate before Zendesk: a circuit breaker that all functions share through the table.

Closed means that no worker calls. When the time is over, one worker makes the half-open trial, and the others go on
waiting for its outcome:

    open ──429──▶ closed until T ──T passes, one worker takes the probe──▶ closed until T' ──its call succeeds──▶ open
                       ▲──────────────────────────429──────────────────────────┘

A limit of one endpoint, which Zendesk names in a header of the answer, closes the gate for that endpoint alone.
"""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from ticket_relay.errors import StoreUnavailable
from ticket_relay.rate_limits.headers import CREATE, INDEX, UPDATES, UPDATES_OF_TICKET, Limit
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.rate_limits.update_limits import UpdateLimits
from ticket_relay.storage.dynamodb import ConditionFailed, Item, Table

PK = "gate"
PROBE_TIME = 10.0
"""Seconds that the half-open trial has: longer than any call's time-out."""

ACCOUNT = "closed_until"
ENDPOINTS = {CREATE: "create_closed_until", INDEX: "index_closed_until", UPDATES: "updates_closed_until"}
"""By the header's name of a limit: the attribute that says until when it is used up. One item, one read."""


class Gate:
    """`now` is the wall clock in epoch seconds. Raises StoreUnavailable where it is asked, never where it records: an
    answer of Zendesk that a worker has in hand is worth more than what others learn from it.
    """

    def __init__(self, table: Table, update_limits: UpdateLimits, now: Callable[[], float] = time.time) -> None:
        self._table = table
        self._update_limits = update_limits
        self.now = now

    @contextmanager
    def permit(self, by: Deadline, *endpoints: str, ticket_id: int | None = None) -> Iterator[Permit]:
        """Permission to call Zendesk while the context lasts, or none.

        `endpoints` are the limits that the calls will count towards, by their names in headers.py; `ticket_id` is the
        ticket that is to be updated. A half-open trial that ends without an answer is given back to the next worker.
        """
        calls = _Calls(self, self._take(by, endpoints, ticket_id))
        try:
            yield calls.permit
        finally:
            calls.end()

    def closed_until(self, *endpoints: str) -> float | None:
        """Until when these endpoints are closed, without taking the half-open trial."""
        closed_until = _latest(self._table.get(PK), (ACCOUNT, *map(ENDPOINTS.__getitem__, endpoints)))
        return closed_until if closed_until > self.now() else None

    def close(self, until: float, attribute: str = ACCOUNT, probe: float | None = None) -> None:
        """Closed until then, or for longer if another worker was told a later time."""
        with suppress(ConditionFailed):
            self._table.update(
                PK,
                f"SET {attribute} = :until",
                only_if=f"attribute_not_exists({attribute}) OR {attribute} < :until OR {attribute} = :probe",
                given={":until": until, ":probe": probe or 0},
            )

    def open(self, probe: float) -> None:
        """The half-open trial succeeded: open for all, unless another worker closed the gate meanwhile."""
        with suppress(ConditionFailed):
            self._table.update(PK, f"REMOVE {ACCOUNT}", only_if=f"{ACCOUNT} = :probe", given={":probe": probe})

    def give_back(self, probe: float) -> None:
        """The half-open trial brought no answer: the next worker may make it at once."""
        with suppress(ConditionFailed):
            self._table.update(
                PK,
                f"SET {ACCOUNT} = :now",
                only_if=f"{ACCOUNT} = :probe",
                given={":now": self.now(), ":probe": probe},
            )

    def use_up(self, limits: Iterable[Limit], tickets: Collection[int], at_least: float = 0) -> None:
        """Nothing is left of these limits until they reset. Limits that no caller checks are not remembered."""
        for limit in limits:
            until = self.now() + max(limit.resets, at_least)
            if limit.name in ENDPOINTS:
                self.close(until, ENDPOINTS[limit.name])
            elif limit.name == UPDATES_OF_TICKET:
                for ticket_id in tickets:
                    self._update_limits.close(ticket_id, until)

    def _take(self, by: Deadline, endpoints: Iterable[str], ticket_id: int | None) -> Permit:
        now, item = self.now(), self._table.get(PK)
        limited_until = _latest(item, map(ENDPOINTS.__getitem__, endpoints))
        if ticket_id is not None:
            limited_until = max(limited_until, self._update_limits.closed_until([ticket_id], now).get(ticket_id, 0))
        closed_until = item.get(ACCOUNT) if item else None
        if limited_until > now or (closed_until or 0) > now:
            return Permit(by, closed_until=max(limited_until, closed_until or 0))
        if closed_until is None:
            return Permit(by)
        probe = now + PROBE_TIME
        try:
            self._table.update(
                PK,
                f"SET {ACCOUNT} = :probe",
                only_if=f"{ACCOUNT} = :read",
                given={":probe": probe, ":read": closed_until},
            )
        except ConditionFailed:
            return Permit(by, closed_until=probe)
        return Permit(by, probe=probe)


class _Calls:
    """What the calls of one permit said. Throttling is written at once, for others to stop; all else when the work is
    over, so that nothing comes between Zendesk's answer and the row that it is about.
    """

    def __init__(self, gate: Gate, permit: Permit) -> None:
        self._gate = gate
        self.permit = Permit(permit.by, permit.closed_until, permit.probe, recorder=self)
        self._succeeded = False
        self._used_up: list[tuple[Sequence[Limit], Collection[int]]] = []

    def record_throttling(
        self, permit: Permit, wait: float, used_up: Sequence[Limit], tickets: Collection[int]
    ) -> None:
        known = [limit for limit in used_up if limit.name in {*ENDPOINTS, UPDATES_OF_TICKET}]
        with suppress(StoreUnavailable):
            if known:
                # The endpoint said no, so Zendesk answers: the half-open trial has succeeded.
                self._succeeded = True
                self._gate.use_up(known, tickets, at_least=wait)
            else:
                self._gate.close(self._gate.now() + wait, probe=permit.probe)

    def record_success(self, permit: Permit, used_up: Sequence[Limit], tickets: Collection[int]) -> None:
        self._succeeded = True
        if used_up:
            self._used_up.append((used_up, tickets))

    def end(self) -> None:
        """Without a table the half-open trial ends by itself."""
        with suppress(StoreUnavailable):
            for used_up, tickets in self._used_up:
                self._gate.use_up(used_up, tickets)
            if self.permit.probe is not None:
                # After a 429 the mark of the trial is gone, and neither has an effect.
                settle = self._gate.open if self._succeeded else self._gate.give_back
                settle(self.permit.probe)


def _latest(item: Item | None, attributes: Iterable[str]) -> float:
    return max((item.get(attribute, 0.0) for attribute in attributes), default=0.0) if item else 0.0
