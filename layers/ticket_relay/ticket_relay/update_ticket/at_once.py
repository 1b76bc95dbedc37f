"""An event that is first in line joins its ticket while its partner waits for the answer; else the poller does it."""

from dataclasses import replace

from ticket_relay.create_ticket import correlated
from ticket_relay.create_ticket.webhook import Receipt, receipt
from ticket_relay.errors import StaleRow, StoreUnavailable, WriteRefused
from ticket_relay.rate_limits.headers import UPDATES
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.storage.rows import TicketRow, UpdateRow
from ticket_relay.storage.store import left_to_poller
from ticket_relay.update_ticket import safe_update
from ticket_relay.update_ticket.fresh_read import TicketReader
from ticket_relay.update_ticket.plan import Waiting


def join(services: Services, told: Receipt, by: Deadline) -> Receipt:
    """The receipt after each event that is first in line has joined its ticket, if that is there.

    Raises nothing that the relay knows: the rows have their places.
    """
    if told.first_in_line is not None:
        return _joined(services, told.first_in_line, by)
    return replace(told, events=tuple(join(services, event, by) for event in told.events))


def _joined(services: Services, row: TicketRow, by: Deadline) -> Receipt:
    try:
        update = correlated.hand_over(services, row, by)
        if update is not None and _sent(services, update, by):
            correlated.hand_over(services, row, by)
        found = services.store.get(row.pk)
    except (StaleRow, StoreUnavailable, WriteRefused) as error:
        left_to_poller(row, error)
        found = None
    return receipt(found if isinstance(found, TicketRow) else row)


def _sent(services: Services, update: UpdateRow, by: Deadline) -> bool:
    if update.files:
        return False  # A server that takes its time must not use up the partner's.
    with services.gate.permit(by, UPDATES, ticket_id=update.ticket_id, alone=True) as permit:
        if permit.closed_until is not None:
            return False
        safe_update.apply(services, [Waiting(update)], permit, TicketReader(services))
        return True
