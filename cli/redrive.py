"""What an operator may set going again: what failed, and what could not be mapped. The poller does the work."""

from ticket_relay.errors import RelayError
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.storage.rows import Row, TicketRow, TicketState, UpdateRow, UpdateState
from ticket_relay.storage.store import Store


class NotRedrivable(RelayError):
    """The row is on its way, or has reached its end; there is nothing to set going."""

    code = "not_redrivable"


def redrive(store: Store, row: Row, now: float) -> Row:
    """Make a stopped row due at once.

    A failed ticket is looked for before it is sent again, with a new key; an unmapped event is mapped again with the
    deployed definitions; a failed update is decided again.

    Raises NotRedrivable, RowMoved (look again) and StoreUnavailable (safe to repeat).
    """
    match row:
        case TicketRow(state=TicketState.FAILED | TicketState.UNMAPPED):
            new: Row = ticket_states.redriven(row, now)
        case UpdateRow(state=UpdateState.FAILED | UpdateState.CONFLICT):
            new = update_states.redriven(row, now)
        case _:
            raise NotRedrivable(f"The row is {row.state}: only what failed or could not be mapped is redriven.")
    store.move(row, new)
    return new
