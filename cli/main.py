"""`relay`: shows events and what is stuck, starts rows again, restores lost ones, and helps to write definitions."""

import time
from dataclasses import asdict, replace
from typing import Any, override

import click

from cli import authoring, definitions, reading, restoring, shown
from cli.console.command import console
from cli.doctor import names
from cli.doctor.examination import examine
from cli.doctor.finding import Status
from cli.events import COMMANDS as EVENT_COMMANDS
from cli.failures import told
from cli.options import STATES, a_row, a_stack, configured, json_too, pk_of, selecting, somewhere
from cli.reading import Record, Wanted
from cli.redriving import STATES as REDRIVABLE
from cli.redriving import Outcome, again
from cli.remapping import REFUSED, compared
from cli.where import Place, Where
from layers.config.catalogue import FILE
from layers.config.compile import Config
from layers.config.source import shown as path_of

_MANY = 1
"""To redrive more rows than this, the operator must confirm."""

_MARKS = {
    Status.GOOD: ("✓", "green"),
    Status.WARNING: ("!", "yellow"),
    Status.WRONG: ("✗", "red"),
    Status.UNCHECKED: ("\N{EN DASH}", "cyan"),
}


class _Relay(click.Group):
    @override
    def invoke(self, ctx: click.Context) -> Any:
        with told():
            return super().invoke(ctx)


