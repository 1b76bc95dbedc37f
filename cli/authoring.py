"""The commands for authors of definitions."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import BinaryIO

import click

from cli import definitions, previewing, shown
from cli.options import configured, json_too
from cli.previewing import partner as of_partner
from cli.previewing import rule as of_rule
from layers.config.compile import Config
from layers.config.compile import shown as path_of
from ticket_relay.storage.rows import TicketState
from ticket_relay.webhooks import payload


@click.command()
@configured
@json_too
def check(config: Config, *, machine: bool) -> None:
    """Check all definitions, on their samples too.

    Prints each problem with its file, its line and the reason, as `make check` does. Exit status 1 if there is one.
    """
    problems = definitions.problems(config)
    if machine:
        shown.as_json({"problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            click.echo(shown.harmless(str(problem)))
    if problems:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("name", metavar="PARTNER|RULE")
@click.argument("event", type=click.File("rb"), metavar="[FILE]", required=False)
@click.option("--ticket", type=click.File("rb"), metavar="FILE", help="For a rule: what Show Ticket answers.")
@configured
@json_too
def preview(name: str, event: BinaryIO | None, ticket: BinaryIO | None, config: Config, *, machine: bool) -> None:
    """Show what an event would become: a partner's ticket, or an update rule's changes of a ticket.

    FILE is the webhook's body; `-` is stdin. Without it, and without --ticket, the definition's samples are used. If a
    partner and a rule have the same name, --ticket says that the rule is meant. Calls neither AWS nor Zendesk. Exit
    status 1 if the definition does not fit the event.

    The output holds what event and ticket hold, including customers' data.
    """
    partner = None if ticket else definitions.partners(config).get(name)
    if partner is not None:
        body = event.read() if event else previewing.sample(config, partner.sample)
        previews = of_partner.preview(partner, payload.parse(body))
        if machine:
            shown.as_json({"partner": name, "events": [asdict(each) for each in previews]})
        else:
            _print(previews)
        if any(each.outcome == TicketState.UNMAPPED for each in previews):
            raise click.exceptions.Exit(1)
    elif rule := definitions.rules(config).get(name):
        outcome = of_rule.preview(rule, *of_rule.told(rule, config, ticket, event))
        if machine:
            shown.as_json(asdict(outcome))
        else:
            _print([outcome])
    else:
        kind = "rule" if ticket else "partner or rule"
        raise click.ClickException(f"There is no {kind} {shown.harmless(name)} in {path_of(config.folder)}.")


def _print(previews: Sequence[of_partner.Preview | of_rule.Preview]) -> None:
    for number, each in enumerate(previews):
        if number:
            click.echo()
        shown.as_fields(each.summary())
        for request in each.requests:
            click.echo(f"\n{request['method']} {request['path']}")
            shown.as_text(json.dumps(request["body"], indent=2, ensure_ascii=False))


COMMANDS = (check, preview)
