"""Redriving: an operator starts a row again that failed, could not be mapped, or is in conflict. The poller does the
work.
"""

from ticket_relay.errors import RelayError
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.storage.events import Events
from ticket_relay.storage.rows import Row, TicketRow, TicketState, UpdateRow, UpdateState
from ticket_relay.storage.store import Store


class NotRedrivable(RelayError):
    """The row is under way, or is over for good; there is nothing to start again."""

    code = "not_redrivable"


def redrive(store: Store, row: Row, now: float, *, remap: Events | None = None) -> Row:
    """Make a stopped row due at once.

    The poller then looks for a failed ticket before it sends it again, with a new key; it maps an unmapped event with
    the deployed definitions, or ends it as `ignored`; it decides an update again. An event of a correlation that
    another one leads by now joins that one's ticket.

    With `remap`, which reads raw events, the poller maps a failed event anew as well, with the deployed definitions.

    Raises NotRedrivable, StaleRow (read the row again) and StoreUnavailable (safe to repeat).
    """
    match row:
        case TicketRow(state=TicketState.FAILED | TicketState.UNMAPPED):
            if remap and remap.delivered(row) is None:
                raise NotRedrivable("The event itself was not kept, so it cannot be mapped again.")
            new: Row = ticket_states.redriven(row, now, remap=remap is not None)
        case UpdateRow() if remap:
            raise NotRedrivable("An update is decided again in any case; it is events that are mapped.")
        case UpdateRow(state=UpdateState.FAILED | UpdateState.CONFLICT):
            new = update_states.redriven(row, now)
        case _:
            raise NotRedrivable(f"The row is {row.state}: only what failed or could not be mapped is redriven.")
    store.move(row, new)
    return new
