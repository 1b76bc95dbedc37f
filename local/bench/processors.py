"""Whose processor time a measurement took: where two processors do everything, they are what limits it."""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

import psutil

from local.runtimes.pool import Pool

_BY_COMMAND = {"moto.server": "moto", "DynamoDBLocal.jar": "DynamoDB Local", "aws-lambda-rie": "Lambda's emulator"}
_THIS = "front, partners and Zendesk"
"""This process: it serves the HTTP API and the simulator, and sends the events."""
_OTHERS = "all else on the machine"
_SHOWN_FROM = 0.005

type Seconds = dict[str, float]


def watched(pools: Mapping[str, Pool]) -> Callable[[], str]:
    """From now on; call it for a sentence: the mean use of processors since, the busiest first."""
    before, begin = _used(pools), time.perf_counter()

    def sentence() -> str:
        seconds = time.perf_counter() - begin
        used = {name: (spent - before.get(name, 0.0)) / seconds for name, spent in _used(pools).items()}
        used[_OTHERS] -= sum(share for name, share in used.items() if name != _OTHERS)
        return shares(used)

    return sentence


def shares(used: Mapping[str, float]) -> str:
    """Of mean numbers of processors by name."""
    busy = [f"{name} {share:.2f}" for name, share in Counter(used).most_common() if share >= _SHOWN_FROM]
    return f"Processors in use, of {os.cpu_count()}: {', '.join(busy)}."


def _used(pools: Mapping[str, Pool]) -> Seconds:
    """Seconds of a processor that each kind of process has used so far; of all processes as those of the others."""
    functions = {pid: name for name, pool in pools.items() for pid in pool.pids}
    whole = psutil.cpu_times()
    spent = {_OTHERS: whole.user + whole.system}
    this = psutil.Process(os.getpid())
    for process in [this, *this.children(recursive=True)]:
        with suppress(psutil.Error):
            times = process.cpu_times()
            name = _THIS if process.pid == this.pid else functions.get(process.pid) or _name(process.cmdline())
            spent[name] = spent.get(name, 0.0) + times.user + times.system
    return spent


def _name(command: list[str]) -> str:
    words = " ".join(command)
    return next((name for word, name in _BY_COMMAND.items() if word in words), "the bench's other processes")
