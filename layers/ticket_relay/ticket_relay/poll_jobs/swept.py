"""What a rule makes of a ticket of which no webhook told: a pure function of the two.

A webhook says what happened once; a sweep sees a ticket as it is, each time that it changes. So a rule that is swept
must come to rest: its condition no longer holds once its changes are applied. Then it does not matter how many webhooks
and sweeps tell of a ticket. The first update that lands makes all others untrue, and is the one on whose stamp the
others fail.
"""

from typing import Any

from ticket_relay.changes import diff
from ticket_relay.definitions.models import UpdateRule
from ticket_relay.errors import MappingFailed
from ticket_relay.update_ticket import rules
from ticket_relay.zendesk.client import Ticket

OVER = frozenset({"closed", "deleted"})
"""Tickets that take no update any more."""
KNOWN_OF_EVENT = frozenset({"rule", "ticket_id"})
"""What such a rule may use of `event`."""


def event_of(rule: UpdateRule, ticket_id: int) -> dict[str, Any]:
    """In place of a webhook's body, and all that a ticket alone tells of one. A placeholder of Zendesk's is a text."""
    return {"rule": rule.rule, "ticket_id": str(ticket_id)}


def is_due(rule: UpdateRule, ticket: Ticket) -> bool:
    """Whether the ticket lacks what the rule wants of it.

    Raises MappingFailed where the condition cannot be evaluated, and `sweep_diverges` where it would go on to hold.
    """
    event = event_of(rule, ticket["id"])
    if ticket.get("status") in OVER or not rules.holds(rule, ticket, event):
        return False
    try:
        wanted = rules.decide(rule, ticket, event)
        update = diff.to_update(wanted, ticket) if wanted is not None else {}
    except MappingFailed:
        return True  # An update that fails is seen by a person.
    if update and rules.holds(rule, diff.applied_to(ticket, update), event):
        raise MappingFailed("sweep_diverges", "sweep: when still holds once the changes are applied.")
    return bool(update)
