"""What became of an event: its partner asks, and is told no more than outsiders may know.

A row's own reason may be Zendesk's sentence or name a field of the mapping, so the partner gets one of `REASONS` in its
place. Nothing is written: asking twice, or a request that somebody captured, changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ticket_relay.create_ticket.webhook import Receipt, receipt
from ticket_relay.definitions import loader
from ticket_relay.errors import UnknownEvent
from ticket_relay.services import Services
from ticket_relay.states import joining
from ticket_relay.storage.rows import TicketRow, TicketState, ticket_pk
from ticket_relay.webhooks import proofs, signatures

REASONS = {
    "waiting": "The event is stored, and will be sent to Zendesk.",
    "retrying": "Zendesk has not taken the event yet. It is tried again.",
    "in_line": "The event goes to the ticket of an earlier one about the same thing, and waits for its turn.",
    "no_ticket": "No event about the same thing has made a ticket. Our people look at it.",
    "not_mapped": "The event does not look as agreed, so no ticket could be made of it. Our people look at it.",
    "not_taken": "Zendesk did not take the event. Our people look at it.",
}
"""By code, what a partner is told."""

_IN_LINE = {
    code for code, _ in (joining.WAITS_FOR_TICKET, joining.WAITS_ITS_TURN, joining.HANDED_OVER, joining.MISSING)
}


@dataclass(frozen=True, slots=True)
class Status:
    """How far an event is. `reason` is one of `REASONS`, where the state alone does not say enough."""

    receipt: Receipt
    reason: str | None

    @property
    def told(self) -> dict[str, Any]:
        """As JSON."""
        reason = {} if self.reason is None else {"reason": self.reason, "message": REASONS[self.reason]}
        return self.receipt.told | reason


def of(services: Services, partner: str, event_id: str, headers: Mapping[str, str]) -> Status:
    """The status of one of the partner's own events, by the id that the answer to its delivery told.

    `headers` (lower-case names) prove the partner, as for a delivery with an empty body. Raises UnknownPartner,
    SignatureRefused, UnknownEvent, and Unavailable. Safe to repeat.
    """
    definition = loader.partner(partner)
    secrets = services.signing_secrets(partner)
    signatures.verify_sender(definition.signature, headers, secrets=secrets, now=services.now())
    # What can be no id can be no key of the table either: that would be an error, and not the answer.
    row = services.store.get(ticket_pk(partner, event_id)) if proofs.ID.fullmatch(event_id) else None
    if not isinstance(row, TicketRow):
        raise UnknownEvent
    return Status(receipt(row), _reason(row))


def _reason(row: TicketRow) -> str | None:
    match row.state:
        case TicketState.ACCEPTED if row.error_code in _IN_LINE:
            return "in_line"
        case TicketState.ACCEPTED:
            return "waiting" if row.error_code in {None, "redriven"} else "retrying"
        case TicketState.UNMAPPED:
            return "no_ticket" if row.error_code == joining.MISSING[0] else "not_mapped"
        case TicketState.FAILED:
            return "not_taken"
    return None
