"""Events about the same thing: one of them leads and has the ticket, the others join it, one after the other.

    claim ─ no leader ── lead ── won ──▶ sent as any other event
          │                └──── lost ─┐
          └ a leader, or an update ────┴─▶ join the line ──▶ first in line ──▶ an update of the ticket ──▶ joined
                                                                  └── no ticket that can be changed: takes over, sent

The row is claimed first, then its place is taken: both writes are repeated without harm, by the sender's retry or by
the poller. An answer of 2xx means that the event has its place.
"""

from dataclasses import replace

from ticket_relay import observability
from ticket_relay.create_ticket import submit
from ticket_relay.create_ticket.webhook import Make, Receipt, claim, receipt
from ticket_relay.errors import StaleRow, StoreUnavailable, WriteRefused
from ticket_relay.rate_limits.headers import CREATE
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import joining
from ticket_relay.states.joining import TakeOver
from ticket_relay.storage.correlations import Correlation, CorrelationFull, Correlations
from ticket_relay.storage.rows import TicketRow, TicketState, UpdateRow
from ticket_relay.storage.store import left_to_poller

FIRST_PAUSE = 1.0
"""Seconds until the poller looks at an event that has its place: most tickets take longer to be created."""
LEAST_TIME = 1.0
"""Seconds below which the next in line is left to the next turn."""


def take(services: Services, make: Make, by: Deadline) -> Receipt:
    """Claim the row of an event that is one of several, give it its place, and send it if it leads.

    Raises StoreUnavailable: the sender's retry is safe, and takes the place.
    """
    now = services.now()
    row = make(now, now + FIRST_PAUSE)
    there = _correlations(services).get(_pk(row)) if _creates(row) else None
    if there is None or there.leader is not None:
        return _in_line(*place(services, row, there))
    with services.gate.permit(by, CREATE, alone=True) as permit:
        row, there = place(services, make(services.now(), permit.closed_until), there)
        if not row.leads or row.leased_at is None:
            return receipt(row)
        try:
            return receipt(submit.send(services, row, permit))
        except (StaleRow, StoreUnavailable, WriteRefused) as error:
            left_to_poller(row, error)
            return receipt(row)


def place(services: Services, row: TicketRow, there: Correlation | None = None) -> tuple[TicketRow, Correlation | None]:
    """Claim a new row and give it its place; so also if it is there already without one. The row as it is then, and the
    correlation in which it has just taken its place.

    `there` is the correlation, if it was read just now. Raises StoreUnavailable.
    """
    winner = claim(services, row)
    row = winner or row
    if not row.in_line or row.state is not TicketState.ACCEPTED:
        return row, None
    try:
        there = _placed(services, row, there)
    except CorrelationFull:
        observability.count("CorrelationFull")
        there = None
    if winner is not None:
        return row, None  # Another worker has it, or will.
    if there is not None and there.leader == row.pk:
        row = row.model_copy(update={"leads": True})
    elif row.leased_at is not None:
        row = services.store.move(row, joining.waiting(row, joining.WAITS_ITS_TURN, services.now()))
    return row, there


def _in_line(row: TicketRow, there: Correlation | None) -> Receipt:
    first = there is not None and there.leader is not None and there.pending[:1] == (row.pk,)
    return replace(receipt(row), first_in_line=row if first else None)


def resume(services: Services, row: TicketRow, by: Deadline) -> None:
    """Go on with a row in line that is due: it leads from now on, or its correlation advances, and it waits.

    Raises StaleRow and StoreUnavailable.
    """
    try:
        there = _placed(services, row)
    except CorrelationFull as error:
        observability.count("CorrelationFull")
        services.store.move(row, joining.waiting(row, (error.code, error.sentence), services.now()))
        return
    if there.leader == row.pk and row.request is None:
        services.store.move(row, joining.leads_no_more(row, services.now()))
    elif there.leader == row.pk:
        # If its lease ended without an outcome, its request may have had its effect.
        services.store.move(row, joining.leading(row.after_lease(), services.now()))
    elif row.pk not in advance(services, there, by) and not _leads_for_the_first(services, row):
        reason, most = joining.WAITS_ITS_TURN, joining.LONGEST_TURN
        services.store.move(row, joining.waiting(row, reason, services.now(), most=most))


def hand_over(services: Services, row: TicketRow, by: Deadline) -> UpdateRow | None:
    """Advance the correlation of a row; the update that it then has under way. Raises StaleRow and StoreUnavailable."""
    there = _correlations(services).get(_pk(row))
    leader = _leader(services, there) if there.ticket_id is None else None
    ticket_id = joining.ticket_of(there, leader)
    if ticket_id is None or row.pk not in advance(services, there, by):
        return None
    return _update(services, row, ticket_id)


