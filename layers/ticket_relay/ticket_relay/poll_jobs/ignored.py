"""What Zendesk left out of new tickets without an error: only the tickets themselves show it.

A field that the account does not have is ignored (recorded: blakmatrix/node-zendesk#265), as is a follower who is no
agent, and a job's result tells neither. Zendesk's advice is to compare what was sent with what the ticket has ("REST
API gives 200 response but the request didn't work"). What one ticket has the account has, so that no other needs a look
for it while this process lives: a few hours.
"""

from collections.abc import Iterable

from ticket_relay import observability
from ticket_relay.poll_jobs.poll_run import CALL_TIME, Run, Submitted
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.storage.rows import TicketRow, TicketState
from ticket_relay.zendesk.client import TICKETS_AT_ONCE, Ticket, report_followers
from ticket_relay.zendesk.errors import ZendeskError


def remember(run: Run, rows: Iterable[Submitted]) -> None:
    """The new tickets among these that are worth a look; a hundred of them are looked at in one call."""
    for row in rows:
        if isinstance(row, TicketRow) and row.state is TicketState.CREATED and row.ticket_id and _in_question(run, row):
            run.to_compare[row.ticket_id] = row.stripped()
    while len(run.to_compare) >= TICKETS_AT_ONCE:
        compare(run)


def compare(run: Run) -> None:
    """Look at a hundred of the tickets, and count and log what they lack. Once: what cannot be looked at is forgotten,
    since it changes no row.
    """
    run.to_compare = {ticket_id: row for ticket_id, row in run.to_compare.items() if _in_question(run, row)}
    some = {ticket_id: run.to_compare.pop(ticket_id) for ticket_id in [*run.to_compare][:TICKETS_AT_ONCE]}
    if not some:
        return
    # At the end of a run there is no time for another row, but for this.
    by = Deadline.after(min(CALL_TIME, run.time_left() / 2))
    with run.guarded(), run.services.gate.permit(by) as permit:
        if permit.closed_until is not None:
            return
        try:
            tickets = run.services.zendesk.show_tickets(some, permit)
        except ZendeskError:
            return
        for ticket_id, shown in tickets.items():
            if (row := some.get(ticket_id)) is not None:
                _compare(run, row, shown.ticket)


def _compare(run: Run, row: TicketRow, ticket: Ticket) -> None:
    if row.followers:
        report_followers(ticket, row.followers)
    fields = {str(field.get("id")) for field in ticket.get("custom_fields") or () if isinstance(field, dict)}
    has = fields | {name for name, value in ticket.items() if value is not None}
    run.services.known_properties.update(has & {*(row.named or ())})
    if ignored := [name for name in row.named or () if name not in has]:
        observability.count("PropertyIgnored")
        if run.services.settings.metrics_by_partner:
            observability.count("PropertyIgnored", partner=row.partner)
        extra = {"ticket_id": row.ticket_id, "pk": row.pk, "properties": ignored}
        observability.logger().warning("Zendesk ignored properties", extra=extra)


def _in_question(run: Run, row: TicketRow) -> bool:
    return bool(row.followers or {*(row.named or ())} - run.services.known_properties)
