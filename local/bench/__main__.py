"""`make bench`: figures beside their peers', never a test: machines differ, and these are noisy."""

import asyncio
import contextlib
import datetime as dt
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import click
from click.core import ParameterSource
from rich.console import Console

from local.artefacts import ROOT
from local.aws.cloud import forget_aws_profile
from local.bench import burst, cold_start, drain, intake, page, units
from local.bench.conditions import Conditions, Engine, EngineKind, engine
from local.bench.figures import Part
from local.bench.page import PAGE
from local.bench.progress import Bars, shown

_LAST_LINES = 30


type Measure = Callable[[Engine, Bars], Awaitable[Part]]

PARTS = ("burst", "drain", "units", "intake", "cold-start")


@click.command(context_settings={"show_default": True})
@click.argument("parts", nargs=-1, type=click.Choice(PARTS))
@click.option("--quick", is_flag=True, help="Much less of everything: to see whether it works.")
@click.option("--events", default=1500, help="Of the burst.")
@click.option("--rows", default=10_000, help="That wait to be drained.")
@click.option("--job-seconds", default=Conditions().job_seconds, help="A simulated job of 100 tickets.")
@click.option("--dynamodb", "kind", type=click.Choice(["moto", "local"]), help="Default: local, if it can run.")
@click.option("--dynamodb-url", help="A DynamoDB to use in place of both.")
@click.option("--logs", type=click.Path(dir_okay=False, path_type=Path), help="Keep the stack's logs here.")
def main(
    parts: Sequence[str],
    *,
    quick: bool,
    events: int,
    rows: int,
    job_seconds: float,
    kind: EngineKind | None,
    dynamodb_url: str | None,
    logs: Path | None,
) -> None:
    """Measure the relay on this machine: all PARTS, or those that are named."""
    forget_aws_profile()
    console = Console()
    conditions = Conditions(job_seconds=job_seconds)
    measures: dict[str, Measure] = {
        "burst": lambda engine, bars: burst.measured(200 if quick else events, conditions, engine, bars),
        "drain": lambda engine, bars: drain.measured(500 if quick else rows, conditions, engine, bars),
        "units": lambda engine, bars: units.measured(1 if quick else 5, engine, bars),
        "intake": lambda engine, bars: intake.measured(100 if quick else 1000, engine, bars),
        "cold-start": lambda _, bars: cold_start.measured(1 if quick else 7, bars),
    }
    wanted = [measures[name] for name in PARTS if name in parts or not parts]
    with _quiet(logs), shown(console) as bars:
        measured = asyncio.run(_measured(wanted, kind, dynamodb_url, bars, console))
    if any(part.broken for part in measured):
        sys.exit(1)
    if _as_documented():
        old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
        today = dt.datetime.now(dt.UTC).date()
        PAGE.write_text(page.written(measured, old, today, page.machine()), encoding="utf-8")
        console.print(f"written: {PAGE.relative_to(ROOT)}")


def _as_documented() -> bool:
    """Whether the numbers are the usual ones: others are for whoever asked for them, and not for the page."""
    context = click.get_current_context()
    free = {"parts", "logs"}
    return all(context.get_parameter_source(name) is ParameterSource.DEFAULT for name in context.params.keys() - free)


async def _measured(
    wanted: Sequence[Measure], kind: EngineKind | None, url: str | None, bars: Bars, console: Console
) -> list[Part]:
    found = []
    for measure in wanted:
        # Each on an engine of its own: what one part leaves in the table must not slow down the next.
        async with engine(kind, url) as started:
            found.append(await measure(started, bars))
        console.print(found[-1].table())
        for sentence in found[-1].broken:
            console.print(sentence, style="bold red")
    return found


@contextlib.contextmanager
def _quiet(logs: Path | None) -> Iterator[None]:
    """Keep the stack's logs off the screen; the last of them are shown if something raises."""
    with _file(logs) as file:
        try:
            with contextlib.redirect_stderr(file):
                yield
        except BaseException:
            file.seek(0)
            sys.stderr.writelines(file.readlines()[-_LAST_LINES:])
            raise


def _file(path: Path | None) -> contextlib.AbstractContextManager[TextIO]:
    return path.open("w+", encoding="utf-8") if path else tempfile.TemporaryFile("w+", encoding="utf-8")


if __name__ == "__main__":
    main()
