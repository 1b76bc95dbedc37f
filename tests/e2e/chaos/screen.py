"""Progress: bars on a terminal, a line now and then elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich import progress
from rich.console import Console

from tests.e2e.chaos.run import Progress, Task


class Lines:
    """A line for each tenth of the events."""

    def __init__(self, console: Console, task: Task) -> None:
        self._console, self._task, self._tenths = console, task, 0

    def sent(self, number: int) -> None:
        tenths = number * 10 // self._task.events
        if tenths > self._tenths:
            self._tenths = tenths
            self._console.print(f"{self._task.name}: {number} of {self._task.events} sent", highlight=False)

    def waiting(self, rows: int) -> None:
        """Nothing to see."""


class Bar:
    """Events sent, then rows settled."""

    def __init__(self, bars: progress.Progress, task: Task) -> None:
        self._bars, self._task = bars, task
        self._bar = bars.add_task(f"{task.name}: sent", total=task.events)

    def sent(self, number: int) -> None:
        self._bars.update(self._bar, completed=number)

    def waiting(self, rows: int) -> None:
        settled = max(0, self._task.events - rows)
        self._bars.update(self._bar, description=f"{self._task.name}: settled", completed=settled)


@contextmanager
def watching(console: Console) -> Iterator[Callable[[Task], Progress]]:
    """Makes what a run tells of its progress."""
    if not console.is_terminal:
        yield lambda task: Lines(console, task)
        return
    columns = (*progress.Progress.get_default_columns(), progress.MofNCompleteColumn(), progress.TimeElapsedColumn())
    # The logs of the stack go to stderr, which is none of the screen's business.
    with progress.Progress(*columns, console=console, redirect_stderr=False, redirect_stdout=False) as bars:
        yield lambda task: Bar(bars, task)
