"""From the names in a definition to the numbers that Zendesk takes, and what the catalogue says against its values.

A name stands as a text, in the branches of an `$if` or a `$switch`, or within a `$let`: a build cannot look up what an
event holds.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel

from ticket_relay.definitions import custom_fields
from ticket_relay.definitions.models import CustomField, FormNeeds, is_operator

from .catalogue import FILE, Catalogue, Form, TicketField
from .mistakes import branches
from .source import Place, Source

PROPERTIES = {
    "group": ("groups", "group_id"),
    "form": ("forms", "ticket_form_id"),
    "brand": ("brands", "brand_id"),
    "custom_status": ("custom_statuses", "custom_status_id"),
}
"""What a definition calls a property whose value is a name: where the names are, and what Zendesk calls it."""

_PROPERTY_OF = dict(PROPERTIES.values())
_KIND_OF = {property: kind for kind, property in _PROPERTY_OF.items()}
_DIGITS = re.compile("[0-9]{1,19}")
_OF_THE_BUILD = ("fields_set", "forms_set")


def resolve(source: Source, catalogue: Catalogue | None) -> None:
    """Replace the names in a definition by numbers, and give it the fields and forms that it sets, in `source.value`.

    All that is wrong is reported to the source. A definition of another form than a definition's is left as it is.
    """
    definition = source.value
    if not isinstance(definition, dict):
        return
    for name in _OF_THE_BUILD:
        if name in definition:
            source.wrong((name,), "unknown field")
    names = _Names(source, catalogue)
    source.value = names.in_definition(definition, ())
    if catalogue is not None:
        source.value |= {name: known for name in _OF_THE_BUILD if (known := getattr(names, name))}


@dataclass
class _Names:
    source: Source
    catalogue: Catalogue | None

    def __post_init__(self) -> None:
        fields = self.catalogue.custom_fields if self.catalogue else ()
        self._fields = {field.id: field for field in fields}
        self._set: set[int] = set()
        needs = {form.id: self._needs(form) for form in (self.catalogue.forms if self.catalogue else ())}
        self._forms = {id: form for id, form in needs.items() if form.needs or form.to_solve}
        self._forms_set: set[int] = set()

    @property
    def fields_set(self) -> dict[str, Any]:
        """By id as JSON has it; the options in one order, so that the same definitions give the same bytes."""
        known = _dumped({id: _known(field) for id, field in self._fields.items() if id in self._set})
        for field in known.values():
            field.get("options", []).sort()
        return known

    @property
    def forms_set(self) -> dict[str, Any]:
        return _dumped({id: form for id, form in self._forms.items() if id in self._forms_set})

    def in_definition(self, definition: dict[str, Any], at: Place) -> dict[str, Any]:
        made = dict(definition)
        for name in ("ticket", "changes"):
            if name in definition:
                made[name] = self._in_template(definition[name], (*at, name))
        if isinstance(cases := definition.get("events"), list):
            made["events"] = [
                self.in_definition(case, (*at, "events", number)) if isinstance(case, dict) else case
                for number, case in enumerate(cases)
            ]
        return made

    def _in_template(self, template: object, at: Place) -> object:
        if not isinstance(template, dict):
            return template
        if _is_code(template):
            return _in_branches(template, at, self._in_template, otherwise=self._unforeseen)
        made: dict[str, Any] = {}
        for key, part in template.items():
            place = (*at, key)
            if key in PROPERTIES:
                kind, property = PROPERTIES[key]
                if property in template:
                    self.source.wrong(place, f"is there as {property}, too")
                self.source.moved[*at, property] = place
                made[property] = _in_branches(part, place, partial(self._number_for, kind))
            elif key == "custom_fields":
                made[key] = _in_branches(part, place, self._by_title, otherwise=_unchanged)
                self._look_at(made[key], place)
            else:
                self._look_at_numbers(key, part, place)
                made[key] = part
        if _is_of_ticket(at) and "ticket_form_id" in made:
            self._require(made, (*at, "ticket_form_id"))
        return made

    def _look_at_numbers(self, key: object, part: object, at: Place) -> None:
        """Of a property that has some, or may turn out to be any."""
        if key in _KIND_OF:
            for place, leaf in _leaves(part, at):
                if (id := _whole(leaf)) is not None:
                    self._number(_KIND_OF[str(key)], id, place)
        elif _has_code(str(key)):
            self._unforeseen(part, at)

    def _unforeseen(self, template: object, at: Place) -> object:
        """Code makes what shows only when it is rendered: all is known then, to check it by."""
        self._set |= self._fields.keys()
        if _is_of_ticket(at):
            self._forms_set |= self._forms.keys()
        return template

    def _number_for(self, kind: str, name: object, at: Place) -> int:
        """Any number will do where there is none: that is reported, and the definition not built."""
        return self._id(kind, name, at) or 1

    def _id(self, kind: str, name: object, at: Place) -> int | None:
        """The number of a name; None if there is none, and that is reported."""
        if self.catalogue is None:
            self.source.wrong(at, f"is a name, which needs {FILE}: `relay fields` writes it")
        elif _has_code(name):
            self.source.wrong(at, "must be a name, or an $if or a $switch of names")
        elif not isinstance(name, str):
            number = f"; a number goes with {_PROPERTY_OF[kind]}" if kind in _PROPERTY_OF else ""
            self.source.wrong(at, f"must be a name, in quotes if YAML takes it for something else{number}")
        else:
            number = f"{_PROPERTY_OF[kind]}, with the number of one" if kind in _PROPERTY_OF else "the number of one"
            try:
                return self.catalogue.id_of(kind, name, number)
            except LookupError as error:
                self.source.wrong(at, error.args[0])
        return None

    def _by_title(self, fields: object, at: Place) -> object:
        """The list of Zendesk's for a map from titles, or numbers, to values. A condition goes around the whole item,
        so that a field is left out where it has no `else`.
        """
        if not isinstance(fields, dict):
            return fields
        items: list[object] = []
        given: dict[int, object] = {}
        for title, value in fields.items():
            place = (*at, str(title))
            id = self._field(title, place)
            if id in given:
                self.source.wrong(place, f"is the same field as {given[id]}")
            elif id is not None:
                given[id] = title
                self.source.moved[*at, len(items)] = place
                for name in ("id", "value"):
                    self.source.moved[*at, len(items), name] = place
                items.append(_in_branches(value, place, partial(_item, id)))
        return items

    def _field(self, title: object, at: Place) -> int | None:
        """By its title or its number. Digits may be both: in quotes they are rather a title, without a number."""
        id = _whole(title)
        is_number = id in self._fields and not isinstance(title, str)
        if id is None or (not is_number and any(field.name == str(title) for field in self._fields.values())):
            return self._id("custom_fields", title if id is None else str(title), at)
        return id

    def _look_at(self, fields: object, at: Place) -> None:
        """Note the fields of a list, all where some show only when it is rendered; check the numbers, and the values
        without code.
        """
        if self.catalogue is None:
            return
        for place, item in _items(fields, at):
            id = _id_of(item)
            if id is None:
                self._set |= self._fields.keys()
            elif self._number("custom_fields", id, (*place, "id")):
                self._set.add(id)
                for where, value in _leaves(item.get("value"), (*place, "value")):
                    if reason := custom_fields.problem(_known(self._fields[id]), value):
                        self.source.wrong(where, reason)

    def _number(self, kind: str, id: int, at: Place) -> bool:
        """Whether the catalogue has it; otherwise that is reported."""
        if self.catalogue is None:
            return True
        known = any(entry.id == id for entry in self.catalogue.entries(kind))
        if not known:
            self.source.wrong(at, f"{FILE} has no {id} among its {kind.replace('_', ' ')}")
        return known

    def _require(self, ticket: Mapping[str, Any], at: Place) -> None:
        """Note the forms of a ticket, all where code names one; check what it certainly lacks."""
        filled = self._may_fill(ticket.get("custom_fields") or [])
        for place, form in _items(ticket["ticket_form_id"], at):
            id = _whole(form)
            self._forms_set |= self._forms.keys() if id is None else {id}
            if id in self._forms and (reason := custom_fields.lacking(self._forms[id], filled, ticket.get("status"))):
                self.source.wrong(place, reason)

    def _may_fill(self, fields: object) -> set[int]:
        """The fields to which a list may give a value."""
        filled = set()
        for _, item in _items(fields, ()):
            id = _id_of(item)
            if id is None:
                return {*self._fields}
            if _may_be_filled(item.get("value")):
                filled.add(id)
        return filled

    def _needs(self, form: Form) -> FormNeeds:
        fields = [self._fields[id] for id in form.fields if id in self._fields]
        return FormNeeds(
            title=form.name,
            needs={field.id: field.name for field in fields if field.required_in_portal},
            to_solve={field.id: field.name for field in fields if field.required and not field.required_in_portal},
        )


def _is_code(template: Mapping[Any, Any]) -> bool:
    """A key may be a number, too."""
    return any(isinstance(key, str) and is_operator(key) for key in template)


def _unchanged(template: object, _: Place) -> object:
    return template


def _item(id: int, value: object, _: Place) -> dict[str, object]:
    return {"id": id, "value": value}


def _id_of(item: object) -> int | None:
    """The number of an item of `custom_fields`; None where that is code."""
    return _whole(item.get("id")) if isinstance(item, dict) else None


def _whole(value: object) -> int | None:
    """A number, which may be a text of digits as in the models; None for anything else."""
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _may_be_filled(value: Any) -> bool:
    """Whatever a condition takes, or code makes."""
    inner = _branches_of(value)
    return any(_may_be_filled(branch) for _, branch in inner) if inner else not custom_fields.is_empty(value)


def _is_of_ticket(at: Place) -> bool:
    return next(step for step in at if step in ("ticket", "changes")) == "ticket"


def _dumped(by_id: Mapping[int, BaseModel]) -> dict[str, Any]:
    return {str(id): entry.model_dump(mode="json", exclude_defaults=True) for id, entry in sorted(by_id.items())}


def _known(field: TicketField) -> CustomField:
    return CustomField(title=field.name, type=field.type, options=frozenset(field.options))


type _Change = Callable[[Any, Place], object]


def _in_branches(template: Any, at: Place, change: _Change, otherwise: _Change | None = None) -> Any:
    """The template with each leaf of its `$if`, `$switch` and `$let` changed; `otherwise` is for other operators."""
    if not isinstance(template, dict) or not _is_code(template):
        return change(template, at)
    inner = list(branches(template))
    if not inner:
        return (otherwise or change)(template, at)
    made = dict(template)
    for step, branch in inner:
        changed = _in_branches(branch, (*at, *step), change, otherwise)
        if len(step) == 1:
            made[str(step[0])] = changed
        else:
            made["$switch"] = {**made["$switch"], step[1]: changed}
    return made


def _leaves(template: Any, at: Place) -> Iterator[tuple[Place, Any]]:
    """What has no code in a value and its branches."""
    if isinstance(template, dict):
        for step, branch in branches(template):
            yield from _leaves(branch, (*at, *step))
    elif not _has_code(template):
        yield at, template


def _has_code(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_code, value))
    return isinstance(value, dict) or (isinstance(value, str) and "${" in value)


def _items(fields: Any, at: Place) -> Iterator[tuple[Place, Any]]:
    """The items of a list of custom fields, in branches as well; what is none of these as itself."""
    if isinstance(fields, list):
        for index, item in enumerate(fields):
            yield from _items(item, (*at, index)) if _branches_of(item) else [((*at, index), item)]
    elif inner := _branches_of(fields):
        for step, branch in inner:
            yield from _items(branch, (*at, *step))
    else:
        yield at, fields


def _branches_of(template: Any) -> list[tuple[Place, Any]]:
    return list(branches(template)) if isinstance(template, dict) else []
