"""Output on stdout: JSON, or text for people, aligned and coloured in a terminal, tab-separated elsewhere."""

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

COLOURS = {
    **dict.fromkeys(("created", "joined", "split", "applied", "skipped", "ignored", "redriven", "open"), "green"),
    **dict.fromkeys(("accepted", "submitted"), "cyan"),
    **dict.fromkeys(("unmapped", "conflict", "moved", "closed", "probe_due"), "yellow"),
    **dict.fromkeys(("failed", "refused", "gone"), "red"),
}
"""By state or outcome."""
UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


def as_json(value: Any) -> None:
    """One value. What is not ASCII is escaped, control characters among it."""
    click.echo(json.dumps(value, indent=2, default=iso))


def as_fields(pairs: Mapping[str, Any], stream: TextIO | None = None) -> None:
    """One thing, a line for each of its properties."""
    stream = stream or sys.stdout
    if not stream.isatty():
        _separated(pairs.items(), stream)
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs.items():
        grid.add_row(name, _coloured(value, exact=True))
    _console(stream).print(grid)


def as_table(
    names: Sequence[str], things: Iterable[Mapping[str, Any]], stream: TextIO | None = None, *, exact: bool = False
) -> None:
    """Many things, a line for each, with the named properties. In a terminal a time is shown as how long ago it was,
    and, if `exact`, the time itself too.
    """
    stream = stream or sys.stdout
    lines = ([thing[name] for name in names] for thing in things)
    if not stream.isatty():
        _separated([names, *lines], stream)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in names:
        # Folded and not cut: an id is there to be copied.
        table.add_column(name, overflow="fold")
    for line in lines:
        table.add_row(*(_coloured(value, exact=exact) for value in line))
    _console(stream).print(table)


def as_text(text: str) -> None:
    """A text from a partner or from Zendesk, line by line."""
    click.echo("\n".join(map(harmless, text.splitlines())))


def as_sentence(mark: str, colour: str, *words: str | None) -> None:
    """A mark and what it is about, on one line."""
    click.echo(" ".join([click.style(mark, colour), *(harmless(each) for each in words if each)]))


def iso(at: Any) -> str:
    """A time in ISO 8601: UTC, milliseconds. Raises TypeError for anything else, as `json` asks."""
    if not isinstance(at, datetime):
        raise TypeError(f"{type(at).__name__} is not a time")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def harmless(text: str) -> str:
    """Without control characters: a terminal obeys them, and reasons are Zendesk's words."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _console(stream: TextIO) -> Console:
    # Whether the stream is a terminal decides, not FORCE_COLOR and similar variables.
    return Console(file=stream, force_terminal=True, highlight=False)


def _separated(lines: Iterable[Sequence[Any]], stream: TextIO) -> None:
    for line in lines:
        click.echo("\t".join(map(_word, line)), file=stream)


def _word(value: Any) -> str:
    match value:
        case None | "" | []:
            return "-"
        case datetime():
            return iso(value)
        case list():
            return " ".join(map(_word, value))
        case _:
            return harmless(str(value))


def _coloured(value: Any, *, exact: bool) -> Text:
    match value:
        case datetime() if exact:
            return Text.assemble(f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z ", (f"({distance(value)})", "dim"))
        case datetime():
            return Text(distance(value))
        case _:
            word = _word(value)
            return Text(word, COLOURS.get(word, ""))


def distance(at: datetime) -> str:
    """From now, in the largest unit that fits: `3 min ago`, `in 2 h`."""
    seconds = round(time.time() - at.timestamp())
    unit, size = next((each for each in UNITS if abs(seconds) >= each[1]), UNITS[-1])
    count = f"{abs(seconds) // size} {unit}"
    return f"{count} ago" if seconds >= 0 else f"in {count}"