def advance(services: Services, there: Correlation, by: Deadline) -> set[str]:
    """Bring on the first in line, then the next, until one must wait; the keys of those that had their turn.

    Raises StaleRow and StoreUnavailable.
    """
    turns: set[str] = set()
    while there.pending and by.left > LEAST_TIME:
        first = services.store.get(there.pending[0])
        if isinstance(first, TicketRow) and _waits_in(there, first):
            turns.add(first.pk)
            after = _turn(services, there, first)
        else:
            # It was over, led already when a worker died, or is about something else since it was mapped again.
            after = _correlations(services).leave(there, there.pending[0], None, services.now())
        if after is None:
            break
        there = after
    return turns


def _leads_for_the_first(services: Services, row: TicketRow) -> bool:
    """Whether it has taken the lead before its turn: where nobody makes a ticket, an update does not hold up one that
    would.
    """
    there = _correlations(services).get(_pk(row))
    if not _creates(row) or row.pk not in there.pending or there.ticket_id is not None:
        return False
    return joining.may_lead(_leader(services, there)) and _taken_over(services, there, row) is not None


def _taken_over(services: Services, there: Correlation, row: TicketRow) -> Correlation | None:
    taken = _correlations(services).take_over(there, row.pk, services.now())
    if taken is not None:
        observability.count("CorrelationTakenOver")
        services.store.move(row, joining.leading(row, services.now()))
    return taken


def _turn(services: Services, there: Correlation, first: TicketRow) -> Correlation | None:
    """The turn of the first in line; the correlation after it, or None if it stays the first."""
    store, now = services.store, services.now()
    leader = _leader(services, there) if there.ticket_id is None else None
    ticket_id = joining.ticket_of(there, leader)
    update = _update(services, first, ticket_id)
    match joining.next_step(first, there, leader, update, now):
        case TakeOver():
            return _taken_over(services, there, first)
        case UpdateRow() as new:
            if update is None:
                store.claim(new)
            else:
                store.move(update, new)
            store.move(first, joining.waiting(first, joining.HANDED_OVER, now))
            return None
        case waits if waits.due_at is not None:
            if first.due_at is None or first.due_at <= now or waits.due_at < first.due_at:
                store.move(first, waits)
            return None
        case over:
            if over.state is TicketState.JOINED and ticket_id is not None and update is not None and update.uploads:
                from ticket_relay.attachments import notes  # noqa: PLC0415 - most events have no files

                notes.of_update(services, first, update)
            # First the row: what left the line and is not over would join it again.
            store.move(first, over)
            return _correlations(services).leave(there, first.pk, ticket_id, now)


def _placed(services: Services, row: TicketRow, there: Correlation | None = None) -> Correlation:
    """Take or confirm the place of the row. Raises CorrelationFull."""
    items, now = _correlations(services), services.now()
    if there is None:
        there = items.get(_pk(row)) if _creates(row) else items.join(_pk(row), row.pk, now)
    if there.leader == row.pk or (there.leader is None and _creates(row)):
        led = items.lead(there.pk, row.pk, now)
        if led is not None:
            return led
    return there if row.pk in there.pending else items.join(there.pk, row.pk, now)


def _update(services: Services, row: TicketRow, ticket_id: int | None) -> UpdateRow | None:
    found = services.store.get(joining.pk_of_update(row, ticket_id)) if ticket_id is not None else None
    return found if isinstance(found, UpdateRow) else None


def _leader(services: Services, there: Correlation) -> TicketRow | None:
    """None also where it is about something else, or nothing, since it was mapped again."""
    found = services.store.get(there.leader) if there.leader is not None else None
    if not isinstance(found, TicketRow):
        return None
    still_to_be_mapped = found.correlation is None and found.request is None
    return found if still_to_be_mapped or found.correlation == there.pk else None


def _correlations(services: Services) -> Correlations:
    return Correlations(services.table)


def _waits_in(there: Correlation, row: TicketRow) -> bool:
    return row.state is TicketState.ACCEPTED and row.in_line and row.correlation == there.pk


def _creates(row: TicketRow) -> bool:
    """Whether it leads where nobody does."""
    return row.joining is not None and row.joining.do == "create"


def _pk(row: TicketRow) -> str:
    if row.correlation is None:
        raise AssertionError("only a row of a correlation has a place in it")
    return row.correlation
