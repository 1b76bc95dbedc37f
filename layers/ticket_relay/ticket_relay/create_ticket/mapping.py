"""From a partner's event to a ticket: a pure function of the definition, the event and its delivery."""

from datetime import UTC, datetime
from typing import Any

from ticket_relay.definitions import templates
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.webhooks.signatures import Delivery
from ticket_relay.zendesk.ticket_models import TicketCreate


def map_event(definition: PartnerDefinition, event: dict[str, Any], delivery: Delivery) -> TicketCreate | None:
    """The ticket that the event becomes; None if the partner's `when` does not want it.

    Raises MappingFailed: `mapping_failed` if the definition does not fit the event, `ticket_invalid` if the outcome is
    not a ticket. The sentence names the place and holds no value of the event.
    """
    context = _context(event, delivery)
    if definition.when is not None and not templates.render({"$eval": definition.when}, context, name="when"):
        return None
    value = templates.render(definition.ticket, context, name="ticket")
    return templates.validated(TicketCreate, value, template=definition.ticket, name="ticket")


def _context(event: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
    """`delivery.timestamp` in whole epoch seconds, and `now` as its ISO text: the clock of the delivery, never ours."""
    return {
        "event": event,
        "delivery": {"id": delivery.id, "timestamp": int(delivery.timestamp)},
        "now": templates.clock(datetime.fromtimestamp(delivery.timestamp, UTC)),
    }
