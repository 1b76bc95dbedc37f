"""What a ticket shows of its values, and how they compare with those that are to be set."""

import json
from collections.abc import Mapping
from typing import Any

from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk import timestamps
from ticket_relay.zendesk.ticket_models import normal_tag


def tags_of(ticket: Mapping[str, Any]) -> list[str]:
    """Raises MappingFailed `tags_unknown`: to send tags without knowing the ticket's would replace them all."""
    if "tags" not in ticket:
        raise MappingFailed("tags_unknown", "changes.tags: the ticket does not show its tags.")
    return ticket["tags"] or []


def retagged(current: list[str], changes: Mapping[str, list[str]]) -> list[str]:
    """The tags after `add` and `remove`; those that stay keep their order and their spelling."""
    present, remove = {normal_tag(tag) for tag in current}, changes.get("remove", ())
    kept = [tag for tag in current if normal_tag(tag) not in remove]
    return kept + [tag for tag in dict.fromkeys(changes.get("add", ())) if tag not in present]


def custom_values(ticket: Mapping[str, Any]) -> dict[Any, Any]:
    """The values of the ticket's custom fields by the fields' ids."""
    return {field.get("id"): field.get("value") for field in ticket.get("custom_fields") or ()}


def is_so(name: object, value: Any, current: Mapping[Any, Any]) -> bool:
    """Whether `current` has the value under this name. To Zendesk, lists of ids or of options' tags are sets."""
    if name not in current:
        return False
    theirs = current[name]
    if isinstance(value, list) and isinstance(theirs, list):
        return len(value) == len(theirs) and all(item in theirs for item in value)
    if name == "due_at" and (ours := timestamps.parse(value)):
        return ours == timestamps.parse(theirs)
    return bool(_text(value) == _text(theirs))


def _text(value: Any) -> Any:
    """A number's or a checkbox's value as the text in which a field may give it back."""
    return json.dumps(value) if isinstance(value, bool | int | float) else value
