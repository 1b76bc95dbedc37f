"""What waits to be sent: a backlog together, the rest one by one, but not for so long that jobs wait for it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import batched, takewhile

from ticket_relay.create_ticket import submit
from ticket_relay.poll_jobs.poll_run import CALL_TIME, Run, is_due
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states.update import SETTLED
from ticket_relay.storage.rows import Row, TicketRow, UpdateRow
from ticket_relay.update_ticket import batch, webhook
from ticket_relay.zendesk.client import TICKETS_AT_ONCE

TURN = 5.0
"""Seconds of sending one by one, after which jobs are asked about again."""
BACKLOG = 10
"""From so many rows, or tickets to update, on they are sent together."""
MOST_BATCHES = 20
"""Jobs of many tickets at a time: Zendesk takes 30 ("Job limit"), and others may queue some."""


def send(this: Run, rows: Sequence[Row], busy: set[int]) -> bool:
    """Send what is due of the rows, but no update of the `busy` tickets; whether there was anything to do."""
    until = this.services.now() + TURN
    events = [row for row in rows if isinstance(row, TicketRow) and is_due(row, this.services.now())]
    updates = _by_ticket(this, (row for row in rows if isinstance(row, UpdateRow)), busy)
    gone = _create_together(this, events) | _update_together(this, updates)
    waiting = [[row] for row in events] + list(updates.values())
    for group in sorted(waiting, key=lambda group: group[0].due_at or 0):
        if group[0].pk not in gone and this.has_time and this.services.now() < until:
            with this.guarded(*group):
                _one(this, group)
    return bool(waiting)


def _one(this: Run, group: Sequence[Row]) -> None:
    by = Deadline.after(CALL_TIME)
    row = group[0]
    if isinstance(row, TicketRow):
        submit.resume(this.services, row, by)
    elif isinstance(row, UpdateRow):
        of_ticket = [each for each in group if isinstance(each, UpdateRow)]
        if webhook.resume(this.services, of_ticket, by):
            this.settle_until[row.ticket_id] = this.services.now() + SETTLED


def _by_ticket(this: Run, rows: Iterable[UpdateRow], busy: set[int]) -> dict[int, list[UpdateRow]]:
    """The due updates of each ticket, in the order in which they came, up to the first that somebody else has in hand
    or that must wait: it is not to be overtaken.
    """
    now = this.services.now()
    tickets: defaultdict[int, list[UpdateRow]] = defaultdict(list)
    for row in webhook.in_order(rows):
        tickets[row.ticket_id].append(row)
    due = {
        ticket_id: list(takewhile(lambda row: is_due(row, now), of_ticket))
        for ticket_id, of_ticket in tickets.items()
        if ticket_id not in busy and this.settle_until.get(ticket_id, now) <= now
    }
    return {ticket_id: of_ticket for ticket_id, of_ticket in due.items() if of_ticket}


def _create_together(this: Run, rows: Sequence[TicketRow]) -> set[str]:
    """Those that went in parcels, if they are many."""
    backlog = [row for row in rows if ticket_states.may_go_together(row)]
    gone: set[str] = set()
    if len(backlog) < BACKLOG:
        return gone
    for some in submit.batches(backlog):
        if this.has_time_for_many and len(this.batches) < MOST_BATCHES:
            gone |= {row.pk for row in some}
            with this.guarded(*some):
                job_id = submit.send_together(this.services, some, Deadline.after(CALL_TIME))
                this.batches |= {job_id} if job_id else set()
    return gone


def _update_together(this: Run, tickets: Mapping[int, list[UpdateRow]]) -> set[str]:
    """Those that went in one job with updates of other tickets, if there are many."""
    gone: set[str] = set()
    if len(tickets) < BACKLOG:
        return gone
    for some in batched(tickets.items(), TICKETS_AT_ONCE, strict=False):
        if this.has_time_for_many and len(this.batches) < MOST_BATCHES:
            together = dict(some)
            rows = [row for of_ticket in together.values() for row in of_ticket]
            with this.guarded(*rows):
                job_id, alone = batch.apply(this.services, together, Deadline.after(CALL_TIME))
                this.batches |= {job_id} if job_id else set()
                gone |= {row.pk for row in rows if row.ticket_id not in alone}
    return gone
