"""How an event goes to the ticket of another one about the same thing: pure functions, as in `ticket`.

    accepted ──first in line, and the ticket took its changes, or needs none──▶ joined
       ▲ │ ├──first in line, and there is no ticket, or none that can be changed──▶ leads: sent as a ticket of its own
       └─┘ └──an update for which no ticket came in time──▶ unmapped, or ignored
    waits for its turn, the ticket, or the update of the ticket

Only the first in line is ever handed over, as an update of the ticket with a row of its own, and it stays first until
that update is over. So events reach the ticket in the order in which they came, and whatever the update finds, a closed
ticket for instance, is settled before the next event has its turn.
"""

import json
from dataclasses import dataclass
from typing import Any

from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.states.backoff import growing
from ticket_relay.storage.correlations import Correlation
from ticket_relay.storage.parts import Joining
from ticket_relay.storage.rows import TicketRow, TicketState, UpdateRow, UpdateState, update_pk
from ticket_relay.zendesk.request_body import encoded
from ticket_relay.zendesk.ticket_models import attachments_of

LONGEST_PAUSE = 60.0
LONGEST_TURN = 300.0
"""Seconds between two looks of an event that is not the first: whoever is, brings it on."""
REPLACED = "ticket_replaced"
"""Why an update ended without changing the ticket: the event gets a ticket of its own in its place."""

WAITS_FOR_TICKET = ("waits_for_ticket", "The ticket of an earlier event about the same thing is not created yet.")
WAITS_ITS_TURN = ("waits_its_turn", "Earlier events about the same thing come first.")
HANDED_OVER = ("handed_over", "Its update of the ticket is under way.")
MISSING = ("ticket_missing", "No event about the same thing has made a ticket.")


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The event leads from now on: its own ticket is that of the correlation."""


def leading(row: TicketRow, now: float) -> TicketRow:
    """It is certain that its ticket is that of the correlation: due at once, to be sent like any other."""
    return row.moved(now, **row.if_not_sent, leads=True, retries=0, due_at=now, error_code=None, error_sentence=None)


def waiting(row: TicketRow, reason: tuple[str, str], now: float, *, most: float = LONGEST_PAUSE) -> TicketRow:
    """Not sent, and due again after a pause that grows while the reason is the same."""
    code, sentence = reason
    retries = row.retries + 1 if row.error_code == code else 0
    return row.moved(
        now,
        **row.if_not_sent,
        retries=retries,
        due_at=now + growing(1.0, retries, most=most),
        error_code=code,
        error_sentence=sentence,
    )


def joined(row: TicketRow, ticket_id: int, leader: str | None, reason: str | None, now: float) -> TicketRow:
    """The end."""
    return row.moved(
        now,
        **row.if_over,
        state=TicketState.JOINED,
        ticket_id=ticket_id,
        joined_to=leader,
        error_code=reason,
        error_sentence=None,
    )


def missing(row: TicketRow, now: float) -> TicketRow:
    """No ticket came in time. Redriven, it waits again."""
    code, sentence = MISSING
    return row.moved(now, state=TicketState.UNMAPPED, error_code=code, error_sentence=sentence)


def replaced(row: TicketRow, request: bytes, now: float) -> TicketRow:
    """The ticket that it was to join is solved or closed: it is to have this one of its own, with its files."""
    files = len(attachments_of(json.loads(request)["ticket"]))
    return row.moved(now, request=request, files=files, uploads=(), due_at=now)


def ticket_of(there: Correlation, leader: TicketRow | None) -> int | None:
    """The ticket of the correlation, once it is certain."""
    if there.ticket_id is not None:
        return there.ticket_id
    return leader.ticket_id if leader and leader.state is TicketState.CREATED else None


def may_lead(leader: TicketRow | None) -> bool:
    """Whether another event may lead in place of this one: it has no ticket, and is not about to have one."""
    if leader is None or leader.state not in {*TicketRow.working, TicketState.CREATED}:
        return True
    # It was mapped again, and is an update now.
    return leader.state is TicketState.ACCEPTED and leader.request is None and leader.correlation is not None


def pk_of_update(row: TicketRow, ticket_id: int) -> str:
    return update_pk(ticket_id, _invocation_id(row))


def next_step(
    row: TicketRow, there: Correlation, leader: TicketRow | None, update: UpdateRow | None, now: float
) -> TicketRow | UpdateRow | TakeOver:
    """What comes next for the first in line: the row in its next state, the row of its update (new, or to go on), or
    that it leads. `leader` may be None if the ticket is known; `update` is its update of that ticket, if there is one.
    """
    wanted = _joining(row)
    ticket_id = ticket_of(there, leader)
    if ticket_id is None:
        return _without_ticket(row, leader, now)
    if wanted.do == "create" and wanted.again == "create":
        return TakeOver()
    if update is None:
        return _update(row, wanted, ticket_id, now)
    if update.state in UpdateRow.working:
        return waiting(row, HANDED_OVER, now)
    if update.state in {UpdateState.FAILED, UpdateState.CONFLICT}:
        return _after_failure(row, wanted, update, now)
    return TakeOver() if update.error_code == REPLACED else joined(row, ticket_id, there.leader, update.error_code, now)


def _after_failure(row: TicketRow, wanted: Joining, update: UpdateRow, now: float) -> TicketRow | UpdateRow | TakeOver:
    if row.redriven_at is not None and update.updated_at < row.redriven_at:
        again, new = update_states.redriven(update, now), _update(row, wanted, update.ticket_id, now)
        if again.event == new.event:
            return again
        # It was mapped again: it asks for something else, with other files, and no second request of old is left.
        return again.model_copy(update={"event": new.event, "files": new.files, "uploads": (), "rest": None})
    if wanted.do == "create" and update.error_code == update_states.NO_TICKET:
        return TakeOver()
    return ticket_states.failed(row, update.error_code or "update_failed", update.error_sentence or "", now)


def leads_no_more(row: TicketRow, now: float) -> TicketRow:
    """It led, and was mapped again to what makes no ticket: it waits for another's, as any update does."""
    match _without_ticket(row, None, now):
        case TicketRow() as after:
            return after
    raise AssertionError("an event without a ticket of its own takes no lead")


