"""The commands for authors of definitions."""

import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from secrets import token_hex
from typing import BinaryIO

import click

from cli import copying, definitions, previewing, sending, shown
from cli import schema as schemas
from cli.options import Duration, a_target, configured, json_too
from cli.previewing import partner as of_partner
from cli.previewing import rule as of_rule
from cli.sending import Target
from layers.config.compile import Config
from layers.config.source import shown as path_of
from ticket_relay.definitions.models import NAME
from ticket_relay.storage.rows import TicketState
from ticket_relay.webhooks import payload
from ticket_relay.webhooks.signatures import filled


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


@click.command()
@configured
def schema(config: Config) -> None:
    """Write the JSON Schemas of partners and update rules.

    They go into the folder schema/ beside partners/ and updates/, where the first line of each YAML file names them.
    An editor with the YAML language server then completes and checks as you type.
    """
    for path in schemas.write(config):
        click.echo(path_of(path))


@click.command()
@click.argument("partner")
@click.option(
    "--from",
    "name",
    metavar="NAME",
    default="standard-webhooks",
    show_default=True,
    help="The example to copy.",
)
@configured
def new(partner: str, name: str, config: Config) -> None:
    """Begin the definition of a partner, as a copy of an example with its samples.

    Prints the files that it writes, and replaces no definition and no sample. A wrong NAME lists the examples.
    """
    examples = copying.examples()
    if name not in examples:
        raise click.BadParameter(f"must be one of {', '.join(sorted(examples))}", param_hint="--from")
    if not re.fullmatch(NAME, partner):
        raise click.BadParameter("give a-z, 0-9 and hyphens, at most 63, beginning with a letter", param_hint="PARTNER")
    for path in [*copying.copied(examples[name], partner, config), *schemas.write(config)]:
        click.echo(path_of(path))


@click.command()
@click.argument("name", metavar="PARTNER")
@click.argument("event", type=click.File("rb"), metavar="[FILE]", required=False)
@a_target
@click.option("--id", help="The event's id. Default: a new one.")
@click.option("--wait", type=Duration(), metavar="TIME", help="Repeat the delivery until the ticket is there: 30s.")
@configured
@json_too
def send(
    name: str,
    event: BinaryIO | None,
    config: Config,
    *,
    target: Target,
    id: str | None,
    wait: float | None,
    machine: bool,
) -> None:
    """Sign an event as a partner does, and send it.

    FILE is the body; `-` is stdin, and without it the definition's sample is sent. It is a new event: where the scheme
    has id and time in the body, they are set there. With a scheme that has no id, the same body is the same event.

    The secret is that of the local stack at the address, or of the stack that --stack names, or your own, in
    --secret-file or the variable RELAY_SECRET. Exit status 1 if the relay does not take the event, or if it gets no
    ticket.
    """
    definition = definitions.partners(config).get(name)
    if definition is None:
        raise click.ClickException(f"There is no partner {shown.harmless(name)} in {path_of(config.folder)}.")
    secret = sending.secret_of(name, target)
    body = event.read() if event else previewing.sample(config, definition.sample)
    id = id or f"msg_{token_hex(8)}"
    body = filled(definition.signature, id=id, timestamp=time.time(), body=body)
    answer = sending.delivered_until_settled(target.url, definition, body, secret, id, seconds=wait or 0)
    if machine:
        shown.as_json({"status": answer.status, **answer.body})
    else:
        shown.as_fields({"status": answer.status} | {key: text for key, text in answer.body.items() if key != "events"})
        if "events" in answer.body:
            events = [{"ticket_id": None} | each for each in answer.events]
            shown.as_table(("state", "ticket_id", "id"), events)
    if not answer.good or (wait and not answer.settled):
        raise click.exceptions.Exit(1)


COMMANDS = (check, preview, schema, new, send)
