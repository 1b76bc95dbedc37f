"""What becomes of the updates that wait for one ticket: decided in their order, on one reading of it.

    row ─▶ done already? ─▶ closed? ─▶ changed by others? ─▶ its condition? ─▶ its changes ─┐
    next row, on the ticket as it will be then ◀── one request for all, while they agree ◀──┘

Pure, but for the audits, which are read only where they are needed.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

from ticket_relay.changes import combine, conflicts, diff, follow_up
from ticket_relay.errors import MappingFailed, PayloadRefused
from ticket_relay.states import update as update_states
from ticket_relay.storage.rows import UpdateRow
from ticket_relay.update_ticket import joined, rules
from ticket_relay.update_ticket.joined import Replacement, Skip
from ticket_relay.update_ticket.request import UpdateRequest, read_request
from ticket_relay.update_ticket.rules import Decider
from ticket_relay.webhooks import payload
from ticket_relay.zendesk import timestamps
from ticket_relay.zendesk.client import Ticket
from ticket_relay.zendesk.request_body import encoded
from ticket_relay.zendesk.ticket_models import TicketCreate
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
    """An update that a worker has at hand: `row` as it is in the table now."""

    row: UpdateRow
    lost: bool = False
    """Another worker changed the row: it is theirs."""

    @property
    def held(self) -> bool:
        """This worker has a lease, and is about to send."""
        return self.row.leased_at is not None and not self.lost

    @cached_property
    def event(self) -> dict[str, Any]:
        """The webhook's parsed body. Raises PayloadRefused."""
        return payload.parse(self.row.event or b"")

    @cached_property
    def request(self) -> UpdateRequest:
        """What the webhook asks for. Raises PayloadRefused."""
        return read_request(self.event)

    @cached_property
    def of_partner(self) -> joined.EventUpdate:
        """What a partner's event wants of the ticket that it joins."""
        return joined.EventUpdate.model_validate(self.event)

    @property
    def since(self) -> Stamp | None:
        """What the update was meant for: the ticket that the webhook told of or, of one that brought no stamp or was
        redriven, the ticket as it was first read. Raises PayloadRefused.
        """
        told = timestamps.parse(self.request.updated_at) if self.row.redriven_at is None else None
        return told or timestamps.parse(self.row.base)


@dataclass(slots=True)
class Plan:
    """`update` is to be sent for the `senders`, each of whom leaves its marker; {} where nothing is to be sent.

    If it takes `two_requests`, there is one sender, and `update` is the first. `rests` are, by row, what is to be
    remembered of a second request while the first is sent. `over` ends whatever becomes of the request, `after` when it
    lands. `follow_ups` are tickets to create in place of a closed one, `replacements` those in place of one that a
    partner's event was to join. A row in none of these waits for the next turn.
    """

    update: Update = field(default_factory=dict)
    senders: list[Waiting] = field(default_factory=list)
    markers: list[str] = field(default_factory=list)
    two_requests: bool = False
    rests: dict[str, bytes] = field(default_factory=dict)
    over: list[tuple[Waiting, UpdateRow]] = field(default_factory=list)
    after: list[tuple[Waiting, UpdateRow]] = field(default_factory=list)
    follow_ups: list[tuple[Waiting, TicketCreate]] = field(default_factory=list)
    replacements: list[tuple[Waiting, Replacement]] = field(default_factory=list)

    def end(self, waiting: Waiting, row: UpdateRow) -> None:
        (self.after if self.update else self.over).append((waiting, row))

    def take(self, waiting: Waiting, decided: "Send", ticket: Ticket) -> bool:
        """Let the update go out with the others, if they agree. One that takes two requests goes alone."""
        first, *later = diff.in_order(decided.update)
        if later and self.update:
            return False
        together = combine.together(self.update, first, ticket)
        room = combine.room_for_markers((together or {}).get("metadata") or {})
        if together is None or room <= len(self.senders):
            return False
        self.update = together
        self.senders.append(waiting)
        self.markers.append(waiting.row.marker_of_first if later else waiting.row.marker)
        self.two_requests = bool(later)
        rest = encoded(later[0]) if later else decided.rest
        if rest is not None:
            self.rests[waiting.row.pk] = rest
        return True


@dataclass(frozen=True, slots=True)
class Send:
    """An update to send. `rest` is the row's, if that is what is sent: it is remembered until it has landed."""

    update: Update
    rest: bytes | None = None