def _without_ticket(row: TicketRow, leader: TicketRow | None, now: float) -> TicketRow | TakeOver:
    """As `next_step`, while the correlation has no ticket."""
    wanted = _joining(row)
    if not may_lead(leader):
        return waiting(row, WAITS_FOR_TICKET, now)
    if wanted.do == "create":
        return TakeOver()
    left = row.retry_window_start + wanted.wait - now
    if left > 0:
        return waiting(row, MISSING, now, most=min(left, LONGEST_PAUSE))
    if wanted.missing == "create":
        return TakeOver()
    return missing(row, now) if wanted.missing == "unmapped" else ticket_states.ignored(row, now, MISSING[0])


def _update(row: TicketRow, wanted: Joining, ticket_id: int, now: float) -> UpdateRow:
    """Its update of the ticket, due at once; `update_ticket.joined` reads what it asks for."""
    changes = changes_of(row, wanted)
    event = {
        "ticket_id": ticket_id,
        "changes": changes,
        "joining": wanted.model_dump(include={"do", "again", "on_solved", "on_closed"}),
        "has_ticket": row.request is not None,
    }
    return update_states.claimed(
        pk_of_update(row, ticket_id),
        ticket_id,
        _invocation_id(row),
        encoded(event),
        now,
        closed_until=now,
        of_event=row.pk,
        files=len(attachments_of(changes)),
    )


def changes_of(row: TicketRow, wanted: Joining) -> dict[str, Any]:
    """Those of its case; where that has none, the comment of the ticket that it would have been."""
    if row.changes is not None:
        changes: dict[str, Any] = json.loads(row.changes)
        return changes
    if wanted.do != "create" or row.request is None:
        return {}
    ticket = json.loads(row.request)["ticket"]
    return {"comment": ticket.get("comment") or {"body": ticket["description"]}}


def _joining(row: TicketRow) -> Joining:
    if row.joining is None:
        raise AssertionError("a row of a correlation says what it wants of the ticket")
    return row.joining


def _invocation_id(row: TicketRow) -> str:
    return f"{row.partner}/{row.event_id}"
