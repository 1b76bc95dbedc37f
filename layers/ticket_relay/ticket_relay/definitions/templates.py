"""JSON-e, tamed: rendering that is deterministic, fails in one way, and never quotes the payload.

The text of a jsone or pydantic error may hold values of the payload, and rows and logs hold our sentences: so a message
is passed on only if it consists of the template's own words, and a place only as far as the template spells it.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from jsone.shared import JSONTemplateError
from pydantic import BaseModel, ValidationError

from ticket_relay.definitions import budget
from ticket_relay.definitions.models import CustomField, is_operator
from ticket_relay.errors import MappingFailed

_UNKNOWN_FIELDS: Mapping[int, CustomField] = {}

# What jsone lets through besides its own error: functions and operators are applied to whatever the payload holds.
_FAILURES = (JSONTemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)

# jsone 4's messages made only of names and operators that stand in the template.
_OWN_WORDS = re.compile(
    r'object has no property "\w+"|unknown context value \w+|infix: \S+ expects [^:]+|division by zero'
    r"|invalid arguments to builtin: \w+(: expected at least \d arguments)?|index out of bounds"
    r"|object keys must be strings|\$\w+ value must (be|evaluate to) an? [a-z ]+"
)


def render(template: object, context: dict[str, Any], *, name: str) -> Any:
    """The template's value. `name` is what the definition calls it. Raises MappingFailed: `mapping_failed`, and
    `mapping_too_slow` or `mapping_too_large` where the event makes too much of the template.

    `context` must hold `now`, or jsone would look at the clock.
    """
    with budget.limited(name):
        try:
            return budget.render(template, context)
        except _FAILURES as error:
            place = _place(_failing(template, context, [name]))
            raise MappingFailed("mapping_failed", f"{place}: {_reason(error)}.") from None


def clock(moment: datetime) -> str:
    """A moment in UTC as `now`: jsone reads no other form of ISO 8601 than its own, with a fraction and `Z`."""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def _failing(template: object, context: dict[str, Any], path: list[str | int]) -> list[str | int]:
    """The path to the smallest part that fails by itself, down to operators. jsone locates none but its own errors."""
    parts: Iterable[tuple[str | int, object]] = ()
    if isinstance(template, list):
        parts = enumerate(template)
    elif isinstance(template, dict) and not any(map(is_operator, template)):
        parts = template.items()
    for key, part in parts:
        try:
            budget.render(part, context)
        except _FAILURES:
            return _failing(part, context, [*path, key])
        except MappingFailed:
            break  # What is left of the budget does not suffice to look further.
    return path


def validated[Model: BaseModel](
    model: type[Model],
    value: object,
    *,
    template: object,
    name: str,
    fields: Mapping[int, CustomField] = _UNKNOWN_FIELDS,
) -> Model:
    """The rendered value as a model. Raises MappingFailed, naming up to three of the wrong fields; its code is the last
    part of the name and `_invalid`. The values of custom fields are checked if the build knew the `fields`.
    """
    try:
        valid = model.model_validate(value)
    except ValidationError as error:
        known = frozenset(_keys(template)) | _field_names(model)
        reasons: dict[str, list[str]] = {}
        for problem in error.errors(include_url=False, include_input=False, include_context=False):
            reason = "unknown field" if problem["type"] == "extra_forbidden" else problem["msg"]
            # Besides keys that only the payload knows, this drops pydantic's names for the members of a union.
            place = _place([name, *(step for step in problem["loc"] if isinstance(step, int) or step in known)])
            reasons.setdefault(place, []).append(reason.removeprefix("Value error, "))
        sentences = [f"{place}: {' or '.join(dict.fromkeys(of_place))}" for place, of_place in reasons.items()]
        raise MappingFailed(f"{name.rpartition('.')[2]}_invalid", f"{'; '.join(sentences[:3])}.") from None
    values = getattr(valid, "custom_fields", None)
    if fields and values:
        from ticket_relay.definitions import custom_fields  # noqa: PLC0415 - only for those who have a catalogue

        custom_fields.check(values, fields, name)
    return valid


def _keys(template: object) -> Iterator[str]:
    """All keys that the template spells out, at any depth."""
    if isinstance(template, dict):
        for key, value in template.items():
            yield key
            yield from _keys(value)
    elif isinstance(template, list):
        for value in template:
            yield from _keys(value)


def _field_names(model: type[BaseModel]) -> frozenset[str]:
    schema = model.model_json_schema()
    return frozenset(
        _keys([schema["properties"], [each.get("properties") for each in schema.get("$defs", {}).values()]])
    )


def _place(path: Iterable[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


def _reason(error: Exception) -> str:
    message = error.args[0] if isinstance(error, JSONTemplateError) and error.args else ""
    return message if _OWN_WORDS.fullmatch(message) else "the expression does not fit the event"
