"""`python -m tests.e2e.chaos`: exits with 1 if a promise was broken."""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import batched, cycle
from pathlib import Path

import click
from rich.console import Console

from local.aws import cloud, dynamodb
from tests.e2e.chaos import report, verdict
from tests.e2e.chaos.run import Outcome, Progress, Task, run
from tests.e2e.chaos.screen import watching

WORLDS = {"honoured": [True], "ignored": [False], "both": [True, False]}
ENGINES = {"moto": cloud.moto, "local": dynamodb.dynamodb_local}


@click.command(context_settings={"show_default": True})
@click.option("--events", type=click.IntRange(1), default=200, help="To be sent in each run.")
@click.option("--seed", "seeds", type=int, multiple=True, default=[7], help="Of what goes wrong when; may be repeated.")
@click.option(
    "--keys",
    "worlds",
    type=click.Choice(list(WORLDS)),
    multiple=True,
    default=["both"],
    help="Idempotency keys with `async=true`; given twice, the seeds take turns.",
)
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=15.0, help="Events a second.")
@click.option(
    "--dynamodb",
    "engines",
    type=click.Choice(list(ENGINES)),
    multiple=True,
    default=["moto"],
    help="Whose: moto's or Amazon's; given twice, the seeds take turns.",
)
@click.option("--concurrency", type=click.IntRange(1), default=4, help="Runtimes of create_ticket.")
@click.option(
    "--drop-webhooks", type=click.FloatRange(0, 1), default=0.5, help="The share of Zendesk's webhooks that it drops."
)
@click.option("--at-once", is_flag=True, help="All runs at the same time, each on a stack of its own.")
@click.option(
    "--logs", type=click.Path(dir_okay=False, writable=True, path_type=Path), help="Keep the stack's logs here."
)
def main(
    events: int,
    seeds: Sequence[int],
    worlds: Sequence[str],
    *,
    rate: float,
    concurrency: int,
    engines: Sequence[str],
    drop_webhooks: float,
    at_once: bool,
    logs: Path | None,
) -> None:
    """Break everything that can break, and count what became of each event."""
    cloud.forget_aws_profile()
    # Ended from outside it must not leave its stacks behind: as with Ctrl-C, everything is undone.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    console = Console() if sys.stdout.isatty() else Console(force_terminal=False, width=140)
    tasks = [
        Task(events, seed, key_honoured, rate, concurrency, engine, drop_webhooks)
        for seed, engine, world in zip(seeds, cycle(engines), cycle(worlds), strict=False)
        for key_honoured in WORLDS[world]
    ]
    broken = 0
    for some in [tasks] if at_once else batched(tasks, 1, strict=True):
        for outcome in judged(some, console, logs):
            report.show(outcome, console)
            broken += len(outcome.violations)
    sys.exit(1 if broken else 0)


def judged(tasks: Sequence[Task], console: Console, logs: Path | None = None) -> list[Outcome]:
    """Run the tasks at the same time, each on a stack of its own, and read through what they have logged."""
    with (
        logs.open("w+", encoding="utf-8") if logs else tempfile.TemporaryFile("w+", encoding="utf-8") as log,
        watching(console) as progress,
    ):
        with contextlib.redirect_stderr(log):
            outcomes = asyncio.run(_run(tasks, progress))
        found = []
        for outcome in outcomes:
            log.seek(0)
            leaks = verdict.leaks(log, outcome.secrets, outcome.task.canary)
            found.append(replace(outcome, violations=outcome.violations + leaks))
        return found


async def _run(tasks: Sequence[Task], progress: Callable[[Task], Progress]) -> list[Outcome]:
    starting = asyncio.Lock()
    async with contextlib.AsyncExitStack() as started:
        upstreams = {
            engine: await started.enter_async_context(ENGINES[engine]()) for engine in {task.engine for task in tasks}
        }
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(run(task, upstreams[task.engine], progress(task), starting)) for task in tasks]
        return [task.result() for task in running]


if __name__ == "__main__":
    main()
