"""What a partner's event would become, and why."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from ticket_relay.create_ticket import mapping
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.errors import MappingFailed
from ticket_relay.storage.rows import TicketState, external_id
from ticket_relay.webhooks import payload
from ticket_relay.webhooks.signatures import Delivery
from ticket_relay.zendesk.ticket_models import to_request

type Json = dict[str, Any]

IGNORED = "ignored"
ID = "(the delivery's id)"


@dataclass(frozen=True, slots=True)
class Preview:
    """What one event would become: `outcome` is `create`, `ignored` or `unmapped`."""

    partner: str
    event_id: str
    outcome: str
    reason: str | None = None
    """Why there is no ticket."""
    requests: list[Json] = field(default_factory=list)
    """`method`, `path` and `body` of each request, in order."""

    def summary(self) -> Json:
        """All except the requests, for people."""
        outcome = f"{self.outcome}: {self.reason}" if self.reason else self.outcome
        return {"partner": self.partner, "event": self.event_id, "outcome": outcome}


def preview(definition: PartnerDefinition, event: Json) -> list[Preview]:
    """Of each event in the body `event`, as if it were delivered now."""
    probe = definition.signature.probe
    delivery = Delivery(_id_in(definition, event) or ID, time.time(), None)
    if probe and probe.fits(event):
        return [Preview(definition.partner, delivery.id, IGNORED, "it only tries the address out")]
    try:
        ticket = mapping.map_event(definition, event, delivery)
        if ticket is None:
            return [Preview(definition.partner, delivery.id, IGNORED, f"when does not hold: {definition.when}")]
        body = json.loads(to_request(ticket, external_id(definition.partner, delivery.id)))
    except MappingFailed as failed:
        return [Preview(definition.partner, delivery.id, TicketState.UNMAPPED, failed.sentence)]
    creation = {"method": "POST", "path": "/api/v2/tickets?async=true", "body": body}
    return [Preview(definition.partner, delivery.id, "create", requests=[creation])]


def _id_in(definition: PartnerDefinition, event: Json) -> str | None:
    """The delivery's id, where the scheme has it in the body."""
    place = definition.signature.ways[0].id
    found = payload.find(event, place.body) if place and place.body else None
    return str(found) if isinstance(found, str | int) and found != "" else None
