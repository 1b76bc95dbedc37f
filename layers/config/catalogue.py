"""What an account calls its custom fields, forms, groups, brands and statuses: `zendesk.yaml`, beside `partners/`.

`relay fields` writes it, and a person commits it: so a build needs no account, and a change of it shows in a diff.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .source import Source

FILE = "zendesk.yaml"
_HEAD = """\
# What the Zendesk account calls its custom fields, forms, groups, brands and statuses, as far as they are active.
# `relay fields` writes this file. Commit it.
"""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int
    name: str


class TicketField(_Entry):
    """`name` is its title, `options` the tags of a field that has options.

    `required_in_portal`: a person must fill it in to send the form. `required`: an agent must, to solve the ticket.
    """

    type: str
    options: tuple[str, ...] = ()
    required_in_portal: bool = False
    required: bool = False


class Form(_Entry):
    """`fields` are those of its custom fields that are in the catalogue, and that it shows under no condition."""

    fields: tuple[int, ...] = ()


class Catalogue(BaseModel):
    """Each list by id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    custom_fields: tuple[TicketField, ...] = Field(default=())
    forms: tuple[Form, ...] = ()
    groups: tuple[_Entry, ...] = ()
    brands: tuple[_Entry, ...] = ()
    custom_statuses: tuple[_Entry, ...] = ()

    @model_validator(mode="after")
    def _has_each_id_once(self) -> Self:
        for kind in KINDS:
            ids = [entry.id for entry in self.entries(kind)]
            if len(set(ids)) < len(ids):
                raise ValueError(f"{kind}: an id is there twice")
        return self

    def entries(self, kind: str) -> tuple[_Entry, ...]:
        """`kind` is one of KINDS."""
        found: tuple[_Entry, ...] = getattr(self, kind)
        return found

    def id_of(self, kind: str, name: str, number: str = "the number of one") -> int:
        """Raises LookupError, with a sentence for the author, if none or several have the name; it then says to write
        the `number`.
        """
        ids = [entry.id for entry in self.entries(kind) if entry.name == name]
        if len(ids) == 1:
            return ids[0]
        if ids:
            raise LookupError(f"{name} is the name of {len(ids)} {_words(kind)}: write {number}")
        near = get_close_matches(name, (entry.name for entry in self.entries(kind)), 1)
        raise LookupError(f"{FILE} has no {name} among its {_words(kind)}" + (f": is it {near[0]}?" if near else ""))

    def text(self) -> str:
        """The file. The same account gives the same text."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        return _HEAD + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000)

    def changes_to(self, newer: "Catalogue") -> list[str]:
        """How they differ, a few words for each kind."""
        said = []
        for kind in KINDS:
            before, now = _by_id(self.entries(kind)), _by_id(newer.entries(kind))
            counts = {
                "new": len(now.keys() - before.keys()),
                "gone": len(before.keys() - now.keys()),
                "changed": sum(before[id] != now[id] for id in before.keys() & now.keys()),
            }
            if words := [f"{count} {word}" for word, count in counts.items() if count]:
                said.append(f"{_words(kind)}: {', '.join(words)}")
        return said


KINDS = tuple(Catalogue.model_fields)


def read_catalogue(folder: Path) -> tuple[Catalogue | None, Source | None]:
    """The folder's catalogue, None if it has none or a broken one; and the file, with what is wrong with it."""
    path = folder / FILE
    if not path.is_file():
        return None, None
    source = Source(path)
    if source.problems:
        return None, source
    try:
        return Catalogue.model_validate(source.value or {}), source
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            source.wrong(problem["loc"], problem["msg"].removeprefix("Value error, "))
        return None, source


def _by_id(entries: Iterable[_Entry]) -> dict[int, _Entry]:
    return {entry.id: entry for entry in entries}


def _words(kind: str) -> str:
    return kind.replace("_", " ")
