"""What becomes of the updates that wait for one ticket: decided in their order, on one reading of it.

    row ─▶ done already? ─▶ closed? ─▶ changed by others? ─▶ its condition? ─▶ its changes ─┐
    next row, on the ticket as it will be then ◀── one request for all, while they agree ◀──┘

Pure, but for the audits, which are read where somebody asks for them.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from ticket_relay.changes import conflicts, diff
from ticket_relay.errors import MappingFailed, PayloadRefused
from ticket_relay.states import update as update_states
from ticket_relay.storage.rows import UpdateRow
from ticket_relay.update_ticket import rules
from ticket_relay.update_ticket.request import UpdateRequest, read_request
from ticket_relay.update_ticket.rules import Decider
from ticket_relay.webhooks import payload
from ticket_relay.zendesk import timestamps
from ticket_relay.zendesk.client import Ticket
from ticket_relay.zendesk.ticket_models import TicketChanges, TicketCreate
from ticket_relay.zendesk.timestamps import Stamp

type Update = dict[str, Any]
type Audits = Callable[[], Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Reading:
    """A ticket as it was read, or {} where the decision needs nothing of it; the stamp that goes with it; its audits,
    when asked for; and our own user, if known.
    """

    ticket: Ticket
    stamp: str
    audits: Audits
    own: int | None


@dataclass
class Waiting:
    """An update that a worker has at hand, and has `held` if it is about to be sent. `before` is how it was found: its
    doubt outlives a certain refusal.
    """

    row: UpdateRow
    before: UpdateRow
    held: bool = False

    @property
    def in_doubt(self) -> bool:
        """A request of this update may have had its effect."""
        return self.before.sent_at is not None

    @cached_property
    def event(self) -> dict[str, Any]:
        """The webhook's parsed body. Raises PayloadRefused."""
        return payload.parse(self.before.event or b"", None)

    @cached_property
    def request(self) -> UpdateRequest:
        """What the webhook asks for. Raises PayloadRefused."""
        return read_request(self.event)

    @property
    def since(self) -> Stamp | None:
        """What the update was meant for: the ticket that the webhook told of or, of one that brought no stamp or was
        set going again, the ticket as it was first read. Raises PayloadRefused.
        """
        told = timestamps.parse(self.request.updated_at) if self.row.redriven_at is None else None
        return told or timestamps.parse(self.row.base)


@dataclass(slots=True)
class Plan:
    """`update` is to be sent for the `senders`, each of whom leaves its marker; {} where nothing is to be sent.

    `rest` is what the only sender has to send afterwards. `over` has come to its end whatever becomes of the request,
    `after` when it lands. `follow_ups` are tickets to create in place of a closed one. Who is in none of them waits for
    the next reading.
    """

    update: Update = field(default_factory=dict)
    senders: list[Waiting] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)
    rest: bytes | None = None
    over: list[tuple[Waiting, UpdateRow]] = field(default_factory=list)
    after: list[tuple[Waiting, UpdateRow]] = field(default_factory=list)
    follow_ups: list[tuple[Waiting, TicketCreate]] = field(default_factory=list)

    def end(self, waiting: Waiting, row: UpdateRow) -> None:
        (self.after if self.update else self.over).append((waiting, row))

    def take(self, waiting: Waiting, update: Update, ticket: Ticket) -> bool:
        """Let the update go out with the others, if they agree. One that takes two requests goes alone."""
        first, *later = diff.in_order(update)
        if later and self.update:
            return False
        together = diff.together(self.update, first, ticket)
        room = diff.room_for_markers((together or {}).get("metadata") or {})
        if together is None or room <= len(self.senders):
            return False
        self.update = together
        self.senders.append(waiting)
        self.markers.append(waiting.row.marker_of_first if later else waiting.row.marker)
        self.rest = json.dumps(later[0]).encode() if later else None
        return True


def plan(rows: Sequence[Waiting], reading: Reading, now: float) -> Plan:
    """The plan for rows in the order in which they came. Raises the errors of reading the audits."""
    made, ticket = Plan(), reading.ticket
    for waiting in rows:
        try:
            decided = _decided(waiting, ticket, reading, now)
        except (MappingFailed, PayloadRefused) as error:
            decided = update_states.failed(waiting.row, error.code, error.sentence, now)
        match decided:
            case UpdateRow():
                made.end(waiting, decided)
            case TicketCreate() if made.update:
                break  # It follows up what is closed, not what may be.
            case TicketCreate():
                made.follow_ups.append((waiting, decided))
            case _:
                if not made.take(waiting, decided, reading.ticket):
                    break
                if made.rest or not diff.foreseeable(decided, ticket):
                    break
                ticket = diff.applied_to(ticket, decided)
    return made


