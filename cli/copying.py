"""A new partner begins as a copy of an example: a definition of this checkout, and its samples."""

import re
from pathlib import Path, PurePosixPath

import click
import yaml

from layers.config.compile import FOLDER, Config
from layers.config.source import shown


def examples() -> dict[str, Path]:
    """The definitions that can be copied, by name: those in `examples/`, which nobody deploys, and the partners."""
    files = [path for folder in ("partners", "examples") for path in sorted((FOLDER / folder).glob("*.yaml"))]
    return {path.stem: path for path in files}


def copied(example: Path, partner: str, config: Config) -> list[Path]:
    """Write the example into a folder of definitions under another name, with its samples; the files that are new.

    Raises ClickException, and writes nothing, if one of them is there already.
    """
    text = example.read_text(encoding="utf-8")
    definition = yaml.safe_load(text)
    text = re.sub(rf"(?m)^partner: {example.stem}$", f"partner: {partner}", text)
    files: dict[Path, bytes] = {}
    for name in {each["sample"] for each in (definition, *definition.get("events", ())) if "sample" in each}:
        renamed = _renamed(name, example.stem, partner)
        text = re.sub(rf"(?m)^( *(?:- )?sample: ){re.escape(name)}$", rf"\g<1>{renamed}", text)
        files[config.sample(renamed)] = Config().sample(name).read_bytes()
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
