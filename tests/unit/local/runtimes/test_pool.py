"""Environments of one function: one invocation each at a time, and one that ends is replaced."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from local.runtimes import pool
from local.runtimes.pool import Pool, serving
from local.runtimes.runtime import Function, FunctionError, InitError, NoneFreeError, RuntimeLostError

FUNCTION = Function("f", "app.handler", Path(), (), {}, timeout=3, memory=128, log_format="Text", reserved=None)

type Behaviour = Callable[[bytes], Awaitable[object]]


class FakeRuntime:
    def __init__(self, pid: int, behaviour: Behaviour) -> None:
        self.pid = pid
        self.gone = asyncio.Event()
        self.invoke = behaviour


class FakeStarter:
    """Starts runtimes numbered from 1, which do `behaviour`; `broken` makes the next starts fail."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.started: list[FakeRuntime] = []
        self.ended: list[int] = []
        self.broken = 0
        self._behaviour = behaviour

    @contextlib.asynccontextmanager
    async def __call__(self, function: Function) -> AsyncIterator[FakeRuntime]:
        if self.broken:
            self.broken -= 1
            raise InitError("no module")
        runtime = FakeRuntime(len(self.started) + 1, self._behaviour)
        self.started.append(runtime)
        try:
            yield runtime
        finally:
            self.ended.append(runtime.pid)


async def echo(event: bytes) -> object:
    return event


def run(
    test: Callable[[Pool, FakeStarter], Awaitable[None]], behaviour: Behaviour = echo, size: int = 1
) -> FakeStarter:
    starter = FakeStarter(behaviour)

    async def main() -> None:
        async with asyncio.timeout(10), serving([(FUNCTION, size)], starter) as pools:
            await test(pools["f"], starter)

    asyncio.run(main())
    return starter


async def replaced(relay: Pool, pid: int) -> None:
    while relay.pids == [pid] or not relay.pids:
        await asyncio.sleep(0)


def test_an_invocation_is_answered() -> None:
    async def test(relay: Pool, _: FakeStarter) -> None:
        assert await relay.invoke(b"x") == b"x"

    run(test)


def test_all_environments_are_up_before_the_pool_is_and_all_are_ended_with_it() -> None:
    async def test(relay: Pool, _: FakeStarter) -> None:
        assert relay.pids == [1, 2, 3]

    assert sorted(run(test, size=3).ended) == [1, 2, 3]


def test_one_that_dies_while_idle_is_replaced_and_never_called() -> None:
    async def test(relay: Pool, starter: FakeStarter) -> None:
        starter.started[0].gone.set()
        assert await relay.invoke(b"x") == b"x"
        assert relay.pids == [2]

    assert run(test).ended == [1, 2]


def test_one_that_is_lost_during_an_invocation_is_replaced() -> None:
    async def dies(event: bytes) -> object:
        raise RuntimeLostError("killed")

    async def test(relay: Pool, _: FakeStarter) -> None:
        with pytest.raises(RuntimeLostError):
            await relay.invoke(b"x")
        assert relay.lost == 1
        await replaced(relay, 1)
        assert relay.pids == [2]

    run(test, dies)


def test_one_whose_function_raised_serves_on() -> None:
    async def raises(event: bytes) -> object:
        raise FunctionError("ValueError")

    async def test(relay: Pool, _: FakeStarter) -> None:
        for _attempt in range(2):
            with pytest.raises(FunctionError):
                await relay.invoke(b"x")
        assert relay.pids == [1]

    run(test, raises)


def test_an_environment_serves_one_invocation_at_a_time() -> None:
    busy = 0
    most = 0

    async def slow(event: bytes) -> object:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1
        return event

    async def test(relay: Pool, _: FakeStarter) -> None:
        await asyncio.gather(*(relay.invoke(b"x") for _call in range(10)))

    run(test, slow, size=2)
    assert most == 2


def test_a_caller_that_waits_too_long_is_told_so_and_the_function_is_not_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool, "PATIENCE_SECONDS", 0.01)
    calls = []

    async def test(relay: Pool, starter: FakeStarter) -> None:
        release = asyncio.Event()

        async def held(event: bytes) -> object:
            calls.append(event)
            await release.wait()
            return None

        starter.started[0].invoke = held
        first = asyncio.create_task(relay.invoke(b"first"))
        await asyncio.sleep(0)
        with pytest.raises(NoneFreeError):
            await relay.invoke(b"second")
        release.set()
        await first

    run(test)
    assert calls == [b"first"]


def test_a_function_that_cannot_be_loaded_fails_the_start_by_its_name() -> None:
    starter = FakeStarter(echo)
    starter.broken = 1

    async def main() -> None:
        async with serving([(FUNCTION, 1)], starter):
            pytest.fail("nothing is up")

    with pytest.RaisesGroup(pytest.RaisesExc(InitError, match="f: no module"), flatten_subgroups=True):
        asyncio.run(main())


def test_a_replacement_that_cannot_be_loaded_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_PAUSE_AFTER_FAILED_INIT_SECONDS", 0)

    async def test(relay: Pool, starter: FakeStarter) -> None:
        starter.broken = 2
        starter.started[0].gone.set()
        assert await relay.invoke(b"x") == b"x"
        assert relay.pids == [2]

    run(test)
