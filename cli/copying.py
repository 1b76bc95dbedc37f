"""A new partner begins as a copy of an example: a definition of this checkout, and its samples."""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import click
import yaml

from layers.config.compile import FOLDER, Config, shown
from ticket_relay.definitions.models import PartnerDefinition


@dataclass(frozen=True, slots=True)
class Example:
    """A definition that can be copied, and the folder that holds it with its samples."""

    path: Path
    config: Config


def examples() -> dict[str, Example]:
    """By name: the definitions in `examples/`, which nobody deploys, and the partners."""
    folders = (Config(), Config(FOLDER / "examples"))
    return {
        path.stem: Example(path, config)
        for config in folders
        for path in sorted((config.folder / "partners").glob("*.yaml"))
    }


def copied(example: Example, partner: str, config: Config) -> list[Path]:
    """Write the example into a folder of definitions under another name, with its samples; the files that are new.

    Raises ClickException, and writes nothing, if one of them is there already.
    """
    text = example.path.read_text(encoding="utf-8")
    definition = PartnerDefinition.model_validate(yaml.safe_load(text))
    text = re.sub(rf"(?m)^partner: {example.path.stem}$", f"partner: {partner}", text)
    files: dict[Path, bytes] = {}
    for name in {definition.sample, *(case.sample for case in definition.cases if case.sample)}:
        renamed = _renamed(name, example.path.stem, partner)
        text = re.sub(rf"(?m)^( *(?:- )?sample: ){re.escape(name)}$", rf"\g<1>{renamed}", text)
        files[config.sample(renamed)] = example.config.sample(name).read_bytes()
    files[config.folder / "partners" / f"{partner}.yaml"] = text.encode()
    if there := sorted(shown(path) for path in files if path.exists()):
        raise click.ClickException(f"There is already {', '.join(there)}.")
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return sorted(files)


def _renamed(sample: str, example: str, partner: str) -> str:
    """`events/initech-opened.json`, of `events/acme-opened.json`."""
    path = PurePosixPath(sample)
    return str(path.with_name(f"{partner}-{path.name.removeprefix(f'{example}-')}"))
