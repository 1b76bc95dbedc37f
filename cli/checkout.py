"""The definitions of this checkout, checked and compiled as the build does it, without building anything."""

from pathlib import Path
from tempfile import TemporaryDirectory

import click
from pydantic import TypeAdapter

from layers.config import compile as compiler
from ticket_relay.definitions.loader import PACKAGE
from ticket_relay.definitions.models import PartnerDefinition, UpdateRule

ROOT = compiler.FOLDER.parents[1]
"""The folder to which the paths of samples are relative."""


def partners() -> dict[str, PartnerDefinition]:
    """By name. Raises ClickException if a definition is wrong; the compiler has printed each problem to stderr."""
    return _built("partners.json", TypeAdapter(dict[str, PartnerDefinition]))


def rules() -> dict[str, UpdateRule]:
    """By name. Raises as `partners` does."""
    return _built("updates.json", TypeAdapter(dict[str, UpdateRule]))


def _built[Definitions](file: str, adapter: TypeAdapter[Definitions]) -> Definitions:
    with TemporaryDirectory(prefix="relay-") as folder:
        if compiler.main([folder]) != 0:
            raise click.ClickException("The definitions in layers/config cannot be built.")
        return adapter.validate_json((Path(folder) / PACKAGE / file).read_bytes())
