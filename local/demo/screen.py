"""The show in the terminal: narration, a live table for each scene, and the claims. Plain lines where it is a pipe."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from local.demo.claims import Claim


class Line(NamedTuple):
    """What is known of one event or webhook; `what` distinguishes it from the others."""

    what: str
    answer: str = ""
    row: str = ""
    zendesk: str = ""
    ticket: str = ""
    told: str = ""
    """On the event bus."""


type Show = Callable[[Iterable[Line]], None]
"""Takes all lines of a scene as they are now."""

_HEADINGS = ("event", "answered", "row in the table", "at Zendesk", "ticket", "told on the bus")
_COLOURS = {"created": "green", "applied": "green", "skipped": "green", "submitted": "cyan", "failed": "red"}


class Screen:
    """Writes to stdout."""

    def __init__(self) -> None:
        """Whether stdout is a terminal decides, not FORCE_COLOR: a pipe gets no control characters."""
        self._live = sys.stdout.isatty()
        self._console = Console(force_terminal=self._live, highlight=False, soft_wrap=not self._live)

    def title(self, text: str) -> None:
        self._console.print(f"\n{text}", style="bold")

    def say(self, text: str) -> None:
        self._console.print(text, style="dim", markup=False)

    @contextmanager
    def board(self) -> Iterator[Show]:
        """A scene's lines, shown as they change; the last state stays on the screen."""
        if not self._live:
            yield _changes(lambda text: self._console.print(text, markup=False))
            return
        # Logs go elsewhere, so Live redirects neither stream.
        with Live(console=self._console, refresh_per_second=8, redirect_stdout=False, redirect_stderr=False) as live:
            yield lambda lines: live.update(_table(lines))

    def verdict(self, claims: Mapping[str, Iterable[Claim]]) -> None:
        """Every claim, by scene: whether it was true, and what was seen."""
        for scene, made in claims.items():
            self.say(scene)
            for claim in made:
                mark = Text("  true ", "green") if claim.true else Text("  FALSE", "bold red")
                line = Text.assemble(claim.sentence, (f" ({claim.seen})", "dim"))
                self._console.print(_beside(mark, line) if self._live else Text(" ").join([mark, line]))


def _beside(left: Text, right: Text) -> Table:
    """A long text on the right is wrapped on the right."""
    grid = Table.grid(padding=(0, 1))
    grid.add_row(left, right)
    return grid


def _table(lines: Iterable[Line]) -> Table:
    table = Table(*_HEADINGS, box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for line in lines:
        row = Text(line.row, _COLOURS.get(line.row, ""))
        table.add_row(line.what, line.answer, row, line.zendesk, line.ticket, line.told)
    return table


def _changes(write: Callable[[str], None]) -> Show:
    """Writes a line whenever something has changed in it."""
    known: dict[str, Line] = {}

    def show(lines: Iterable[Line]) -> None:
        for line in lines:
            if any(line[1:]) and known.get(line.what) != line:
                known[line.what] = line
                write("  " + " | ".join(filter(None, line)))

    return show
