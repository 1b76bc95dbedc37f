"""The commands that take authentic events from one stack to another."""

import os
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TextIO

import click

from cli import definitions, exporting, reading, replaying, shown
from cli.exporting import Exported
from cli.options import STATES, a_target, configured, json_too, selecting, somewhere
from cli.reading import Wanted
from cli.sending import Target
from cli.where import Where, on_loopback
from layers.config.compile import Config


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only this state; repeatable.")
@selecting(limit=None)
@somewhere
@json_too
def export(path: Path, where: Where, wanted: Wanted, *, states: tuple[str, ...], machine: bool) -> None:
    """Write the events of a stack to a new FILE, the oldest first: a line of JSON for each delivery.

    WARNING: that is what partners sent, with customers' data. Only you may read the file; delete it when it has done
    its work.

    Scans the whole table as `list` does, and reads each row that it exports. An event whose row does not keep it is
    counted and left out.
    """
    place = where.place()
    records, _ = reading.oldest(place, replace(wanted, kind="ticket", states=states))
    with _new(path) as file:
        counts = exporting.export(place.store, place.events, (record["pk"] for record in records), file)
    if machine:
        shown.as_json(counts)
    else:
        shown.as_fields(counts)
    if counts["unreadable"]:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("file", type=click.File(encoding="utf-8"), metavar="FILE")
@a_target
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@configured
@json_too
def replay(file: TextIO, target: Target, config: Config, *, yes: bool, machine: bool) -> None:
    """Send the events of an exported FILE (`-` is stdin) to another stack, as their partners would.

    Each is signed anew with that stack's secret, and keeps its own id: an event that the stack has already is answered
    with its state. Without --stack and --url, the stack is the local one. For another relay at --url, export the events
    of one partner, and give your own secret, in --secret-file or the variable RELAY_SECRET.

    WARNING: the stack makes tickets of them. Let it be one whose Zendesk is a sandbox: a relay looks for the tickets of
    its own rows only.

    Exit status 1 if an event was refused.
    """
    events = list(_read(file))
    if target.secret is not None and len({event.partner for event in events}) > 1:
        raise click.UsageError("The secret that is given is that of one partner, and the events are of several.")
    if not on_loopback(target.url) and not yes:
        click.confirm(f"Send {len(events)} events to {target.url}?", abort=True, err=True)
    known = definitions.partners(config)
    replayed = []
    try:
        for each in replaying.replay(events, known, target):
            replayed.append(each)  # noqa: PERF402 - it may raise in between
    finally:
        if machine:
            shown.as_json({"events": [asdict(each) for each in replayed]})
        else:
            shown.as_table(("state", "ticket_id", "partner", "id", "reason"), map(asdict, replayed))
    if any(each.state == replaying.REFUSED for each in replayed):
        raise click.exceptions.Exit(1)


def _new(path: Path) -> TextIO:
    """A file that nobody else may read. Raises ClickException if there is one already."""
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
    except FileExistsError:
        raise click.ClickException(f"{path} is there already.") from None
    except OSError as error:
        raise click.ClickException(f"{path} cannot be written: {error.strerror}.") from None


def _read(file: TextIO) -> Iterator[Exported]:
    """Raises ClickException before anything is sent if a line is none of an export."""
    for number, line in enumerate(file, start=1):
        try:
            yield Exported.read(line)
        except ValueError as error:
            raise click.ClickException(f"Line {number} {error}.") from None


COMMANDS = (export, replay)
