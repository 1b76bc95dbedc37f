"""Options that several commands share, and the values they take."""

import os
import re
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TextIO, override

import click

from cli.reading import FIELDS, Wanted
from cli.sending import LOCAL, Target, url_of
from cli.where import DEFAULT_STACK, Where, is_url, on_loopback
from layers.config.compile import FOLDER, VARIABLE, Config
from layers.config.source import shown
from ticket_relay.storage.rows import TicketState, UpdateState, ticket_pk

STATES = list(dict.fromkeys(map(str, [*TicketState, *UpdateState])))
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Duration(click.ParamType):
    """`15m` as seconds."""

    name = "duration"

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"(\d{1,9})([smhd])", str(value), re.ASCII)
        if not found:
            self.fail(f"{value!r} is not a duration. Give a number and a unit: 90s, 15m, 2h, 3d.", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


_STACK = click.option("--stack", envvar="RELAY_STACK", help=f"CloudFormation stack in AWS. Default: {DEFAULT_STACK}.")
_REGION = click.option("--region", help="AWS region, if not the usual one.")
_PROFILE = click.option("--profile", help="AWS profile, if not the usual one.")


def somewhere(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where the table is, for a command that needs the table only; it gets them as `where`."""
    endpoint = click.option(
        "--endpoint-url", envvar="RELAY_ENDPOINT_URL", help="Another DynamoDB: the local stack's `dynamodb_url`."
    )
    table = click.option(
        "--table", envvar="RELAY_TABLE", help="The table's name. Not needed if the endpoint has only one table."
    )
    return _STACK(endpoint(table(_REGION(_PROFILE(_placed(command, "stack", "endpoint_url", "table"))))))


def a_stack(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say where the stack is, for a command that needs all of it; it gets them as `where`."""
    endpoint = click.option(
        "--endpoint-url", envvar="RELAY_ENDPOINT_URL", help="Another AWS: the local stack's `aws_url`."
    )
    dynamodb = click.option("--dynamodb-url", help="DynamoDB, if it is not at the same address.")
    return _STACK(endpoint(dynamodb(_REGION(_PROFILE(_placed(command, "stack", "endpoint_url", "dynamodb_url"))))))


def _placed(command: Callable[..., None], *names: str) -> Callable[..., None]:
    @wraps(command)
    def placed(**options: Any) -> None:
        where = Where(**{name: options.pop(name) for name in (*names, "region", "profile")})
        command(where=where, **options)

    return placed


def a_target(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which relay events are sent to, with which secret; the command gets it as `target`."""

    @click.option("--url", envvar="RELAY_URL", help=f"The relay's address. Default: the local stack's, {LOCAL}.")
    @click.option("--stack", help="A stack in AWS, whose address and secret are taken.")
    @_REGION
    @_PROFILE
    @click.option("--secret-file", type=click.File(), metavar="FILE", help="A file with a secret of the partner.")
    @wraps(command)
    def with_target(
        *,
        url: str | None,
        stack: str | None,
        region: str | None,
        profile: str | None,
        secret_file: TextIO | None,
        **options: Any,
    ) -> None:
        where = Where(stack=stack, region=region, profile=profile) if stack or region or profile else None
        url = url or (url_of(where) if where else LOCAL)
        if not is_url(url) or not (url.startswith("https:") or on_loopback(url)):
            raise click.BadParameter("must begin with https://, except on this machine", param_hint="--url")
        secret = secret_file.read().strip() if secret_file else os.environ.get("RELAY_SECRET")
        command(target=Target(url, where, secret or None), **options)

    return with_target


def selecting(*, limit: int | None) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the options that select rows, except by state; the command gets them as `wanted`. `limit` is the default."""

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        @click.option("--kind", type=click.Choice(list(FIELDS)), help="Only tickets, or only updates.")
        @click.option("--partner", help="Only tickets for this partner's events.")
        @click.option(
            "--correlation", metavar="KEY", help="Only events about the same thing, by the key in their rows."
        )
        @click.option(
            "--older-than", type=Duration(), metavar="TIME", help="Only rows older than this: 90s, 15m, 2h, 3d."
        )
        @click.option("--newer-than", type=Duration(), metavar="TIME", help="Only rows that are not older than this.")
        @click.option(
            "--limit", type=click.IntRange(1), default=limit, show_default=True, help="At most this many rows."
        )
        @wraps(command)
        def selected(
            *,
            kind: str | None,
            partner: str | None,
            correlation: str | None,
            older_than: float | None,
            newer_than: float | None,
            limit: int | None,
            **options: Any,
        ) -> None:
            now = time.time()
            before, after = (None if age is None else now - age for age in (older_than, newer_than))
            wanted = Wanted(
                kind=kind, partner=partner, before=before, after=after, correlation=correlation, limit=limit
            )
            command(wanted=wanted, **options)

        return selected

    return with_options


def configured(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option that says where the definitions are; the command gets it as `config`."""

    @click.option(
        "--config",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        default=FOLDER,
        envvar=VARIABLE,
        help=f"Folder of partners/, updates/ and their samples. Default: {shown(FOLDER)} in this checkout.",
    )
    @wraps(command)
    def with_config(*, folder: Path, **options: Any) -> None:
        command(config=Config(folder), **options)

    return with_config


a_row = click.argument("row", nargs=-1, metavar="PARTNER EVENT | KEY")
json_too = click.option("--json", "machine", is_flag=True, help="Answer in JSON.")


def pk_of(row: tuple[str, ...]) -> str:
    """The key of a row, from its partner and event id or from the key itself. Raises UsageError for other keys."""
    match row:
        case (pk,) if pk.startswith(tuple(f"{kind}#" for kind in FIELDS)):
            return pk
        case (partner, event_id):
            return ticket_pk(partner, event_id)
        case _:
            raise click.UsageError("Name a row by its partner and event id, or by its key: ticket#… or update#….")
