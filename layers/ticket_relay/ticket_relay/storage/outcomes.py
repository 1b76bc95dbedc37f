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
_SOLVED = "solved"
_WITHOUT_TICKET = frozenset({TicketState.FAILED, TicketState.UNMAPPED, TicketState.IGNORED})
"""A number that Zendesk announced, and that a failed row still has, is no ticket."""


def outcome(row: Row) -> dict[str, str] | None:
    """Ids and codes, and no customer's words (docs/events); None while a worker has something to do with the row."""
    if row.state in row.working:
        return None
    at = datetime.fromtimestamp(row.updated_at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    common = {"at": at, "reason": row.error_code or NOTHING}
    match row:
        case TicketRow():
            ticket_id = None if row.state in _WITHOUT_TICKET else row.ticket_id
            return common | _told("ticket", row, row.partner, row.event_id, ticket_id)
        case UpdateRow():
            return common | _told("update", row, ZENDESK, row.invocation_id, row.ticket_id)
    raise TypeError(f"nobody is told of a {type(row).__name__}")


def _solves(row: Row) -> bool:
    """Whether it went to the ticket of another event to solve it: its update has ended by now."""
    joining = row.joining if isinstance(row, TicketRow) and row.state is TicketState.JOINED else None
    return joining is not None and joining.do == "solve"


def _told(kind: str, row: Row, sender: str, event_id: str, ticket_id: int | None) -> dict[str, str]:
    return {
        "type": f"{kind}.{_SOLVED if _solves(row) else row.state}",
        "sender": sender,
        "event_id": event_id,
        "ticket_id": NOTHING if ticket_id is None else str(ticket_id),
    }
