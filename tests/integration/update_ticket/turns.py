"""Several at work at once, under a clock that no machine's speed can move."""

import heapq
import threading
from collections.abc import Callable
from itertools import count

from tests.fakes import Clock, Killed

PATIENCE = 60.0
"""Real seconds for one turn: a task that takes longer waits for one that cannot come."""


class Turns:
    """Tasks in threads of their own, of which one at a time runs, until it sleeps: then the clock goes on to whoever
    wakes first. What comes of it depends on the tasks alone, so that a seed tells the same story each time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asleep: list[tuple[float, int, threading.Event]] = []
        self._number = count()
        self._tasks: set[int] = set()
        self._rests = threading.Semaphore(0)
        self._failures: list[BaseException] = []

    def begin(self, task: Callable[[], object], *, after: float = 0.0) -> None:
        """Let a task begin so many seconds from now. One that is Killed is no failure."""
        turn = self._in_line(after)

        def live() -> None:
            turn.wait()
            self._tasks.add(threading.get_ident())
            try:
                task()
            except Killed:
                pass
            except BaseException as failure:  # noqa: BLE001 - told to the caller that runs the tasks
                self._failures.append(failure)
            finally:
                self._tasks.remove(threading.get_ident())
                self._rests.release()

        threading.Thread(target=live, daemon=True).start()

    def sleep(self, seconds: float) -> None:
        """Let the others go on for so long. Outside the tasks, time just passes."""
        if threading.get_ident() not in self._tasks:
            self._clock.advance(seconds)
            return
        turn = self._in_line(seconds)
        self._rests.release()
        turn.wait()

    def run(self) -> None:
        """Until all tasks are at their end, with those that they begin. Raises what a task raised."""
        while self._asleep:
            at, _, turn = heapq.heappop(self._asleep)
            self._clock.time = max(self._clock.time, at)
            turn.set()
            if not self._rests.acquire(timeout=PATIENCE):
                raise TimeoutError("A task waits for something else than its turn.")
            if self._failures:
                raise self._failures[0]

    def _in_line(self, after: float) -> threading.Event:
        turn = threading.Event()
        heapq.heappush(self._asleep, (self._clock() + after, next(self._number), turn))
        return turn
