"""What an event would become if it were mapped again, beside what it became."""

import difflib
import json
from dataclasses import dataclass, field
from typing import Any

from cli.previewing import partner as previewing
from cli.previewing.partner import Json, Preview
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.errors import PayloadRefused
from ticket_relay.storage.events import Events
from ticket_relay.storage.rows import TicketRow, TicketState
from ticket_relay.storage.store import Store
from ticket_relay.webhooks import payload
from ticket_relay.webhooks.signatures import Delivery


@dataclass(frozen=True, slots=True)
class Remapped:
    """The requests of a row, and those that the definitions of this checkout make of its event."""

    pk: str
    outcome: str
    """As in a preview; `refused` if the event cannot be mapped again."""
    reason: str | None = None
    before: list[Json] = field(default_factory=list)
    after: list[Json] = field(default_factory=list)

    @property
    def difference(self) -> str:
        """As `diff -u` shows it; empty if nothing would change."""
        lines = difflib.unified_diff(_lines(self.before), _lines(self.after), "stored", "mapped again", lineterm="")
        return "\n".join(lines)


def compared(store: Store, events: Events, pk: str, definitions: dict[str, PartnerDefinition]) -> Remapped:
    """What `relay redrive --remap` would come to with these definitions. Changes nothing.

    Raises pydantic's ValidationError for an item that is no row, and StoreUnavailable.
    """
    row = store.get(pk)
    if not isinstance(row, TicketRow):
        return Remapped(pk, "refused", "There is no event of this key.")
    if row.state not in {TicketState.FAILED, TicketState.UNMAPPED}:
        return Remapped(pk, "refused", f"The row is {row.state}: only what failed or could not be mapped is redriven.")
    before = previewing.requests_of(row.request, row.changes, row.joining)
    delivered = events.delivered(row)
    if delivered is None:
        return Remapped(pk, "refused", "The event itself was not kept, so it cannot be mapped again.", before)
    definition = definitions.get(row.partner)
    if definition is None:
        return Remapped(pk, TicketState.UNMAPPED, "No definition has the name of this partner.", before)
    id, body = delivered
    try:
        previews = previewing.of_delivery(definition, payload.parse(body), Delivery(id, row.created_at, None))
    except PayloadRefused as error:
        return Remapped(pk, TicketState.UNMAPPED, error.sentence, before)
    after = _of_row(previews, row)
    outcome = after[0].outcome if len(after) == 1 else TicketState.SPLIT
    reasons = [each.reason for each in after if each.reason]
    requests = [request for each in after for request in each.requests]
    return Remapped(pk, outcome, "; ".join(reasons) or None, before, requests)


def _of_row(previews: list[Preview], row: TicketRow) -> list[Preview]:
    """The previews of the row's own event; of a whole delivery, all of them."""
    if row.delivery is None:
        return previews
    missing = Preview(row.event_id, TicketState.UNMAPPED, reason="No event of the delivery has the id of this row.")
    return [each for each in previews if each.event_id == row.event_id] or [missing]


def _lines(requests: list[Any]) -> list[str]:
    return [line for each in requests for line in json.dumps(each, indent=2, ensure_ascii=False).splitlines()]
