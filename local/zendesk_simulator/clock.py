"""The account's time: the real one plus an offset, so that a test can make hours pass."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Every `now` of the simulator comes from here, in epoch seconds."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.offset = 0.0

    def now(self) -> float:
        return self._source() + self.offset

    def advance(self, seconds: float) -> None:
        self.offset += seconds


def stamp(at: float) -> str:
    """`2019-09-12T21:45:16Z`: the API shows times to the second (all recordings)."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> float:
    """Epoch seconds of an ISO 8601 time, with or without seconds; one without an offset is read as UTC.

    Raises ValueError. That offsets are understood is recalled (Rails' Time.parse), not documented.
    """
    parsed = datetime.fromisoformat(text)
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
