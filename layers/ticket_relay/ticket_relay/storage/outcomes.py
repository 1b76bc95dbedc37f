"""What others are told of a row that has come to an end. It is written into the row itself, by the same write: so it is
told even if the function dies with that write, and never of a write that did not happen.

The pipe of template.yaml reads it from the table's stream and puts it on the event bus. A template of EventBridge Pipes
can only copy, and AWS does not say what becomes of a value that is not there: so every value is there, and is a text.
"""

from datetime import UTC, datetime

from ticket_relay.storage.rows import Row, TicketRow, TicketState, UpdateRow

NOTHING = "none"
ZENDESK = "zendesk"
"""The sender of what a trigger of Zendesk's asks for."""
_WITH_TICKET = frozenset({TicketState.CREATED, TicketState.JOINED})
"""A number that Zendesk announced, and that a failed row still has, is no ticket."""


def outcome(row: Row) -> dict[str, str] | None:
    """Ids and codes, and no customer's words (docs/events); None while a worker has something to do with the row, and
    for the update by which a partner's event joins a ticket: that event's own row tells of it.
    """
    if row.state in row.working:
        return None
    match row:
        case TicketRow():
            ticket_id = row.ticket_id if row.state in _WITH_TICKET else None
            return _told(row, f"ticket.{_end(row)}", row.partner, row.event_id, ticket_id)
        case UpdateRow(of_event=None):
            return _told(row, f"update.{row.state}", ZENDESK, row.invocation_id, row.ticket_id)
    return None


def _end(row: TicketRow) -> str:
    solved = row.state is TicketState.JOINED and row.joining is not None and row.joining.do == "solve"
    return "solved" if solved else str(row.state)


def _told(row: Row, kind: str, sender: str, event_id: str, ticket_id: int | None) -> dict[str, str]:
    at = datetime.fromtimestamp(row.updated_at, UTC).isoformat(timespec="milliseconds")
    return {
        "type": kind,
        "at": at.replace("+00:00", "Z"),
        "sender": sender,
        "event_id": event_id,
        "ticket_id": NOTHING if ticket_id is None else str(ticket_id),
        "reason": row.error_code or NOTHING,
    }
