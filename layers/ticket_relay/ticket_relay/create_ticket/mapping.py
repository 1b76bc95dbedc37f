"""From a partner's event to a ticket: a pure function of the definition, the event and its delivery."""

from datetime import UTC, datetime
from typing import Any

from ticket_relay.definitions import templates
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.webhooks.signatures import Delivery
from ticket_relay.zendesk.ticket_models import TicketCreate


def wanted(definition: PartnerDefinition, event: dict[str, Any], delivery: Delivery) -> bool:
    """Whether the partner's `when` holds for the event; without one, always. Raises MappingFailed."""
    if definition.when is None:
        return True
    return bool(templates.render({"$eval": definition.when}, _context(event, delivery), name="when"))


def map_event(definition: PartnerDefinition, event: dict[str, Any], delivery: Delivery) -> TicketCreate:
    """The ticket that the event becomes. Raises MappingFailed: `mapping_failed` if the template does not fit the event,
    `ticket_invalid` if what comes out is not a ticket. The sentence names the place and holds no value of the event.
    """
    value = templates.render(definition.ticket, _context(event, delivery), name="ticket")
    return templates.validated(TicketCreate, value, template=definition.ticket, name="ticket")


def _context(event: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
    """`delivery.timestamp` in whole epoch seconds, and `now` as its ISO text: the clock of the delivery, never ours."""
    return {
        "event": event,
        "delivery": {"id": delivery.id, "timestamp": int(delivery.timestamp)},
        "now": templates.clock(datetime.fromtimestamp(delivery.timestamp, UTC)),
    }
