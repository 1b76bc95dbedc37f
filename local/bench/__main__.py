"""`make bench`: figures to compare, never a test: machines differ, and these are noisy.

Times are medians with their range; where two ways are compared, they take turns, and the ratio is what counts.
"""

import asyncio
import sys

import click
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from local.bench import cold_start, load


@click.command()
@click.option("--events", default=200, show_default=True, help="Events sent through the whole stack.")
@click.option("--connections", default=20, show_default=True, help="How many of them at once.")
@click.option("--pairs", default=7, show_default=True, help="Cold starts of either build.")
def main(events: int, connections: int, pairs: int) -> None:
    """Measure a cold start and the whole way from event to ticket on this machine."""
    console = Console()
    if sys.platform == "linux":
        console.print(cold_start.table(_cold_starts(pairs, console)))
    else:
        console.print("Cold start: only on Linux, where Lambda's runtime runs.")
    console.print(load.table(asyncio.run(load.measured(events, connections)), events))


def _cold_starts(pairs: int, console: Console) -> list[cold_start.Pair]:
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, redirect_stderr=False, redirect_stdout=False) as bars:
        return asyncio.run(cold_start.measured(pairs, bars))


if __name__ == "__main__":
    main()
