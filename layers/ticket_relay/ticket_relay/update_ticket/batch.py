"""Updates of many tickets in one job, each with its own stamp ("Update Many Tickets", batch).

    show_many ──▶ a plan for each ticket ──▶ hold ──▶ update_many ──▶ submitted ──▶ the job's results

What takes a call of its own (reading the audits, a ticket changed within this second, a second request) is left to go
alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Never

from ticket_relay import observability
from ticket_relay.errors import RelayError
from ticket_relay.rate_limits.headers import UPDATES
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.services import Services
from ticket_relay.states import update as update_states
from ticket_relay.states.backoff import LEASE_TOGETHER
from ticket_relay.storage.rows import UpdateRow
from ticket_relay.update_ticket import safe_update
from ticket_relay.update_ticket.fresh_read import TicketReader
from ticket_relay.update_ticket.plan import Plan, Waiting, make_plan
from ticket_relay.zendesk.client import Ticket
from ticket_relay.zendesk.errors import Rejected, ZendeskError


@dataclass(frozen=True, slots=True)
class _Planned:
    ticket_id: int
    plan: Plan
    stamp: str

    @property
    def update(self) -> dict[str, Any]:
        return {"id": self.ticket_id, **safe_update.safe(self.plan, self.stamp)}


class _NeedsAuditsError(Exception):
    """The decision needs the ticket's audits, which are read for one ticket at a time."""


type OnError = Callable[[UpdateRow, RelayError], None]
"""Hears of a row that could not be written: if it has a lease, that ends by itself."""


def apply(
    services: Services, tickets: Mapping[int, Sequence[UpdateRow]], by: Deadline, on_error: OnError
) -> tuple[list[UpdateRow], set[int]]:
    """Decide the accepted rows of at most 100 tickets, each ticket's in order, and send the updates in one job.

    Returns the rows that Zendesk took on, and the tickets that must go alone. Raises StoreUnavailable: leases end by
    themselves.
    """
    with services.gate.permit(by, UPDATES) as permit:
        if permit.closed_until is not None:
            return [], set()
        limited = services.update_limits.closed_until(tickets, services.now())
        free = {ticket_id: rows for ticket_id, rows in tickets.items() if ticket_id not in limited}
        if not free:
            return [], set(limited)
        try:
            planned, alone = _planned(services, free, permit)
        except ZendeskError:
            return [], set(tickets)
        sent = _send(services, [each for each in planned if each.plan.update], permit, on_error)
        return sent, alone | set(limited)


def _planned(
    services: Services, tickets: Mapping[int, Sequence[UpdateRow]], permit: Permit
) -> tuple[list[_Planned], set[int]]:
    """Plans for those that can go together, after what needs no request is finished; and the tickets that go alone."""
    waiting = {ticket_id: [Waiting(row.after_lease()) for row in rows] for ticket_id, rows in tickets.items()}
    own = safe_update.ask_own_user(services, chain.from_iterable(waiting.values()), permit)
    reader, read_at = TicketReader(services), services.now()
    shown = services.zendesk.show_tickets(tickets, permit)
    planned, alone = [], set()
    for ticket_id, rows in waiting.items():
        found = shown.get(ticket_id)
        settled = found is not None and read_at >= reader.settled_at(found)
        plan = _plan(services, rows, found.ticket, own) if found and settled else None
        if plan is None:
            alone.add(ticket_id)
        else:
            planned.append(plan)
    return planned, alone


def _plan(services: Services, rows: Sequence[Waiting], ticket: Ticket, own: int | None) -> _Planned | None:
    """None if the rows of this ticket must go alone."""
    try:
        plan = make_plan(rows, safe_update.reading_of(rows, ticket, _no_audits, own), services.now())
    except _NeedsAuditsError:
        return None
    # A bug that one ticket meets comes out again when its rows go alone, and harms no other ticket.
    except Exception as error:  # noqa: BLE001
        observability.unexpected(error)
        return None
    if plan.two_requests or any(update_states.must_go_alone(it.row) for it in plan.senders):
        return None
    safe_update.finish_without_request(services, plan)
    return _Planned(rows[0].row.ticket_id, plan, ticket["updated_at"])


def _no_audits() -> Never:
    raise _NeedsAuditsError


def _send(services: Services, planned: Sequence[_Planned], permit: Permit, on_error: OnError) -> list[UpdateRow]:
    now = services.now()
    leases = [safe_update.leases(each.plan, now, LEASE_TOGETHER) for each in planned]
    safe_update.move(services, list(chain.from_iterable(leases)), on_error)
    held = [each for each in planned if not any(it.lost for it in each.plan.senders)]
    if not held:
        return []
    try:
        job_id = services.zendesk.update_tickets([each.update for each in held], permit)
    except ZendeskError as error:
        now = services.now()
        ends = [(it, _on_error(it, error, now)) for each in held for it in each.plan.senders]
        safe_update.move(services, ends, on_error)
        return []
    now = services.now()
    # Rows that were to end with the request wait for what the job says, and are then decided again.
    taken = [
        (it, update_states.submitted(it.row, job_id, index, now))
        for index, each in enumerate(held)
        for it in each.plan.senders
    ]
    safe_update.move(services, taken, on_error)
    return [it.row for it, _ in taken if not it.lost]


def _on_error(waiting: Waiting, error: ZendeskError, now: float) -> UpdateRow:
    if isinstance(error, Rejected):
        return update_states.refused_together(waiting.row, error, now)
    # All are due at one time, to go together again.
    return update_states.on_update_error(waiting.row, error, now, conflicts=waiting.row.conflicts, spread=0)
