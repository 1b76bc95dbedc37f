"""Waiting for a condition, and never for luck."""

import time
from collections.abc import Callable


def eventually[T](look: Callable[[], T], within: float = 60) -> T:
    """What `look` returns as soon as that is something. Seconds."""
    end = time.monotonic() + within
    while not (seen := look()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)
    return seen
