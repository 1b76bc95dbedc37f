"""What becomes of a ticket: pure functions of a rule (or literal changes), the fresh ticket and the webhook's body.

A decision may be taken again on a newer ticket as often as needed. `ticket` is the object that Zendesk's Show Ticket
returns under `ticket`; `event` is the parsed body of the webhook.
"""

import re
from collections.abc import Iterator
from typing import Any

from ticket_relay import stamp, templates
from ticket_relay.definitions import UpdateRule
from ticket_relay.zendesk.tickets import TagChanges, TicketChanges, normal_tag

type Decider = UpdateRule | dict[str, Any]
"""A rule, or the literal `changes` of a webhook's body."""

_OF_THE_TICKET = re.compile(r"\b(ticket|tags|now|fromNow)\b")

# Alone they make no update: Zendesk keeps them with an audit, and writes none where nothing changed.
_COMPANIONS = frozenset({"metadata", "macro_id", "macro_ids"})


def needs_ticket(decider: Decider) -> bool:
    """Whether the decision depends on the ticket, so that it must be read first. If in doubt, yes."""
    if isinstance(decider, UpdateRule):
        return any(map(_OF_THE_TICKET.search, [decider.when or "", *_code(decider.changes)]))
    return bool(decider.get("tags"))


def decide(decider: Decider, ticket: dict[str, Any], event: dict[str, Any]) -> TicketChanges | None:
    """The changes to make, or None if the rule's condition does not hold.

    `ticket` may be {} if it is not needed. Raises MappingFailed: `mapping_failed` if the rule does not fit,
    `changes_invalid` if no valid changes come out.
    """
    if not isinstance(decider, UpdateRule):
        return templates.validated(TicketChanges, decider, template={}, name="changes")
    context = {"ticket": ticket, "event": event, "now": _now(ticket)}
    if decider.when is not None and not templates.render({"$eval": decider.when}, context, name="when"):
        return None
    value = templates.render(decider.changes, context, name="changes")
    return templates.validated(TicketChanges, value, template=decider.changes, name="changes")


def to_update(changes: TicketChanges, ticket: dict[str, Any]) -> dict[str, Any]:
    """The `ticket` object of Update Ticket, without its stamp; {} if all of the changes are true already.

    Only what differs from the ticket is sent, so that what somebody does to the other fields stays theirs. A comment
    always differs, and so does what the API takes but does not show in the same form (requester, followers, CCs).
    """
    update: dict[str, Any] = {}
    for name, value in changes.given().items():
        match name:
            case "tags" | "custom_fields" | "comment" | "metadata" if value is None:
                continue
            case "tags":
                changed = _tags(changes.tags or TagChanges(), ticket.get("tags") or [])
                if changed != (ticket.get("tags") or []):
                    update["tags"] = changed
            case "custom_fields":
                current = {field.get("id"): field.get("value") for field in ticket.get("custom_fields") or []}
                if differing := [field for field in value if not _is_so(field["id"], field["value"], current)]:
                    update["custom_fields"] = differing
            case _ if not _is_so(name, value, ticket):
                update[name] = value
    return update if update.keys() - _COMPANIONS else {}


def _tags(changes: TagChanges, current: list[str]) -> list[str]:
    present = {normal_tag(tag) for tag in current}
    kept = [tag for tag in current if normal_tag(tag) not in changes.remove]
    return kept + [tag for tag in dict.fromkeys(changes.add) if tag not in present]


def _is_so(name: object, value: Any, current: dict[Any, Any]) -> bool:
    """Whether `current` has the value under this name. To Zendesk, lists of ids or of options' tags are sets."""
    if name not in current:
        return False
    theirs = current[name]
    if isinstance(value, list) and isinstance(theirs, list):
        return len(value) == len(theirs) and all(item in theirs for item in value)
    if name == "due_at" and (ours := stamp.parse(value)):
        return ours == stamp.parse(theirs)
    return bool(value == theirs)


def _now(ticket: dict[str, Any]) -> str:
    """The moment of the ticket that is decided on. Without one, a rule that asks for the time fails."""
    updated = stamp.parse(ticket.get("updated_at"))
    return templates.clock(updated.instant) if updated else ""


def _code(template: object) -> Iterator[str]:
    """Everything in a template that may be code, and all its keys; but not the texts for people."""
    match template:
        case str() if "${" in template:
            yield template[template.index("${") :]
        case list():
            for part in template:
                yield from _code(part)
        case dict():
            for key, part in template.items():
                yield key
                if isinstance(part, str) and key.startswith(("$", "each(", "by(")):
                    yield part
                else:
                    yield from _code(part)
