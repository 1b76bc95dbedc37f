"""Whose processor time a measurement took: where two processors do everything, they are what limits it."""

import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

from local.runtimes.pool import Pool

_BY_COMMAND = {"moto.server": "moto", "DynamoDBLocal.jar": "DynamoDB Local", "aws-lambda-rie": "Lambda's emulator"}
_THIS = "front, partners and Zendesk"
"""This process: it serves the HTTP API and the simulator, and sends the events."""
_OTHERS = "all else on the machine"
_SHOWN_FROM = 0.005


@dataclass(frozen=True, slots=True)
class _Use:
    """Seconds of processors until now: of the whole machine, and of each process of ours with its name."""

    machine: float
    ours: dict[int, tuple[str, float]]


def watched(pools: Mapping[str, Pool]) -> Callable[[], str]:
    """From now on; call it for a sentence: the mean use of processors since, the busiest first.

    A process that has ended since, because its function was replaced, counts among all else.
    """
    before, begin = _used(pools), time.perf_counter()
    lost = {name: pool.lost for name, pool in pools.items()}

    def sentence() -> str:
        seconds, after = time.perf_counter() - begin, _used(pools)
        spent: defaultdict[str, float] = defaultdict(float)
        for pid, (name, until_now) in after.ours.items():
            spent[name] += until_now - before.ours.get(pid, (name, 0.0))[1]
        spent[_OTHERS] = after.machine - before.machine - sum(spent.values())
        shared = shares({name: each / seconds for name, each in spent.items()})
        ended = [f"{name} {number}" for name, pool in pools.items() if (number := pool.lost - lost[name])]
        return f"{shared} Runtimes that died or overran their time: {', '.join(ended)}." if ended else shared

    return sentence


def shares(used: Mapping[str, float]) -> str:
    """Of mean numbers of processors by name."""
    busy = [f"{name} {share:.2f}" for name, share in Counter(used).most_common() if share >= _SHOWN_FROM]
    return f"Processors in use, of {os.cpu_count()}: {', '.join(busy)}."


def _used(pools: Mapping[str, Pool]) -> _Use:
    functions = {pid: name for name, pool in pools.items() for pid in pool.pids}
    whole, this = psutil.cpu_times(), psutil.Process(os.getpid())
    ours = {}
    for process in [this, *this.children(recursive=True)]:
        with suppress(psutil.Error):
            times = process.cpu_times()
            name = _THIS if process.pid == this.pid else functions.get(process.pid) or _name(process.cmdline())
            ours[process.pid] = name, times.user + times.system
    return _Use(whole.user + whole.system, ours)


def _name(command: list[str]) -> str:
    words = " ".join(command)
    return next((name for word, name in _BY_COMMAND.items() if word in words), "the bench's other processes")
