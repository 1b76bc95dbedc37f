"""Which values a custom field takes, by its type ("Setting custom field values", and the Ticket Fields reference), and
which fields a form needs.

Zendesk drops a value of another form, or keeps something else, and takes a ticket without what its form needs: it
answers 2xx all the same.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from typing import Any

from ticket_relay.definitions.models import CustomField, FormNeeds
from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk import ticket_models

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_WHOLE = re.compile(r"-?\d+", re.ASCII)
_DONE = ("solved", "closed")
_DECIMAL = re.compile(r"-?\d+(\.\d+)?", re.ASCII)


def check(values: Iterable[ticket_models.CustomField], fields: Mapping[int, CustomField], name: str) -> None:
    """Of a rendered ticket or changes, called `name`. Raises MappingFailed (`ticket_invalid`, `changes_invalid`), which
    names up to three places, with words of the catalogue and none of the event.
    """
    wrong = [
        f"{name}.custom_fields[{index}].value: {reason}"
        for index, value in enumerate(values)
        if (reason := problem(fields.get(value.id), value.value))
    ]
    if wrong:
        raise MappingFailed(f"{name.rpartition('.')[2]}_invalid", f"{'; '.join(wrong[:3])}.")


def problem(field: CustomField | None, value: Any) -> str | None:
    """Why the field does not take the value; None if it does. What is empty clears any field."""
    if field is None:
        return "the account has no such field"
    if is_empty(value):
        return None
    fits, form = _FORMS.get(field.type, _ANYTHING)
    return None if fits(value, field.options) else f"{field.title} takes {form}"


def require(ticket: ticket_models.TicketCreate, forms: Mapping[int, FormNeeds], name: str) -> None:
    """Of a rendered ticket, called `name`. Raises MappingFailed (`ticket_invalid`) if it lacks what its form needs."""
    filled = {field.id for field in ticket.custom_fields or () if not is_empty(field.value)}
    form = forms.get(ticket.ticket_form_id or 0)
    if form is not None and (reason := lacking(form, filled, ticket.status)):
        raise MappingFailed("ticket_invalid", f"{name}.ticket_form_id: {reason}.")


def lacking(form: FormNeeds, filled: Collection[int], status: object) -> str | None:
    """What a ticket of this form lacks, if these fields are filled in; None if nothing.

    A partner stands in for the person who would fill in the form; and, in a ticket that is solved at once, for the
    agent.
    """
    needs = form.needs | (form.to_solve if status in _DONE else {})
    missing = [title for id, title in needs.items() if id not in filled]
    return f"{form.title} needs a value for {', '.join(missing)}" if missing else None


def is_empty(value: Any) -> bool:
    return value is None or value in ("", [])


def _is_day(value: Any, _: object) -> bool:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_number(value: Any, kind: type[int | float], form: re.Pattern[str]) -> bool:
    if isinstance(value, str):
        return form.fullmatch(value) is not None
    return isinstance(value, int | kind) and not isinstance(value, bool)


def _is_option(value: Any, options: frozenset[str]) -> bool:
    return isinstance(value, str) and value in options


def _are_options(value: Any, options: frozenset[str]) -> bool:
    return isinstance(value, list) and all(_is_option(each, options) for each in value)


def _is_text(value: Any, _: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool)


type _Form = tuple[Callable[[Any, frozenset[str]], bool], str]

_ANYTHING: _Form = (lambda _value, _options: True, "")
_TEXT: _Form = (_is_text, "a text or a number")
_FORMS: dict[str, _Form] = {
    **dict.fromkeys(("text", "textarea", "regexp", "partialcreditcard"), _TEXT),
    "checkbox": (lambda value, _: isinstance(value, bool) or value in ("true", "false"), "true or false"),
    "date": (_is_day, "a day, YYYY-MM-DD, without a time"),
    "integer": (lambda value, _: _is_number(value, int, _WHOLE), "a whole number"),
    "decimal": (lambda value, _: _is_number(value, float, _DECIMAL), "a number"),
    "tagger": (_is_option, "the tag of one of its options"),
    "multiselect": (_are_options, "a list of tags of its options"),
}
