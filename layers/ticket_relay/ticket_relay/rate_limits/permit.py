"""Permission to call Zendesk, and until when: what each call needs, in one object."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ticket_relay.rate_limits.headers import Limit


@dataclass(frozen=True, slots=True)
class Deadline:
    """The moment by which an answer is needed, on the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        return self.at - time.monotonic()


class Recorder(Protocol):
    """Where a permit reports what Zendesk's answers said of its `limits`: the gate, or nobody."""

    def record_throttling(
        self, permit: "Permit", wait: float, limits: Sequence[Limit], tickets: Collection[int]
    ) -> None:
        """429, or 503 with `Retry-After`: no calls for `wait` seconds, or none of the limits that are used up."""

    def record_success(self, permit: "Permit", limits: Sequence[Limit], tickets: Collection[int]) -> None:
        """Zendesk answered."""


class Unrecorded:
    """For a caller that shares no table with others."""

    def record_throttling(
        self, permit: "Permit", wait: float, limits: Sequence[Limit], tickets: Collection[int]
    ) -> None:
        pass

    def record_success(self, permit: "Permit", limits: Sequence[Limit], tickets: Collection[int]) -> None:
        pass


NOBODY = Unrecorded()


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission to call Zendesk until `by`; or, if `closed_until` is a time (epoch seconds), none before that.

    `probe` marks the half-open trial: the one call that decides for all whether the gate opens.
    """

    by: Deadline
    closed_until: float | None = None
    probe: float | None = None
    recorder: Recorder = NOBODY

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self.by.left

    def within(self, seconds: float) -> "Permit":
        """The same permission for a shorter time."""
        return replace(self, by=Deadline.after(min(seconds, self.left)))

    def record_throttling(self, wait: float, limits: Sequence[Limit], tickets: Collection[int]) -> None:
        self.recorder.record_throttling(self, wait, limits, tickets)

    def record_success(self, limits: Sequence[Limit], tickets: Collection[int]) -> None:
        self.recorder.record_success(self, limits, tickets)
