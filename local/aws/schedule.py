"""The schedule: what EventBridge Scheduler does, at any interval."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator

from local.processes import log
from local.runtimes.pool import Pool
from local.runtimes.runtime import ACCOUNT, REGION, InvocationError


class Schedule:
    """Calls a function at an interval, however long a call takes, but one at a time, as reserved concurrency 1 has it:
    a tick that comes during a call waits in Lambda's queue for its end, and several do as much as one.
    """

    def __init__(self, pool: Pool, every: float | None) -> None:
        """`every` in seconds; None: only when `tick` is called. `ticking` starts it."""
        self._pool = pool
        self._every = every
        self._changed = asyncio.Event()
        self._one_at_a_time = asyncio.Lock()

    def change(self, every: float | None) -> None:
        """Tick at another interval from now on, or not at all."""
        self._every = every
        self._changed.set()

    async def run_now(self) -> object:
        """Call the function, after the run that is under way if there is one, and wait for its answer.

        Raises InvocationError.
        """
        async with self._one_at_a_time:
            return await self._pool.invoke(json.dumps(_event()).encode())

    async def tick(self) -> None:
        """Go on for ever. A run that fails is logged: the next tick is the retry."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            self._changed.clear()
            every = self._every
            wait = None if every is None else max(last + every - loop.time(), 0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)
                last = loop.time()
                continue
            last = latest_tick(last, every or 0, loop.time())
            try:
                await self.run_now()
            except InvocationError as error:
                log("schedule", f"{self._pool.function.name}: {type(error).__name__}: {error}")


def latest_tick(before: float, every: float, now: float) -> float:
    """When the tick was that is due `now`: a long call puts none off, and of several during it the last one counts."""
    return before + max(int((now - before) // every), 1) * every


@contextlib.asynccontextmanager
async def ticking(pool: Pool, every: float | None) -> AsyncIterator[Schedule]:
    """A schedule that ticks for as long as the context lasts."""
    schedule = Schedule(pool, every)
    ticks = asyncio.create_task(schedule.tick())
    try:
        yield schedule
    finally:
        ticks.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticks


def _event() -> dict[str, object]:
    """What the scheduler sends when the schedule names no input of its own."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": ACCOUNT,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "region": REGION,
        "resources": [f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/local"],
        "detail": "{}",
    }
