"""How long a row rests: a lease while a worker has it, growing pauses between tries, spread lest all come at once."""

import random

LEASE = 20.0
"""Seconds a worker has a row to itself: longer than a function's longest request (its time-out is 10 s) and write."""


def growing(first: float, tries: int, *, most: float) -> float:
    """Seconds: doubled with each try, up to a bound."""
    return min(first * 2.0 ** min(tries, 20), most) + jitter(1.0)


def jitter(most: float) -> float:
    return random.uniform(0, most)  # noqa: S311 - spreads load, guards nothing
