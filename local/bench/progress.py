"""How far the bench is: one bar at a time on a terminal, one line for each elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn


class Bars(Protocol):
    """Shows what is under way."""

    def begin(self, name: str, total: int) -> Callable[[int], None]:
        """A new bar in the place of the one before; the function moves it."""


class _Lines:
    def __init__(self, console: Console) -> None:
        self._console = console

    def begin(self, name: str, total: int) -> Callable[[int], None]:
        self._console.print(f"{name} ({total:,})" if total > 1 else name)
        return lambda _: None


class _OneBar:
    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task = bars.add_task("")

    def begin(self, name: str, total: int) -> Callable[[int], None]:
        self._bars.reset(self._task, description=name, total=total)
        return lambda done: self._bars.update(self._task, completed=done)


@contextmanager
def shown(console: Console) -> Iterator[Bars]:
    """Bars on this console for as long as the context lasts. The stack's logs go to stderr, which is left alone."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, redirect_stderr=False, redirect_stdout=False, transient=True) as bars:
        yield _OneBar(bars)
