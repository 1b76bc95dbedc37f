"""The processes of the functions: who is behind a connection, and who is killed."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from weakref import WeakKeyDictionary

import psutil

from local.runtimes.pool import Pool


class Runtimes:
    """All runtimes of a stack, those of a second poller included."""

    def __init__(self) -> None:
        self._pools: list[Pool] = []
        self._known: WeakKeyDictionary[asyncio.BaseTransport, int] = WeakKeyDictionary()

    def add(self, pools: Mapping[str, Pool]) -> None:
        self._pools += pools.values()

    def pids(self, function: str | None = None) -> list[int]:
        return [pid for pool in self._pools if function in {None, pool.function.name} for pid in pool.pids]

    def behind(self, transport: asyncio.BaseTransport | None) -> int | None:
        """The runtime at the other end of a connection on this machine; None if it is no runtime, or is gone."""
        if transport is None:
            return None
        if transport not in self._known:
            port = transport.get_extra_info("peername", (None, None))[1]
            found = next((pid for pid in self.pids() if port in _ports(pid)), None)
            if found is None:
                return None
            self._known[transport] = found
        return self._known[transport]

    def kill(self, pid: int) -> None:
        """SIGKILL: no handler, no `finally`, no last word to a socket. The stack replaces it, as Lambda would."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _ports(pid: int) -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {connection.laddr.port for connection in psutil.Process(pid).net_connections("tcp4")}
    return set()
