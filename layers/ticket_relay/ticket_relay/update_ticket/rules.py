"""What becomes of a ticket: pure functions of a rule (or literal changes), the fresh ticket and the webhook's body.

A decision may be taken again on a newer ticket as often as needed. `ticket` is the object that Zendesk's Show Ticket
returns under `ticket`; `event` is the parsed body of the webhook.
"""

import re
from collections.abc import Iterator
from typing import Any

from ticket_relay.definitions import templates
from ticket_relay.definitions.models import LiteralChanges, UpdateRule
from ticket_relay.zendesk import timestamps
from ticket_relay.zendesk.ticket_models import TicketChanges

type Decider = UpdateRule | LiteralChanges
"""What says which changes to make, and what to do if others changed the ticket meanwhile."""

# Tags are changed relative to the ticket's, as collaborators may be; e-mail CCs are counted with those that it has; and
# only a task can be due.
_OF_THE_TICKET = re.compile(r"\b(ticket|tags|collaborators|email_ccs|due_at|now|fromNow)\b")


def needs_ticket(decider: Decider) -> bool:
    """Whether the decision depends on the ticket, so that it must be read first. If in doubt, yes."""
    if isinstance(decider, UpdateRule):
        return any(map(_OF_THE_TICKET.search, [decider.when or "", *_code(decider.changes)]))
    return any(decider.changes.get(name) for name in ("tags", "collaborators", "email_ccs", "due_at"))


def decide(decider: Decider, ticket: dict[str, Any], event: dict[str, Any]) -> TicketChanges | None:
    """The changes to make, or None if the rule's condition does not hold.

    `ticket` may be {} if it is not needed. Raises MappingFailed: `mapping_failed` if the rule does not fit,
    `changes_invalid` if no valid changes come out.
    """
    if not isinstance(decider, UpdateRule):
        return templates.validated(TicketChanges, decider.changes, template={}, name="changes")
    if not holds(decider, ticket, event):
        return None
    value = templates.render(decider.changes, _context(ticket, event), name="changes")
    return templates.validated(
        TicketChanges, value, template=decider.changes, name="changes", fields=decider.fields_set
    )


def holds(rule: UpdateRule, ticket: dict[str, Any], event: dict[str, Any]) -> bool:
    """Whether the rule's condition holds; without one, it does. Raises MappingFailed."""
    return rule.when is None or bool(templates.render({"$eval": rule.when}, _context(ticket, event), name="when"))


def _context(ticket: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    return {"ticket": ticket, "event": event, "now": _now(ticket)}


def _now(ticket: dict[str, Any]) -> str:
    """The moment of the ticket that is decided on. Without one, a rule that asks for the time fails."""
    updated = timestamps.parse(ticket.get("updated_at"))
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
