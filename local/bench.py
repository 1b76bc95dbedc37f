"""`make bench`: what the relay costs, as figures to compare, never as a test: machines differ, and these are noisy.
noisy.

Times are medians with their range; where two ways are compared, they take turns, and the ratio is what counts.
"""

import asyncio
import shutil
import statistics
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import click
from rich.console import Console
from rich.table import Table

from local import artefacts
from local.runtimes.runtime import RUNTIME_PYTHON
from local.stack import Options, Stack, running
from ticket_relay.webhooks import signatures

IMPORT = "import time; t = time.perf_counter(); import app; print(time.perf_counter() - t)"
PARTNER = "acme"
SETTLED_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """What sending many events at once was like. Seconds."""

    answers: list[float]
    accepted_in: float
    created_in: float
    calls: int


@click.command()
@click.option("--events", default=200, show_default=True, help="Events sent through the whole stack.")
@click.option("--connections", default=20, show_default=True, help="How many of them at once.")
@click.option("--runs", default=5, show_default=True, help="Repetitions of the import.")
def main(events: int, connections: int, runs: int) -> None:
    """Measure a cold import and the whole way from event to ticket on this machine."""
    console = Console()
    folder = asyncio.run(artefacts.build())
    with tempfile.TemporaryDirectory() as scratch:
        bare = _without_bytecode(folder, Path(scratch))
        pairs = [(_import_time(folder), _import_time(bare)) for _ in range(runs)]
    console.print(_imports(pairs))
    console.print(_load(asyncio.run(_measured(events, connections)), events))


def _without_bytecode(folder: Path, scratch: Path) -> Path:
    """The artefacts as SAM alone would leave them."""
    return shutil.copytree(folder, scratch / "bare", ignore=shutil.ignore_patterns("__pycache__"))


def _import_time(folder: Path) -> float:
    """Seconds to import `create_ticket` in a new process, nothing written: /opt and /var/task are read-only in
    Lambda.
    """
    layers = [str(folder / layer / "python") for layer in ("DependenciesLayer", "TicketRelayLayer", "ConfigLayer")]
    path = ":".join([str(folder / "CreateTicketFunction"), *layers])
    done = subprocess.run(  # noqa: S603 - our own interpreter and code
        [RUNTIME_PYTHON, "-B", "-c", IMPORT], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


async def _measured(events: int, connections: int) -> Load:
    async with running(Options(port=0, poll_every=1.0)) as stack, aiohttp.ClientSession() as session:
        await _send(stack, session)  # the first event fetches the token
        await _created(stack, 1)
        begin, calls = time.perf_counter(), _calls(stack)
        turns = asyncio.Semaphore(connections)

        async def one() -> float:
            async with turns:
                return await _send(stack, session)

        answers = await asyncio.gather(*(one() for _ in range(events)))
        accepted_in = time.perf_counter() - begin
        await _created(stack, events + 1)
        return Load(answers, accepted_in, time.perf_counter() - begin, _calls(stack) - calls)


async def _send(stack: Stack, session: aiohttp.ClientSession) -> float:
    """Send the partner's sample under a new id; seconds until the answer."""
    partner = stack.ready["partners"][PARTNER]
    body = (artefacts.ROOT / partner["sample"]).read_bytes()
    headers = signatures.sign(
        partner["scheme"], id=f"msg_{uuid.uuid4().hex}", timestamp=time.time(), body=body, secret=partner["secret"]
    )
    begin = time.perf_counter()
    async with session.post(
        f"{stack.ready['url']}/webhooks/{PARTNER}",
        data=body,
        headers={**headers, "content-type": "application/json"},
        timeout=aiohttp.ClientTimeout(30),
    ) as answer:
        await answer.read()
        if answer.status != 202:
            raise click.ClickException(f"an event was answered {answer.status}")
    return time.perf_counter() - begin


async def _created(stack: Stack, number: int) -> None:
    """Wait until so many tickets exist in the simulator."""
    assert stack.zendesk is not None  # noqa: S101 - no other Zendesk was asked for
    async with asyncio.timeout(SETTLED_WITHIN):
        while len(stack.zendesk.tickets.all()) < number:
            await asyncio.sleep(0.05)


def _calls(stack: Stack) -> int:
    assert stack.zendesk is not None  # noqa: S101
    return len(stack.zendesk.journal.entries)


def _imports(pairs: list[tuple[float, float]]) -> Table:
    table = Table("import of create_ticket", "median", "range", title="Cold start")
    compiled, bare = zip(*pairs, strict=True)
    for name, times in (("as built, with bytecode", compiled), ("without bytecode", bare)):
        table.add_row(name, f"{statistics.median(times):.2f} s", f"{min(times):.2f}-{max(times):.2f} s")
    ratios = [without / with_ for with_, without in pairs]
    table.add_row("ratio", f"{statistics.median(ratios):.1f}", f"{min(ratios):.1f}-{max(ratios):.1f}")
    return table


def _load(load: Load, events: int) -> Table:
    table = Table("what", "figure", title=f"{events} events at once")
    middle, late = statistics.median(load.answers), statistics.quantiles(load.answers, n=20)[-1]
    for name, figure in (
        ("events accepted per second", f"{events / load.accepted_in:.0f}"),
        ("answer, median", f"{middle * 1000:.0f} ms"),
        ("answer, 95th percentile", f"{late * 1000:.0f} ms ({late / middle:.1f} times the median)"),
        ("until every ticket exists", f"{load.created_in:.1f} s"),
        ("calls to Zendesk per ticket", f"{load.calls / events:.2f}"),
    ):
        table.add_row(name, figure)
    return table


if __name__ == "__main__":
    main()
