"""The safe update of one ticket, for all the updates that wait for it: read, decide, send with a stamp.

    read ──▶ plan ──▶ hold ──▶ PUT with safe_update ── 200 ──▶ applied
      ▲                             │
      └────── 409 UpdateConflict ───┘   bounded; then the rows wait

What an update is decided on and what it lands on are the same ticket: the stamp sees to that ("Protecting against
ticket update collisions"). A PUT is not idempotent; one whose answer was lost is recognised by the markers that it left
in the ticket's audits.
"""

import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from ticket_relay import observability
from ticket_relay.changes.combine import marked
from ticket_relay.errors import MappingFailed, RelayError, StaleRow
from ticket_relay.rate_limits.permit import Permit
from ticket_relay.services import Services
from ticket_relay.states import joining as joining_states
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.states.backoff import LEASE
from ticket_relay.states.waiting import deferred
from ticket_relay.storage.rows import TicketRow, TicketState, UpdateRow, UpdateState, external_id
from ticket_relay.update_ticket import own_user
from ticket_relay.update_ticket.fresh_read import TicketReader
from ticket_relay.update_ticket.joined import Replacement
from ticket_relay.update_ticket.plan import (
    Audits,
    Plan,
    Reading,
    Waiting,
    caused_by,
    direct_stamp,
    earliest_moment,
    make_plan,
)
from ticket_relay.zendesk import timestamps
from ticket_relay.zendesk.client import Ticket
from ticket_relay.zendesk.errors import Conflict, OutcomeUnknown, Rejected, Unsettled, ZendeskError
from ticket_relay.zendesk.ticket_models import to_request, uploaded

ROUNDS = 3
"""Decisions by one worker; after that the rows wait for the poller."""
LEAST_TIME = 1.0
"""Seconds below which another round is left to the poller."""
EARLIER = 3600.0
"""Seconds for which audits are read beyond the earliest that can matter: clocks differ."""
FOLLOW_UPS = "zendesk.follow-up"
"""Stands where a partner's name does in the row of a follow-up ticket; no partner can have it."""


def apply(
    services: Services,
    rows: Sequence[Waiting],
    permit: Permit,
    reader: TicketReader,
    webhook_time: float | None = None,
) -> bool:
    """Decide and send, again after each conflict, and move the rows by the outcome; whether something was sent.

    All are of one ticket, in the order in which they came; those that did not fit into one request stay as they are.
    `webhook_time` is when a webhook told of the ticket, if it has just come in: its stamp may do in place of the first
    reading. Raises StaleRow and StoreUnavailable: leases end by themselves.
    """
    conflicts, requeued = 0, list[Waiting]()
    for number in range(1, ROUNDS + 1):
        plan: Plan | None = None
        try:
            reading = _reading(services, rows, permit, reader, webhook_time if number == 1 else None)
            if reading is None:
                move(services, [(it, update_states.not_found(it.row, services.now())) for it in rows])
                return False
            plan = make_plan(rows, reading, services.now())
            finish_without_request(services, plan)
            if plan.update:
                _send(services, plan, reading, permit)
        except ZendeskError as error:
            if isinstance(error, Conflict):
                conflicts += 1
                observability.count("UpdateConflicted")
                reader.after(error)
            if isinstance(error, Conflict | Unsettled) and number < ROUNDS and permit.left > reader.wait() + LEAST_TIME:
                services.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - so that two who collided do not collide again
                rows = [it for it in rows if it.row.state is UpdateState.ACCEPTED]
                continue
            requeued = plan.senders if plan else list(rows)
            _requeue(services, requeued, error, conflicts, sent=plan is not None)
        break
    move(services, [(it, update_states.released(it.row, services.now())) for it in rows if it.held])
    _requeue_behind(services, rows, requeued)
    return plan is not None and bool(plan.update)


def _requeue(services: Services, rows: Sequence[Waiting], error: ZendeskError, conflicts: int, *, sent: bool) -> None:
    """Due again, all at one time: they are to stay together, and in order."""
    now = services.now()
    moves = [
        (it, update_states.on_update_error(it.row, error, now, conflicts=it.row.conflicts + conflicts, sent=sent))
        for it in rows
    ]
    due_at = max((new.due_at for _, new in moves if new.due_at), default=None)
    move(services, [(it, new.due_together(due_at)) for it, new in moves])


def _requeue_behind(services: Services, rows: Sequence[Waiting], requeued: Sequence[Waiting]) -> None:
    """Rows that did not fit into the request wait for those that were in it, so as not to overtake them."""
    until = max((it.row.due_at for it in requeued if it.row.due_at), default=None)
    behind = [it for it in rows if it.row.state is UpdateState.ACCEPTED and not any(it is one for one in requeued)]
    if until is not None:
        move(services, [(it, deferred(it.row, services.now(), until)) for it in behind])


def finish_without_request(services: Services, plan: Plan) -> None:
    """What needs no request: rows that are over, and new tickets in place of a closed one."""
    move(services, plan.over)
    for waiting, replacement in plan.replacements:
        move(services, [(waiting, _replaced(services, waiting.row, replacement))])
    for waiting, creation in plan.follow_ups:
        row = waiting.row
        event_id = f"{row.ticket_id}/{row.invocation_id}"
        try:
            request = to_request(creation, external_id(FOLLOW_UPS, event_id))
        except MappingFailed as error:
            move(services, [(waiting, update_states.failed(row, error.code, error.sentence, services.now()))])
            continue
        # A ticket to be created like a partner's: exactly once, by the poller. Who comes second finds it claimed.
        now = services.now()
        created = ticket_states.claimed(FOLLOW_UPS, event_id, request, now, closed_until=now)
        services.store.claim(created)
        move(services, [(waiting, update_states.applied(row, now, "followed_up"))])


