"""Signs that many events come at once, or that little is left of what Zendesk allows a minute."""

from collections import deque

from ticket_relay.rate_limits.headers import ACCOUNT, CREATE, UPDATES, Limit

LITTLE = {ACCOUNT: 0.25, CREATE: 0.5, UPDATES: 0.5}
"""Shares of the limits. Of the account's, much may be used by others all the time."""


def is_little(limit: Limit) -> bool:
    """Whether so little is left of the limit that calls had better be saved."""
    return limit.remaining < LITTLE.get(limit.name, 0) * limit.total


class Pace:
    """How fast one process sends events alone: `most` of them within so many `seconds` are fast.

    Each process handles one event at a time, and knows nothing of the others without a call. But in a burst each is
    given one event after another, so that each sees it.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._seconds = seconds
        self._sent_at: deque[float] = deque(maxlen=most)

    def is_fast(self, now: float) -> bool:
        """Note one more, sent `now` (epoch seconds)."""
        self._sent_at.append(now)
        return len(self._sent_at) == self._sent_at.maxlen and now - self._sent_at[0] < self._seconds
