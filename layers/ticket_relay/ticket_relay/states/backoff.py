"""How long a row rests: a lease while a worker has it, growing pauses between tries, spread lest all come at once."""

import random

LEASE = 20.0
"""Seconds a worker has a row to itself: longer than a function's longest request (its time-out is 10 s) and write."""


LEASE_TOGETHER = 2 * LEASE
"""Seconds for a hundred rows that go together: each is written twice in it."""
TOGETHER_PAUSE = 15.0
"""Seconds after which the rows of a job of many are due. The run that sent them polls the job before that, and need not
write a hundred rows each time; observed: a hundred tickets take 10 to 15 s.
"""
POLL_PAUSES = (2.0, 5.0, 10.0, 20.0, 60.0)
YOUNG_JOB = 15.0
"""A job may be unknown for a moment after it was queued: node-zendesk's monitor waits for it as well."""


def poll_pause(retries: int) -> float:
    """Seconds until a job is polled again: later and later, for during an incident it may be queued for hours."""
    return POLL_PAUSES[min(retries, len(POLL_PAUSES) - 1)]


def growing(first: float, retries: int, *, most: float) -> float:
    """Seconds: doubled with each try, up to a bound."""
    return min(first * 2.0 ** min(retries, 20), most) + jitter(1.0)


def jitter(most: float) -> float:
    return random.uniform(0, most)  # noqa: S311 - spreads load, guards nothing
