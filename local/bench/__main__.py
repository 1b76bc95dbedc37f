"""`make bench`: figures beside their peers', never a test: machines differ, and these are noisy."""

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

import click
from rich.console import Console

from local.aws.cloud import forget_aws_profile
from local.bench import burst, drain
from local.bench.conditions import Conditions, Engine, EngineKind, engine
from local.bench.figures import Part
from local.bench.progress import Bars, shown

_LAST_LINES = 30


@click.command(context_settings={"show_default": True})
@click.argument("parts", nargs=-1, type=click.Choice(["burst", "drain"]))
@click.option("--events", default=1500, help="Of the burst.")
@click.option("--rows", default=10_000, help="That wait to be drained.")
@click.option("--quick", is_flag=True, help="Much less of everything: to see whether it works.")
@click.option("--job-seconds", default=Conditions().job_seconds, help="A simulated job of 100 tickets.")
@click.option("--dynamodb", "kind", type=click.Choice(["moto", "local"]), help="Default: local, if it can run.")
@click.option("--dynamodb-url", help="A DynamoDB to use in place of both.")
@click.option("--logs", type=click.Path(dir_okay=False, path_type=Path), help="Keep the stack's logs here.")
def main(
    parts: Sequence[str],
    *,
    events: int,
    rows: int,
    quick: bool,
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
        "burst": lambda engine, bars: burst.measured(300 if quick else events, conditions, engine, bars),
        "drain": lambda engine, bars: drain.measured(500 if quick else rows, conditions, engine, bars),
    }
    wanted = [measures[name] for name in parts or measures]
    with _quiet(logs), shown(console) as bars:
        measured = asyncio.run(_measured(wanted, kind, dynamodb_url, bars))
    for part in measured:
        console.print(part.table())
    broken = [f"{part.title}: {sentence}" for part in measured for sentence in part.broken]
    for sentence in broken:
        console.print(sentence, style="bold red")
    sys.exit(1 if broken else 0)


type Measure = Callable[[Engine, Bars], Awaitable[Part]]


async def _measured(wanted: Sequence[Measure], kind: EngineKind | None, url: str | None, bars: Bars) -> list[Part]:
    found = []
    for measure in wanted:
        async with engine(kind, url) as started:
            found.append(await measure(started, bars))
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
