"""What is wrong with a template whatever the event: its parts without code are judged as they are, the others as if
they fitted. So it shows also in a branch into which no sample goes.
"""

from collections.abc import Iterator
from itertools import takewhile

from ticket_relay.definitions import templates
from ticket_relay.definitions.models import is_operator
from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk.ticket_models import TicketChanges, TicketCreate

from .source import Place, told

_FITTING = {
    "comment": {"body": "text"},
    "description": "text",
    "body": "text",
    "html_body": "text",
    "public": True,
    "author_id": 1,
    "type": "task",
    "due_at": "2000-01-01T00:00:00Z",
    "id": 1,
    "value": None,
    "email": "somebody@example.com",
    "name": "Somebody",
    "user_id": 1,
    "user_email": "somebody@example.com",
    "user_name": "Somebody",
    "action": "put",
}
"""In place of code, for what other properties are judged by."""
_UNKNOWN = object()


def of_template(
    model: type[TicketCreate | TicketChanges], template: object, place: Place
) -> Iterator[tuple[Place, str]]:
    """The place and the reason of what is wrong with the template of a ticket or of changes, and with its branches."""
    if not isinstance(template, dict):
        return
    if any(map(is_operator, template)):
        for step, branch in branches(template):
            yield from of_template(model, branch, (*place, *step))
        return
    if any("${" in key for key in template):
        return
    known = {key: value for key, part in template.items() if (value := _without_code(key, part)) is not _UNKNOWN}
    try:
        templates.validated(model, known, template=template, name="it")
    except MappingFailed as failed:
        yield from (((*place, *at[1:]), reason) for at, reason in told(failed.sentence))


def branches(template: dict[str, object]) -> Iterator[tuple[Place, object]]:
    """The templates of which an `$if`, a `$switch` or a `$let` becomes one, with their places in it; none of other
    operators.
    """
    if "$if" in template:
        yield from (((name,), template[name]) for name in ("then", "else") if name in template)
    elif "$let" in template and "in" in template:
        yield ("in",), template["in"]
    elif isinstance(conditions := template.get("$switch"), dict):
        yield from ((("$switch", condition), branch) for condition, branch in conditions.items())


def _without_code(name: str | int, part: object) -> object:
    """The part with something fitting in place of its code; _UNKNOWN where nothing would fit for certain."""
    unknown = _FITTING.get(str(name), _UNKNOWN)
    if isinstance(part, str):
        return unknown if "${" in part else part
    if isinstance(part, list):
        # Up to the first that is not known: the others would have another index.
        return list(takewhile(lambda item: item is not _UNKNOWN, (_without_code("", item) for item in part)))
    if isinstance(part, dict):
        known = {key: _without_code(key, value) for key, value in part.items()}
        has_code = any(is_operator(key) or "${" in key for key in part)
        return unknown if has_code or _UNKNOWN in known.values() else known
    return part