def make_plan(rows: Sequence[Waiting], reading: Reading, now: float) -> Plan:
    """The plan for rows in the order in which they came. Raises the errors of reading the audits."""
    made, ticket = Plan(), reading.ticket
    for waiting in rows:
        match decided := _decided_or_failed(waiting, ticket, reading, now):
            case UpdateRow():
                made.end(waiting, decided)
                if decided.lacks_files:
                    break  # It is not to be overtaken.
            case TicketCreate() | Replacement() if made.update:
                break  # It follows up what is closed, not what may be.
            case TicketCreate():
                made.follow_ups.append((waiting, decided))
            case Replacement():
                made.replacements.append((waiting, decided))
            case Send():
                if not made.take(waiting, decided, reading.ticket):
                    break
                if made.two_requests or not diff.foreseeable(decided.update, ticket):
                    break
                ticket = diff.applied_to(ticket, decided.update)
    return made


def caused_by(waiting: Waiting) -> int | None:
    """Who caused the event, if it says so."""
    try:
        return waiting.request.actor_id
    except PayloadRefused:
        return None


def earliest_moment(rows: Sequence[Waiting]) -> float:
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


def direct_stamp(waiting: Waiting, webhook_time: float) -> str | None:
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


type Decided = UpdateRow | TicketCreate | Replacement | Send


def _decided_or_failed(waiting: Waiting, ticket: Ticket, reading: Reading, now: float) -> Decided:
    try:
        return _decided(waiting, ticket, reading, now)
    except (MappingFailed, PayloadRefused) as error:
        return update_states.failed(waiting.row, error.code, error.sentence, now)


def _decided(waiting: Waiting, ticket: Ticket, reading: Reading, now: float) -> Decided:
    """What becomes of one row, on the `ticket` as it will be when its turn comes."""
    row, actor_id = waiting.row, waiting.request.actor_id
    closed = ticket.get("status") == "closed"
    markers = _markers(reading) if row.in_doubt else frozenset()
    if row.marker in markers:
        return update_states.applied(row, now)
    if (number := row.next_file(now)) is not None:
        return update_states.without_files(row, number, now)
    # A first request in doubt, if it has not landed, is forgotten: the whole update is decided again.
    if row.rest and (row.marker_of_first in markers or not row.in_doubt) and not closed:
        return Send(cast("Update", json.loads(row.rest)), row.rest)
    if row.of_event is not None:
        return _of_partner(waiting, ticket, now)
    if actor_id is not None and actor_id == reading.own:
        return update_states.skipped(row, now)
    decide = _on_closed if closed else _on_open
    return decide(waiting, ticket, reading, now)


def _of_partner(waiting: Waiting, ticket: Ticket, now: float) -> UpdateRow | Replacement | Send:
    """A partner's event is true whatever others have changed: it is decided on the ticket as it is."""
    match joined.decide(waiting.of_partner, ticket):
        case Skip(reason, sentence):
            return update_states.skipped(waiting.row, now, reason, sentence)
        case Replacement() as replacement:
            return replacement
        case wanted:
            update = diff.to_update(wanted, ticket)
            return Send(update) if update else update_states.applied(waiting.row, now)


def _on_open(waiting: Waiting, ticket: Ticket, reading: Reading, now: float) -> UpdateRow | Send:
    """What the policy, the condition and the changes make of it."""
    row, decider = waiting.row, waiting.request.decider
    since = waiting.since if ticket else None
    stale = since is not None and not timestamps.covers(since, reading.ticket["updated_at"])
    if stale and decider.on_conflict == "skip":
        return update_states.skipped(row, now, *update_states.TICKET_CHANGED)
    wanted = rules.decide(decider, ticket, waiting.event)
    if wanted is None:
        return update_states.skipped(row, now)
    update = diff.to_update(wanted, ticket)
    if not update:
        return update_states.applied(row, now)
    if since is not None and stale and decider.on_conflict == "merge":
        changed = conflicts.changed_since(reading.audits(), since, but=row.marker)
        disputed = conflicts.conflicting_fields(diff.fields(update, ticket), changed)
        if disputed:
            return update_states.conflict(row, disputed, now)
    return Send(update)


def _on_closed(waiting: Waiting, ticket: Ticket, _: Reading, now: float) -> UpdateRow | TicketCreate:
    """Nothing can be updated any more ("Creating a follow-up ticket")."""
    row, decider = waiting.row, waiting.request.decider
    if decider.on_closed == "fail":
        return update_states.failed(row, "ticket_closed", "The ticket is closed, and can no longer be updated.", now)
    wanted = rules.decide(decider, ticket, waiting.event)
    return update_states.skipped(row, now) if wanted is None else follow_up.follow_up(wanted, ticket)


def _markers(reading: Reading) -> frozenset[str]:
    """Whose updates have landed. The audits are read after the ticket: what landed between the two is newer than the
    stamp, and will conflict.
    """
    return frozenset[str]().union(*map(conflicts.markers_of, reading.audits()))
