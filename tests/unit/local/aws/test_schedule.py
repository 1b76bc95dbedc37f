"""The poller's clock: never two runs at once, and what comes during one is one run after it."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from local.aws.schedule import Schedule, latest_tick, ticking
from local.runtimes.pool import Pool
from local.runtimes.runtime import FunctionError


class FakePool(Pool):
    """Counts runs and how many went on at once; each lasts until `release`, and raises `error` if there is one."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self.at_once = self.most_at_once = 0
        self.release = asyncio.Event()
        self.error: FunctionError | None = None
        self.called = asyncio.Event()

    async def invoke(self, event: bytes) -> object:
        self.events.append(json.loads(event))
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        self.called.set()
        try:
            await self.release.wait()
        finally:
            self.at_once -= 1
        if self.error:
            raise self.error
        return len(self.events)


def run(test: Callable[[FakePool, Schedule], Awaitable[None]], every: float | None) -> FakePool:
    async def main() -> FakePool:
        pool = FakePool()
        async with asyncio.timeout(10), ticking(pool, every) as schedule:
            await test(pool, schedule)
        return pool

    return asyncio.run(main())


@pytest.fixture(autouse=True)
def no_function_name_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.aws.schedule.log", lambda *_: None)
    monkeypatch.setattr(FakePool, "function", type("Named", (), {"name": "poll_jobs"}), raising=False)


def test_the_event_is_the_schedulers() -> None:
    async def test(pool: FakePool, schedule: Schedule) -> None:
        pool.release.set()
        await schedule.run_now()

    (event,) = run(test, None).events
    assert (event["source"], event["detail-type"], event["detail"]) == ("aws.scheduler", "Scheduled Event", "{}")


def test_a_tick_during_a_run_waits_for_its_end() -> None:
    async def test(pool: FakePool, _: Schedule) -> None:
        await pool.called.wait()
        await asyncio.sleep(0.05)
        assert len(pool.events) == 1
        pool.release.set()
        while len(pool.events) < 2:
            await asyncio.sleep(0.001)

    run(test, 0.001)


@pytest.mark.parametrize(("now", "tick"), [(160.0, 160.0), (159.99, 160.0), (219.0, 160.0), (290.0, 280.0)])
def test_a_long_run_does_not_put_off_the_next(now: float, tick: float) -> None:
    """EventBridge Scheduler's rate goes by the clock, not by when a call ended."""
    assert latest_tick(100.0, 60.0, now) == tick


def test_a_run_that_is_asked_for_waits_for_the_one_under_way() -> None:
    async def test(pool: FakePool, schedule: Schedule) -> None:
        await pool.called.wait()
        asked = asyncio.create_task(schedule.run_now())
        await asyncio.sleep(0)
        schedule.change(None)
        pool.release.set()
        assert await asked == 2

    assert run(test, 0.001).most_at_once == 1


def test_a_run_that_fails_is_followed_by_the_next() -> None:
    async def test(pool: FakePool, _: Schedule) -> None:
        pool.error = FunctionError("ValueError")
        pool.release.set()
        while len(pool.events) < 3:
            await asyncio.sleep(0.001)

    run(test, 0.001)


def test_without_an_interval_nothing_runs_until_there_is_one() -> None:
    async def test(pool: FakePool, schedule: Schedule) -> None:
        await asyncio.sleep(0.02)
        assert not pool.events
        schedule.change(0.001)
        await pool.called.wait()

    run(test, None)
