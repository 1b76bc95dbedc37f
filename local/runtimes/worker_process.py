"""Functions in plain Python processes (`worker.py`), for systems without the emulator; all else is the same."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from local.processes import spawned
from local.runtimes.runtime import RUNTIME_PYTHON, Function, FunctionError, InitError, RuntimeLostError

_WORKER = Path(__file__).with_name("worker.py")
_INIT_SECONDS = 60.0


class WorkerProcess:
    """A worker and the two pipes to it."""

    def __init__(self, process: asyncio.subprocess.Process, timeout: float) -> None:
        """Made by `started`, which also ends it. `timeout` is the function's, in seconds."""
        self.pid = process.pid
        self.gone = asyncio.Event()
        self._process = process
        self._timeout = timeout

    async def receive(self) -> dict[str, Any]:
        """The worker's next message; raises RuntimeLostError at its end."""
        assert self._process.stdout is not None  # noqa: S101 - spawned with pipes
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeLostError("the process ended")
        message: dict[str, Any] = json.loads(line)
        return message

    async def invoke(self, event: bytes) -> object:
        """See `Runtime.invoke`."""
        assert self._process.stdin is not None  # noqa: S101 - spawned with pipes
        request = {"event": json.loads(event), "request_id": str(uuid.uuid4()), "deadline": time.time() + self._timeout}
        try:
            async with asyncio.timeout(self._timeout):
                self._process.stdin.write(json.dumps(request).encode() + b"\n")
                await self._process.stdin.drain()
                message = await self.receive()
        except ConnectionError as error:
            raise RuntimeLostError("the process ended") from error
        except TimeoutError:
            raise RuntimeLostError(f"Task timed out after {self._timeout:.2f} seconds") from None
        if "error" in message:
            raise FunctionError(message["error"])
        return message["answer"]


@contextlib.asynccontextmanager
async def started(function: Function) -> AsyncIterator[WorkerProcess]:
    """Start a worker and have it load the function. Raises InitError."""
    # -u: prints are seen at once. -P: else the folder of worker.py would be the first to be searched for imports.
    command = [str(RUNTIME_PYTHON), "-u", "-P", str(_WORKER), function.handler]
    async with spawned(
        function.name, *command, env=function.process_environment(), cwd=function.folder, talks=True
    ) as process:
        worker = WorkerProcess(process, function.timeout)
        try:
            async with asyncio.timeout(_INIT_SECONDS):
                message = await worker.receive()
        except (RuntimeLostError, TimeoutError) as error:
            raise InitError(str(error)) from error
        if "error" in message:
            raise InitError(message["error"])
        async with _noticed(process, worker.gone):
            yield worker


@contextlib.asynccontextmanager
async def _noticed(process: asyncio.subprocess.Process, gone: asyncio.Event) -> AsyncIterator[None]:
    async def watch() -> None:
        await process.wait()
        gone.set()

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