def caused_by(waiting: Waiting) -> int | None:
    """Who caused the event, if it says so."""
    try:
        return waiting.request.actor_id
    except PayloadRefused:
        return None


def begun(rows: Sequence[Waiting]) -> float:
    """The earliest moment that the decisions look back to, in epoch seconds: a row's beginning, or its stamp."""
    moments = [it.row.created_at for it in rows]
    for it in rows:
        try:
            since = it.since
        except PayloadRefused:
            continue
        if since:
            moments.append(since.instant.timestamp())
    return min(moments)


def direct(waiting: Waiting, webhook_time: float) -> str | None:
    """The stamp that a webhook of this time brought, where it is exact and nothing of the ticket is needed; else None.

    A later one than the webhook itself would protect from nothing.
    """
    try:
        since = timestamps.parse(waiting.request.updated_at)
        if needs_reading(waiting.request.decider, since) or (since and since.instant.timestamp() >= webhook_time + 1):
            return None
    except (MappingFailed, PayloadRefused):
        return None
    return timestamps.exact(since) if since else None


def needs_reading(decider: Decider, since: Stamp | None) -> bool:
    """Whether the ticket must be read before it is decided on."""
    return since is None or not since.precise or decider.on_closed == "follow_up" or rules.needs_ticket(decider)


@dataclass(frozen=True, slots=True)
class _Case:
    """All there is to know for the decision on one row. `ticket` is as it will be when its turn comes."""

    waiting: Waiting
    ticket: Ticket
    reading: Reading
    now: float

    @property
    def row(self) -> UpdateRow:
        return self.waiting.row

    @property
    def decider(self) -> Decider:
        return self.waiting.request.decider

    @property
    def changes(self) -> TicketChanges | None:
        return rules.decide(self.decider, self.ticket, self.waiting.event)


def _decided(waiting: Waiting, ticket: Ticket, reading: Reading, now: float) -> UpdateRow | TicketCreate | Update:
    row, actor_id = waiting.row, waiting.request.actor_id
    closed = ticket.get("status") == "closed"
    markers = _markers(reading) if waiting.in_doubt else frozenset()
    if row.marker in markers:
        return update_states.applied(row, now)
    # What was found with the row: a first request that this worker sent itself has not landed, or it would be done.
    rest = waiting.before.rest
    if rest and (row.marker_of_first in markers or not waiting.in_doubt) and not closed:
        waiting.row = row.model_copy(update={"rest": rest})
        return cast("Update", json.loads(rest))
    row = waiting.row = row.model_copy(update={"rest": None})
    if actor_id is not None and actor_id == reading.own:
        return update_states.skipped(row, now)
    case = _Case(waiting, ticket, reading, now)
    return _closed(case) if closed else _open(case)


def _open(case: _Case) -> UpdateRow | Update:
    """What the policy, the condition and the changes make of it."""
    row, policy = case.row, case.decider.on_conflict
    since = case.waiting.since if case.ticket else None
    stale = since is not None and not timestamps.covers(since, case.reading.ticket["updated_at"])
    if stale and policy == "skip":
        return update_states.skipped(row, case.now, *update_states.TICKET_CHANGED)
    wanted = case.changes
    if wanted is None:
        return update_states.skipped(row, case.now)
    update = diff.to_update(wanted, case.ticket)
    if not update:
        return update_states.applied(row, case.now)
    if since is not None and stale and policy == "merge":
        changed = conflicts.changed_since(case.reading.audits(), since, but=row.marker)
        disputed = conflicts.in_the_way(diff.fields(update, case.ticket), changed)
        if disputed:
            return update_states.conflict(row, disputed, case.now)
    return update


def _closed(case: _Case) -> UpdateRow | TicketCreate:
    """Nothing can be updated any more ("Creating a follow-up ticket")."""
    if case.decider.on_closed == "fail":
        return update_states.failed(
            case.row, "ticket_closed", "The ticket is closed, and can no longer be updated.", case.now
        )
    wanted = case.changes
    return update_states.skipped(case.row, case.now) if wanted is None else diff.follow_up(wanted, case.ticket)


def _markers(reading: Reading) -> frozenset[str]:
    """Whose updates have landed. The audits are read after the ticket: what landed between the two is newer than the
    stamp, and will conflict.
    """
    return frozenset[str]().union(*map(conflicts.markers_of, reading.audits()))
