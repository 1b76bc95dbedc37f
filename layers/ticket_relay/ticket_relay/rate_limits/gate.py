"""The gate before Zendesk: closed for all functions while Zendesk wants to be left alone.

When the time is over one worker asks first, and the others go on waiting for what it learns:

    open ──429──▶ closed until T ──T passes, one worker takes the probe──▶ closed until T' ──its call goes well──▶ open
                       ▲──────────────────────────429──────────────────────────┘
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ticket_relay.errors import StoreUnavailable
from ticket_relay.storage.dynamodb import ConditionFailed, Table

PK = "gate"
PROBE_TIME = 10.0
"""Seconds the first worker has to learn something: longer than any call's time-out."""


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to ask Zendesk, or the time until which there is none. `probe` is the mark of the one that asks first."""

    closed_until: float | None = None
    probe: float | None = None


OPEN = Permit()


class Gate:
    """Shared through the table. Raises StoreUnavailable."""

    def __init__(self, table: Table) -> None:
        self._table = table

    @contextmanager
    def permit(self, now: Callable[[], float]) -> Iterator[Permit]:
        """Leave to ask Zendesk while the context lasts, or none. Whoever was to ask first and learned nothing, because
        it did not come to it or got no answer, lets the next one ask.
        """
        permit = self.take_permit(now())
        try:
            yield permit
        finally:
            self._give_back(permit, now())

    def closed_until(self, now: float) -> float | None:
        """Only a look, for whoever has other things to do meanwhile."""
        closed_until = self._closed_until()
        return closed_until if closed_until is not None and closed_until > now else None

    def take_permit(self, now: float) -> Permit:
        closed_until = self._closed_until()
        if closed_until is None:
            return OPEN
        if closed_until > now:
            return Permit(closed_until=closed_until)
        probe = now + PROBE_TIME
        try:
            self._table.update(
                PK,
                "SET closed_until = :probe",
                only_if="closed_until = :read",
                given={":probe": probe, ":read": closed_until},
            )
        except ConditionFailed:
            return Permit(closed_until=probe)
        return Permit(probe=probe)

    def close(self, until: float, permit: Permit = OPEN) -> None:
        """Closed until then, or for longer if somebody else was told a later time."""
        with suppress(ConditionFailed):
            self._table.update(
                PK,
                "SET closed_until = :until",
                only_if="attribute_not_exists(closed_until) OR closed_until < :until OR closed_until = :probe",
                given={":until": until, ":probe": permit.probe or 0},
            )

    def record_success(self, permit: Permit) -> None:
        """The first worker's call was answered: open for all, unless somebody closed the gate meanwhile."""
        if permit.probe is None:
            return
        with suppress(ConditionFailed):
            self._table.update(
                PK, "REMOVE closed_until", only_if="closed_until = :probe", given={":probe": permit.probe}
            )

    def _closed_until(self) -> float | None:
        item = self._table.get(PK)
        return item.get("closed_until") if item else None

    def _give_back(self, permit: Permit, now: float) -> None:
        if permit.probe is None:
            return
        # Answered, told to wait, or taken over: then the mark is gone. And without a table the probe ends by itself.
        with suppress(ConditionFailed, StoreUnavailable):
            self._table.update(
                PK,
                "SET closed_until = :now",
                only_if="closed_until = :probe",
                given={":now": now, ":probe": permit.probe},
            )
