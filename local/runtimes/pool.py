"""The execution environments of one function: how many there are is its concurrency, and one that ends is replaced."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from local.processes import log
from local.runtimes.runtime import Function, InitError, NoneFreeError, Runtime, RuntimeLostError, Starter

# An HTTP API gives an integration 30 s at most: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
PATIENCE_SECONDS = 29.0

_PAUSE_AFTER_FAILED_INIT_SECONDS = 1.0


class Pool:
    """The environments of `function`."""

    def __init__(self, function: Function) -> None:
        """Empty; `serving` fills it."""
        self.function = function
        self.filled = asyncio.Event()
        self.lost = 0
        """Runtimes that died, or overran their time, during an invocation."""
        self._free: asyncio.Queue[Runtime] = asyncio.Queue()
        self._runtimes: list[Runtime] = []

    @property
    def pids(self) -> list[int]:
        """The processes of the runtimes that serve now."""
        return sorted(runtime.pid for runtime in self._runtimes)

    async def invoke(self, event: bytes) -> object:
        """Call the function once, with a JSON event; never twice. Raises InvocationError."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                runtime = await self._fit()
        except TimeoutError:
            raise NoneFreeError(self.function.name) from None
        try:
            answer = await runtime.invoke(event)
        except RuntimeLostError as error:
            log(self.function.name, f"the runtime {runtime.pid} is lost: {error}")
            runtime.gone.set()
            self.lost += 1
            raise
        finally:
            self._free.put_nowait(runtime)
        return answer

    async def keep(self, start: Starter, size: int) -> None:
        """Hold `size` environments up until cancelled. Raises InitError if the function cannot be loaded at first."""
        async with asyncio.TaskGroup() as group:
            for _ in range(size):
                group.create_task(self._keep_one(start, size))

    async def _keep_one(self, start: Starter, size: int) -> None:
        while True:
            try:
                async with start(self.function) as runtime:
                    self._runtimes.append(runtime)
                    self._free.put_nowait(runtime)
                    if len(self._runtimes) == size:
                        self.filled.set()
                    try:
                        await runtime.gone.wait()
                    finally:
                        self._runtimes.remove(runtime)
            except InitError as error:
                if not self.filled.is_set():
                    raise InitError(f"{self.function.name}: {error}") from error
                log(self.function.name, f"the runtime could not be replaced: {error}")
                await asyncio.sleep(_PAUSE_AFTER_FAILED_INIT_SECONDS)

    async def _fit(self) -> Runtime:
        while (runtime := await self._free.get()).gone.is_set():
            pass
        return runtime


@contextlib.asynccontextmanager
async def serving(functions: Iterable[tuple[Function, int]], start: Starter) -> AsyncIterator[dict[str, Pool]]:
    """Pools with so many environments for each function, by the function's name, all of them up.

    Raises InitError, in an exception group, if one cannot be loaded.
    """
    pools = {function.name: (Pool(function), size) for function, size in functions}
    async with asyncio.TaskGroup() as group:
        keepers = [group.create_task(pool.keep(start, size)) for pool, size in pools.values()]
        for pool, _ in pools.values():
            await pool.filled.wait()
        try:
            yield {name: pool for name, (pool, _) in pools.items()}
        finally:
            for keeper in keepers:
                keeper.cancel()
