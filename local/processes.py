"""Child processes: each in its own session, with its output on our stderr, ended with everything it started."""

import asyncio
import contextlib
import random
import re
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import psutil

_LONGEST_LINE = 16 * 2**20
_REAPING_SECONDS = 1.0


@contextlib.asynccontextmanager
async def spawned(
    name: str,
    *command: str,
    env: Mapping[str, str],
    cwd: Path | None = None,
    talks: bool = False,
    hidden: re.Pattern[str] | None = None,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `command` for as long as the context lasts, its output going to our stderr, each line under `name`.

    With `talks`, its stdin and stdout are the caller's, and only its stderr is shown. Lines with `hidden` are not.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        env=env,
        cwd=cwd,
        stdin=asyncio.subprocess.PIPE if talks else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE if talks else asyncio.subprocess.STDOUT,
        limit=_LONGEST_LINE,
        start_new_session=True,  # a terminal's Ctrl-C is for the stack, which ends its children in order
    )
    output = process.stderr if talks else process.stdout
    assert output is not None  # noqa: S101 - a pipe was asked for above
    showing = asyncio.create_task(_show(name, output, hidden))
    try:
        yield process
    finally:
        kill_tree(process.pid)
        await process.wait()
        await showing


def kill_tree(pid: int) -> None:
    """End a process and all that it started, in any process group: the emulator's runtime leads another one."""
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(pid)
        # The children first, while they have a parent to reap them: not every system's first process does.
        children = parent.children(recursive=True)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=_REAPING_SECONDS)
        parent.kill()


def log(name: str, line: str) -> None:
    """Write one line to stderr: stdout holds the ready line and nothing else."""
    print(f"{name} | {line}", file=sys.stderr, flush=True)  # noqa: T201


def free_port() -> int:
    """A port that nobody listens on, below the ranges from which systems take the ports of outgoing connections."""
    while True:
        port = random.randint(15_000, 32_000)  # noqa: S311 - not a secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


async def listening(address: str, process: asyncio.subprocess.Process, *, within: float) -> None:
    """Wait until `process` takes connections on `host:port`. Raises RuntimeError if it ends, or after `within`
    seconds.
    """
    host, _, port = address.partition(":")
    try:
        async with asyncio.timeout(within):
            while True:
                if process.returncode is not None:
                    raise RuntimeError(f"the process for {address} ended with {process.returncode}")
                with contextlib.suppress(ConnectionRefusedError):
                    _, writer = await asyncio.open_connection(host, int(port))
                    writer.close()
                    return
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise RuntimeError(f"nothing listened on {address} within {within:g} s") from None


async def _show(name: str, output: asyncio.StreamReader, hidden: re.Pattern[str] | None) -> None:
    async for raw in output:
        line = raw.decode(errors="replace").rstrip()
        if line and not (hidden and hidden.search(line)):
            log(name, line)
