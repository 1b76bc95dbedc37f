"""The definitions of this checkout, through the build's own door, so that nothing need be built to look at them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
from pydantic import TypeAdapter

from layers.config import compile as compiler
from ticket_relay.definitions.loader import PACKAGE
from ticket_relay.definitions.models import PartnerDefinition, UpdateRule

ROOT = compiler.FOLDER.parents[1]
"""What samples are named from."""


def partners() -> dict[str, PartnerDefinition]:
    """By name. Raises ClickException where a definition is wrong: each problem was then printed to stderr."""
    return _built("partners.json", TypeAdapter(dict[str, PartnerDefinition]))


def rules() -> dict[str, UpdateRule]:
    """By name. Raises as `partners` does."""
    return _built("updates.json", TypeAdapter(dict[str, UpdateRule]))


def _built[Definitions](file: str, adapter: TypeAdapter[Definitions]) -> Definitions:
    with TemporaryDirectory(prefix="relay-") as folder:
        if compiler.main([folder]) != 0:
            raise click.ClickException("The definitions in layers/config cannot be built.")
        return adapter.validate_json((Path(folder) / PACKAGE / file).read_bytes())
