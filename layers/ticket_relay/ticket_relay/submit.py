"""Sending a ticket request to Zendesk, the first time and every later one.

Two things are held before anything is sent: the gate's leave, and the row itself. What may already have had its
effect is looked for.
"""

from ticket_relay import observability, ticket_states
from ticket_relay.errors import Rejected, Uncertain, ZendeskError
from ticket_relay.gate import Passage
from ticket_relay.relay import Relay
from ticket_relay.rows import TicketRow
from ticket_relay.zendesk.transport import Deadline


def send(relay: Relay, row: TicketRow, passage: Passage, by: Deadline, *, sent_before: float | None) -> TicketRow:
    """Send a held row and move it by what comes of it. Raises RowMoved and StoreUnavailable: the lease then ends by
    itself.
    """
    if row.request is None:
        raise AssertionError("an accepted row carries its request")
    try:
        submission = relay.zendesk.create_ticket(row.request, row.idempotency_key, by)
    except ZendeskError as error:
        return _not_taken(relay, row, error, passage, sent_before)
    relay.gate.went_well(passage)
    return relay.move(row, ticket_states.submitted(row, submission, relay.now()))


def resume(relay: Relay, row: TicketRow, by: Deadline) -> TicketRow:
    """Go on with an accepted row that is due. A doubtful one is looked for first, and sent only if there is no
    ticket.
    """
    passage = relay.gate.passage(relay.now())
    if passage.closed_until is not None:
        return relay.move(row, ticket_states.postponed(row, relay.now(), passage.closed_until))
    sent_before, doubtful = row.sent_at, row.doubtful
    row = relay.move(row, ticket_states.held(row, relay.now()))
    if doubtful:
        observability.count("TicketLookedFor")
        try:
            ticket_id = find(relay, row, by)
        except Rejected as error:
            # A refused look says nothing about the ticket: as doubtful as before.
            unknown = Uncertain("look_up_refused", f"Zendesk refused the look-up: {error.code}.")
            return _not_taken(relay, row, unknown, passage, sent_before)
        except ZendeskError as error:
            return _not_taken(relay, row, error, passage, sent_before)
        if ticket_id is not None:
            relay.gate.went_well(passage)
            return relay.move(row, ticket_states.created(row, ticket_id, relay.now()))
    return send(relay, row, passage, by, sent_before=sent_before)


def find(relay: Relay, row: TicketRow, by: Deadline) -> int | None:
    """The ticket of this request, if there is one: by the announced id, then by the external_id that only we give."""
    if row.ticket_id is not None:
        shown = relay.zendesk.show_ticket(row.ticket_id, by)
        if shown and shown.ticket.get("external_id") == row.external_id:
            return row.ticket_id
    found = relay.zendesk.find_tickets(row.external_id, by)
    if len(found) > 1:
        observability.count("TicketDuplicated")
    return found[0] if found else None


def _not_taken(
    relay: Relay, row: TicketRow, error: ZendeskError, passage: Passage, sent_before: float | None
) -> TicketRow:
    relay.heed(error, passage)
    if isinstance(error, Uncertain):
        observability.count("TicketDoubtful")
    pause = relay.settings.doubtful_pause_seconds
    return relay.move(
        row, ticket_states.not_taken(row, error, relay.now(), sent_before=sent_before, doubtful_pause=pause)
    )