def _replaced(services: Services, row: UpdateRow, replacement: Replacement) -> UpdateRow:
    """The end of an update in whose place its event gets a ticket of its own. The event learns of that ticket first; it
    is created once the event leads (`states.joining`). Raises StaleRow where a worker has moved the event just now.
    """
    now = services.now()
    event = services.store.get(row.of_event or "")
    if not isinstance(event, TicketRow) or not event.in_line or event.state is not TicketState.ACCEPTED:
        return update_states.failed(row, "event_not_waiting", "The event no longer waits. Redrive the event.", now)
    try:
        request = replacement.request(event)
    except MappingFailed as error:
        return update_states.failed(row, error.code, error.sentence, now)
    services.store.move(event, joining_states.replaced(event, request, now))
    return update_states.applied(row, now, joining_states.REPLACED)


def safe(plan: Plan, updated_stamp: str) -> Ticket:
    """The `ticket` to send. `safe_update` is true or absent: false means true, too (Tickets reference)."""
    # Of several updates that go together, one has a comment at most.
    tokens = next((it.row.tokens for it in plan.senders if it.row.files), [])
    update = uploaded(marked(plan.update, plan.markers), tokens)
    return {**update, "safe_update": True, "updated_stamp": updated_stamp}


def leases(plan: Plan, now: float, lease: float) -> list[tuple[Waiting, UpdateRow]]:
    """The moves by which this worker takes a lease for each sender that it has none for yet."""
    return [
        (it, update_states.held(it.row, now, plan.rests.get(it.row.pk), lease))
        for it in plan.senders
        if not it.held or it.row.leased_rest != plan.rests.get(it.row.pk)
    ]


def _send(services: Services, plan: Plan, reading: Reading, permit: Permit) -> None:
    move(services, leases(plan, services.now(), LEASE))
    if any(it.lost for it in plan.senders):
        raise StaleRow("Another worker has one of the updates.")
    ticket_id = plan.senders[0].row.ticket_id
    author_id = services.zendesk.update_ticket(ticket_id, safe(plan, reading.stamp), permit)
    # First of all the outcome is written down: a row that does not know of it is in doubt.
    end = update_states.half_applied if plan.two_requests else update_states.applied
    move(services, [(it, end(it.row, services.now())) for it in plan.senders] + plan.after)
    if reading.own is None:
        own_user.remember_author(services, author_id, plan.update)


def _reading(
    services: Services,
    rows: Sequence[Waiting],
    permit: Permit,
    reader: TicketReader,
    webhook_time: float | None,
) -> Reading | None:
    """The ticket and what goes with it; None if there is none."""
    ticket_id = rows[0].row.ticket_id
    own = ask_own_user(services, rows, permit)
    told = direct_stamp(rows[0], webhook_time) if webhook_time is not None else None
    if told is not None:
        return Reading({}, told, tuple, own)
    ticket = reader.read(ticket_id, permit)
    if ticket is None:
        return None
    return reading_of(rows, ticket, _audits(services, ticket_id, earliest_moment(rows) - EARLIER, permit), own)


def reading_of(rows: Sequence[Waiting], ticket: Ticket, audits: Audits, own: int | None) -> Reading:
    """What the rows are decided on. Those that know of no earlier reading remember this one."""
    for waiting in rows:
        waiting.row = waiting.row.based_on(ticket["updated_at"])
    return Reading(ticket, ticket["updated_at"], audits, own)


def ask_own_user(services: Services, rows: Iterable[Waiting], permit: Permit) -> int | None:
    """Our own user, asked for only if an event says who caused it."""
    if all(caused_by(it) is None for it in rows):
        return own_user.known(services)
    return own_user.known(services) or own_user.learned(services, permit)


def _audits(services: Services, ticket_id: int, since: float, permit: Permit) -> Audits:
    """The ticket's audits, when asked for; of a long list no more than its end, if it proves to be sorted."""

    @cache
    def read() -> Sequence[Mapping[str, Any]]:
        try:
            return list(_until(since, services.zendesk.audits(ticket_id, permit)))
        except Rejected as error:
            # A refused read says nothing about the update: in doubt as before.
            raise OutcomeUnknown("look_up_refused", f"Zendesk refused the look at the audits: {error.code}.") from None

    return read


def _until(since: float, audits: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Those before the first that is older, for as long as each is older than the one before it."""
    latest = math.inf
    for audit in audits:
        yield audit
        made = timestamps.parse(audit.get("created_at"))
        at = made.instant.timestamp() if made else math.inf
        if at > latest:
            since = -math.inf
        elif at < since:
            return
        latest = at


def move(
    services: Services,
    moves: Sequence[tuple[Waiting, UpdateRow]],
    on_error: Callable[[UpdateRow, RelayError], None] | None = None,
) -> None:
    """Move each. One that another worker has changed meanwhile is theirs.

    What else keeps a row from being moved goes to `on_error`, or is raised when all others are moved.
    """
    rows = {it.row.pk: it for it, _ in moves}
    errors = []

    def failed(row: UpdateRow, error: RelayError) -> None:
        rows[row.pk].lost = True
        if isinstance(error, StaleRow):
            observability.count("RowMoved")
        else:
            (on_error or (lambda _, error: errors.append(error)))(row, error)

    for old, new in services.store.move_all([(it.row, new) for it, new in moves], failed):
        rows[old.pk].row = new
    if errors:
        raise errors[0]
