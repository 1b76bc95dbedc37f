"""The operator's definitions, checked and compiled as the build does it, without building anything."""

from typing import Any

import click
from pydantic import TypeAdapter

from layers.config import compile as compiler
from layers.config.compile import Config
from layers.config.source import Problem, shown
from ticket_relay.definitions.models import PartnerDefinition, UpdateRule


def partners(config: Config) -> dict[str, PartnerDefinition]:
    """By name. Raises ClickException if a definition is wrong, after each problem has been printed to stderr."""
    return TypeAdapter(dict[str, PartnerDefinition]).validate_python(_compiled(config)["partners.json"])


def rules(config: Config) -> dict[str, UpdateRule]:
    """By name. Raises as `partners` does."""
    return TypeAdapter(dict[str, UpdateRule]).validate_python(_compiled(config)["updates.json"])


def problems(config: Config) -> list[Problem]:
    """All that is wrong with them, on their samples as well. Raises ClickException if there is no such folder."""
    return _read(config, on_samples=True)[1]


def _compiled(config: Config) -> dict[str, dict[str, Any]]:
    files, wrong = _read(config, on_samples=False)
    if wrong:
        click.echo("\n".join(map(str, wrong)), err=True)
        raise click.ClickException(f"The definitions in {shown(config.folder)} cannot be built.")
    return files


def _read(config: Config, *, on_samples: bool) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    try:
        return compiler.compiled(config, on_samples=on_samples)
    except NotADirectoryError as error:
        sentence = str(error)
    raise click.ClickException(f"{sentence[0].upper()}{sentence[1:]}.")
