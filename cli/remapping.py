"""What an event would become if it were mapped again, beside what it became."""

import difflib
import json
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from cli.previewing import partner as previewing
from cli.previewing.partner import Json, Preview
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.errors import PayloadRefused
from ticket_relay.storage.events import Events
from ticket_relay.storage.rows import TicketRow, TicketState, correlation_pk
from ticket_relay.storage.store import Store
from ticket_relay.webhooks import payload
from ticket_relay.webhooks.signatures import Delivery

REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Remapped:
    """The requests of a row, and those that the definitions of this checkout make of its event; and what it is about,
    with its policies: it may go to that thing's ticket.
    """

    pk: str
    outcome: str
    """As in a preview; `refused` if the event cannot be mapped again."""
    reason: str | None = None
    about_before: list[Json] = field(default_factory=list)
    before: list[Json] = field(default_factory=list)
    about_after: list[Json] = field(default_factory=list)
    after: list[Json] = field(default_factory=list)

    @property
    def difference(self) -> str:
        """As `diff -u` shows it; empty if nothing would change."""
        before, after = _lines(self.about_before + self.before), _lines(self.about_after + self.after)
        return "\n".join(difflib.unified_diff(before, after, "stored", "mapped again", lineterm=""))


def compared(store: Store, events: Events, pk: str, definitions: dict[str, PartnerDefinition]) -> Remapped:
    """What `relay redrive --remap` would come to with these definitions. Changes nothing.

    Raises StoreUnavailable.
    """
    try:
        row = store.get(pk)
    except ValidationError:
        return Remapped(pk, REFUSED, "The item is not a row of this version of the code.")
    if not isinstance(row, TicketRow):
        return Remapped(pk, REFUSED, "There is no event of this key.")
    if row.state not in {TicketState.FAILED, TicketState.UNMAPPED}:
        return Remapped(pk, REFUSED, f"The row is {row.state}: only what failed or could not be mapped is redriven.")
    delivered = events.delivered(row)
    if delivered is None:
        return Remapped(pk, REFUSED, "The event itself was not kept, so it cannot be mapped again.")
    return _mapped_again(row, *delivered, definitions.get(row.partner))


def _mapped_again(row: TicketRow, id: str, body: bytes, definition: PartnerDefinition | None) -> Remapped:
    about = _about(row.correlation, previewing.policies(row.joining) if row.joining else {})
    before = previewing.requests_of(row.request, row.changes, row.joining)
    if definition is None:
        return Remapped(row.pk, TicketState.UNMAPPED, "No definition has the name of this partner.", about, before)
    try:
        previews = previewing.of_delivery(definition, payload.parse(body), Delivery(id, row.created_at, None))
    except PayloadRefused as error:
        return Remapped(row.pk, TicketState.UNMAPPED, error.sentence, about, before)
    after = _of_row(previews, row)
    return Remapped(
        row.pk,
        after[0].outcome if len(after) == 1 else TicketState.SPLIT,
        "; ".join(each.reason for each in after if each.reason) or None,
        about,
        before,
        [it for each in after if each.about for it in _about(correlation_pk(row.partner, each.about), each.policies)],
        [request for each in after for request in each.requests],
    )


def _about(correlation: str | None, policies: Json) -> list[Json]:
    """The key of the correlation, of which the row keeps nothing else, and what happens if that has a ticket."""
    return [{"correlation": correlation} | policies] if correlation else []


def _of_row(previews: list[Preview], row: TicketRow) -> list[Preview]:
    """The previews of the row's own event; of a whole delivery, all of them."""
    if row.delivery is None:
        return previews
    missing = Preview(row.event_id, TicketState.UNMAPPED, reason="No event of the delivery has the id of this row.")
    return [each for each in previews if each.event_id == row.event_id] or [missing]


def _lines(requests: list[Any]) -> list[str]:
    return [line for each in requests for line in json.dumps(each, indent=2, ensure_ascii=False).splitlines()]