@click.group(cls=_Relay, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def main() -> None:
    """Show Ticket Relay's rows, start failed rows again, check the set-up, and write and try definitions.

    Give the options after the command. They say where the table is: in AWS by the stack's name, with your usual
    profile and region, or on this machine by the `dynamodb_url` that `make local` prints:

    \b
        relay stats --endpoint-url http://127.0.0.1:5000

    Or they say where the definitions are, if not in this checkout:

    \b
        relay check --config ../our-relay

    RELAY_STACK, RELAY_ENDPOINT_URL, RELAY_TABLE and RELAY_CONFIG stand for the options of these names.

    Exit status: 0 done, 1 not found, refused or not reached, 2 wrong usage.
    """


for command in (*authoring.COMMANDS, *EVENT_COMMANDS, console):
    main.add_command(command)


@main.command()
@a_row
@somewhere
@json_too
def status(row: tuple[str, ...], where: Where, *, machine: bool) -> None:
    """Show the state of an event or an update in one line. One GetItem."""
    record = _found(where, pk_of(row))
    if machine:
        shown.as_json(_brief(record))
        return
    shown.as_table(("state", "ticket_id", "since", "due_at", "error"), [_with_error(record)])


@main.command()
@a_row
@click.option(
    "--payload",
    is_flag=True,
    help="Print the stored request and event too. WARNING: they hold customers' data, which your terminal, and any "
    "log of it, may then keep.",
)
@somewhere
@json_too
def show(row: tuple[str, ...], where: Where, *, payload: bool, machine: bool) -> None:
    """Show a row with its history: each state, when, and why. One GetItem.

    The history holds the first step and the latest 19.
    """
    record = _found(where, pk_of(row), payload=payload)
    if machine:
        shown.as_json(record)
        return
    payloads = {name: record[name] for name in reading.PAYLOAD if record.get(name)}
    shown.as_fields({name: value for name, value in _brief(record).items() if name not in reading.PAYLOAD})
    click.echo()
    shown.as_table(("at", "state", "attempt", "reason"), record["history"], exact=True)
    for name, text in payloads.items():
        click.echo(f"\n{name}:")
        shown.as_text(text)


@main.command("list")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only this state; repeatable.")
@selecting(limit=100)
@somewhere
@json_too
def list_rows(where: Where, wanted: Wanted, *, states: tuple[str, ...], machine: bool) -> None:
    """List rows, the oldest first.

    There is no index by state, by choice: this scans the whole table, which takes time and costs read capacity for
    every item, listed or not.
    """
    records, matched = reading.oldest(where.place(), replace(wanted, states=states))
    if machine:
        shown.as_json({"matched": matched, "rows": [_brief(record) for record in records]})
        return
    names = ("state", "pk", "ticket_id", "created_at", "since", "due_at", "error")
    shown.as_table(names, map(_with_error, records))
    if matched > len(records):
        click.echo(f"{matched - len(records)} more came later: raise --limit to see them.", err=True)


@main.command()
@a_row
@click.option("--state", type=click.Choice(REDRIVABLE), help="All rows in this state, instead of one.")
@click.option("--remap", is_flag=True, help="Map the events again, with the definitions that are deployed.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="With --remap: only show what would differ, with the definitions of this checkout. WARNING: requests hold "
    "customers' data.",
)
@selecting(limit=None)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@configured
@somewhere
@json_too
def redrive(
    row: tuple[str, ...],
    where: Where,
    wanted: Wanted,
    config: Config,
    *,
    state: str | None,
    machine: bool,
    **how: bool,
) -> None:
    """Start one row again, or all in a state.

    The poller goes on with them within a minute. It looks in Zendesk for a failed ticket first, and sends it again,
    with a new key, only if there is none. It maps an unmapped event with the definitions that are deployed then; if
    the partner's definition does not want it, the row ends as `ignored`. An event about a thing that has a ticket by
    then joins it. It decides an update again on the ticket as it is then.

    A failed event keeps the request that was made for it, unless --remap has it mapped again.

    If a worker has moved a row meanwhile, the row is reported and not changed. With --state, scans the whole table as
    `list` does.
    """
    if bool(row) == bool(state):
        raise click.UsageError("Name one row, or a --state.")
    if row and wanted != Wanted():
        raise click.UsageError(
            "--kind, --partner, --correlation, --older-than, --newer-than and --limit go with --state."
        )
    if how["dry_run"] and not how["remap"]:
        raise click.UsageError("--dry-run goes with --remap.")
    pks = [pk_of(row)] if row else []
    place = where.place()
    if state:
        records, matched = reading.oldest(place, replace(wanted, states=(state,)))
        pks = [record["pk"] for record in records]
        if len(pks) > _MANY and not (how["yes"] or how["dry_run"]):
            click.confirm(f"Redrive {len(pks)} of {matched} {state} rows in {place.table}?", abort=True, err=True)
    if how["dry_run"]:
        done = _compared(place, pks, config, machine=machine)
    else:
        done = _redriven(place, pks, state, remap=how["remap"], machine=machine)
    if not done:
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("copy", metavar="COPY")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@somewhere
@json_too
def restore(copy: str, where: Where, *, yes: bool, machine: bool) -> None:
    """Put the rows that the table has lost, from a restored COPY of it.

    COPY is the name of a table in the same account and region, as point-in-time recovery makes it. A row that the
    table has stays as it is. An unfinished row is looked for in Zendesk before anything is sent for it.

    Scans the whole copy, and writes with conditions, so that it may be run beside workers, and again.
    """
    place = where.place()
    of_copy = replace(place, table=copy)
    records, _ = reading.oldest(of_copy, Wanted())
    if not yes:
        question = f"Put those of the {len(records)} rows of {copy} that {place.table} does not have?"
        click.confirm(question, abort=True, err=True)
    found = restoring.restore(place.store, of_copy.store, (it["pk"] for it in records), time.time())
    if machine:
        shown.as_json(found)
    else:
        shown.as_fields(found)
    if found["unreadable"]:
        raise click.exceptions.Exit(1)


@main.command()
@somewhere
@json_too
def stats(where: Where, *, machine: bool) -> None:
    """Count rows by kind, partner and state.

    Shows the oldest unfinished row too, whether the gate (the circuit breaker before Zendesk) is closed, and how old
    the token is.

    Scans the whole table, which takes time and costs read capacity for every item.
    """
    found = reading.stats(where.place(), time.time())
    if machine:
        shown.as_json(found)
        return
    shown.as_table(("kind", "partner", "state", "count"), found["rows"])
    click.echo()
    oldest, gate, token = found["oldest_unfinished"] or {}, found["gate"], found["token"] or {}
    shown.as_fields(
        {
            "table": found["table"],
            "oldest unfinished": oldest.get("pk"),
            "came": oldest.get("created_at"),
            "gate": gate["state"],
            "closed until": gate["closed_until"],
            "token fetched": token.get("fetched_at"),
            "token good until": token.get("valid_until"),
        }
    )


@main.command()
@a_stack
@configured
@json_too
def doctor(where: Where, config: Config, *, machine: bool) -> None:
    """Check each step of the set-up, and say what to do.

    Checks the stack in AWS, or the local one by its `aws_url`, and calls Zendesk from this machine. Prints a line for
    each step, with a mark: good, good for now, wrong, or cannot be checked from here. Exit status 1 if one is wrong.

    Changes nothing, except that Zendesk makes a token for it. Reads the three secrets, and prints nothing of them. The
    definitions say which partners need a key.
    """
    findings = []
    for finding in examine(where, config):
        findings.append(finding)
        if not machine:
            shown.as_sentence(*_MARKS[finding.status], f"{finding.check}:", finding.finding, finding.advice)
    healthy = all(finding.status is not Status.WRONG for finding in findings)
    if machine:
        shown.as_json({"healthy": healthy, "checks": [asdict(finding) for finding in findings]})
    if not healthy:
        raise click.exceptions.Exit(1)


@main.command()
@a_stack
@configured
def fields(where: Where, config: Config) -> None:
    """Write zendesk.yaml, the names that the account uses.

    It lists the active custom fields, forms, groups, brands and statuses of the account that the stack speaks to, with
    the stack's credentials. Definitions may then use their names. Commit the file: a build asks nobody.

    Changes nothing in Zendesk, except that it makes a token.
    """
    if not config.folder.is_dir():
        raise click.ClickException(f"There is no folder {path_of(config.folder)}.")
    catalogue = names.read(where, config)
    path = config.folder / FILE
    path.write_text(catalogue.text(), encoding="utf-8")
    click.echo(path_of(path))


def _found(where: Where, pk: str, *, payload: bool = False) -> Record:
    record = reading.get(where.place(), pk, payload=payload)
    if record is None:
        raise click.ClickException(f"There is no row {shown.harmless(pk)}.")
    return record


def _compared(place: Place, pks: list[str], config: Config, *, machine: bool) -> bool:
    """Print what each would become if it were mapped again; whether all could be."""
    partners = definitions.partners(config)
    remapped = [compared(place.store, place.events, pk, partners) for pk in pks]
    if machine:
        shown.as_json({"rows": [asdict(each) for each in remapped]})
    else:
        for each in remapped:
            shown.as_fields({"row": each.pk, "outcome": each.outcome, "reason": each.reason})
            if each.outcome != REFUSED:
                shown.as_text(each.difference or "Nothing would differ.")
            click.echo()
    return all(each.outcome != REFUSED for each in remapped)


def _redriven(place: Place, pks: list[str], state: str | None, *, remap: bool, machine: bool) -> bool:
    """Redrive the rows and print the outcome of each, even if a later one raises; whether all were redriven."""
    store, events = place.store, place.events if remap else None
    outcomes: list[Outcome] = []
    try:
        for pk in pks:
            outcomes.append(again(store, pk, time.time(), state, remap=events))  # noqa: PERF401 - it may raise in between
    finally:
        if machine:
            shown.as_json({"rows": [asdict(outcome) for outcome in outcomes]})
        else:
            shown.as_table(("outcome", "pk", "state", "attempt", "reason"), map(asdict, outcomes))
    return all(outcome.outcome == "redriven" for outcome in outcomes)


def _brief(record: Record) -> Record:
    return {name: value for name, value in record.items() if name != "history"}


def _with_error(record: Record) -> Record:
    return record | {"error": record["error_sentence"] or record["error_code"]}
