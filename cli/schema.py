"""JSON Schemas of the definitions' files, for editors. What only a build sees (templates, samples) is not in them.

What a key means is told once, in the reference of docs/partners.md: editors show it from there.
"""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from layers.config.compile import FOLDER, Config
from layers.config.names import PROPERTIES
from ticket_relay.definitions.models import Attachments, Case, Missing, PartnerDefinition, RuleSample, UpdateRule
from ticket_relay.webhooks.presets import NAMES
from ticket_relay.zendesk.ticket_models import TicketChanges, TicketCreate

type Schema = dict[str, Any]

FILES: dict[str, type[BaseModel]] = {"partner.json": PartnerDefinition, "update.json": UpdateRule}
"""In the folder `schema/` beside `partners/` and `updates/`, where the first line of each YAML file finds them."""
REFERENCE = FOLDER.parents[1] / "docs" / "partners.md"
TABLES: dict[str, type[BaseModel]] = {
    "A partner": PartnerDefinition,
    "Which files": Attachments,
    "A case": Case,
    "If there is no ticket": Missing,
    "An update rule": UpdateRule,
    "A rule's sample": RuleSample,
}
"""The headings of the reference, each above the table of a model's keys."""


def write(config: Config) -> list[Path]:
    """Write the schemas into a folder of definitions; where they are now."""
    folder = config.folder / "schema"
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (folder / name).write_text(text(name), encoding="utf-8")
    return [folder / name for name in FILES]


def text(name: str) -> str:
    """The file of this name. The same models give the same text."""
    return json.dumps(_schema(FILES[name]), indent=1, ensure_ascii=False) + "\n"


def _schema(model: type[BaseModel]) -> Schema:
    schema = model.model_json_schema()
    parts = schema["$defs"]
    for name in ("fields_set", "forms_set"):  # the build's own
        schema["properties"].pop(name, None)
    for name in ("CustomField", "CustomFields", "FormNeeds", "FormsNeeds"):
        parts.pop(name, None)
    # What the models check with code: names of schemes, the keys of templates, and a short form.
    for name, replacement in {
        "Scheme": {"enum": sorted(NAMES)},
        "TicketTemplate": _template(TicketCreate),
        "ChangesTemplate": _template(TicketChanges),
    }.items():
        if name in parts:
            parts[name] = replacement
    if "Case" in parts:
        parts["Case"]["properties"]["missing"]["anyOf"].append({"const": "wait"})
    for title, table in TABLES.items():
        described = schema if table is model else parts.get(table.__name__)
        if described is not None:
            for key, meaning in meanings(title).items():
                described["properties"][key]["description"] = meaning
    return {"$schema": "http://json-schema.org/draft-07/schema#", **_without_titles(schema)}


def meanings(title: str) -> dict[str, str]:
    """What the reference says of each key, in the table below this heading."""
    section = REFERENCE.read_text(encoding="utf-8").split(f"\n### {title}\n")[1].split("\n#")[0]
    return dict(re.findall(r"(?m)^\| `(\w+)` \| (.*) \|$", section))


def _template(model: type[BaseModel]) -> Schema:
    """An object with these keys, whatever their values; or one whose keys are code: an operator, or interpolated."""
    properties: Schema = {name: {} for name in sorted({*model.model_fields, *PROPERTIES})}
    plain = {"properties": properties, "patternProperties": {r"\$\{": {}}, "additionalProperties": False}
    return {"type": "object", "if": {"propertyNames": {"not": {"pattern": r"^\$(?!\$|\{)"}}}, "then": plain}


def _without_titles(node: Any) -> Any:
    """Pydantic gives each property its name once more, as a title."""
    if isinstance(node, dict):
        return {
            key: {name: _without_titles(part) for name, part in value.items()}
            if key == "properties"
            else _without_titles(value)
            for key, value in node.items()
            if key != "title"
        }
    return [_without_titles(part) for part in node] if isinstance(node, list) else node
