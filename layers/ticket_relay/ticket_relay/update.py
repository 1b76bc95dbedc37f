"""A Zendesk trigger's webhook becomes one safe update of its ticket: verified, claimed, decided, and sent with a stamp.

    verify ─ claim ── won ──▶ decide on the fresh ticket ──▶ PUT with safe_update ── 200 ──▶ applied
               │                       ▲                          │
               └─ lost: 202            └──── 409 UpdateConflict ──┘   bounded; then the poller goes on

What an update is decided on and what it lands on are the same ticket: the stamp sees to that ("Protecting against
ticket update collisions"). A PUT is not idempotent; one whose answer was lost is recognised by the marker that it left
in the ticket's audits.
"""

import json
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ticket_relay import identity, observability, payload, rules, signatures, stamp, update_states
from ticket_relay.errors import (
    Conflict,
    MappingFailed,
    PayloadRefused,
    Rejected,
    RowMoved,
    StoreUnavailable,
    Uncertain,
    ZendeskError,
)
from ticket_relay.gate import Passage
from ticket_relay.relay import Relay
from ticket_relay.rows import UpdateRow, update_pk
from ticket_relay.update_request import checked, read_request
from ticket_relay.zendesk.client import Ticket
from ticket_relay.zendesk.tickets import MARKER
from ticket_relay.zendesk.transport import Deadline

SENDER = "zendesk"
ROUNDS = 3
"""Decisions by one worker; after that the row waits for the poller."""
LEAST_TIME = 1.0
"""Seconds below which another round is left to the poller."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What Zendesk is told. `state` is the row's, or `ignored` for what the relay caused itself."""

    state: str
    invocation_id: str
    ticket_id: int


def receive(relay: Relay, headers: Mapping[str, str], body: bytes, by: Deadline) -> Receipt:
    """Take one delivery: `headers` with lower-case names, the raw `body`; `by` is when Zendesk needs the answer.

    Raises Refused (nothing stored), and Unavailable (nothing decided: Zendesk repeats a 503 with `Retry-After` < 60 s).
    """
    payload.check_size(body)
    arn = relay.settings.signing_secrets_arn
    secrets = relay.secrets.signing(arn, SENDER) if arn else []
    delivery = signatures.verify(SENDER, headers=headers, body=body, secrets=secrets, now=relay.now())
    event = payload.parse(body, headers.get("content-type"))
    request = checked(read_request(event), event)
    if request.actor_id is not None and request.actor_id == identity.known(relay):
        observability.count("UpdateOwnActor")
        return Receipt("ignored", delivery.id, request.ticket_id)

    # The invocation id is not signed: what was captured, and comes again under another one, finds the row of the first.
    pk = update_pk(request.ticket_id, delivery.id)
    pk = relay.store.first_sight(delivery.replay_key or pk, pk, relay.now())
    with relay.gate.asking(relay.now) as passage:
        row = update_states.claimed(
            pk, request.ticket_id, delivery.id, body, relay.now(), closed_until=passage.closed_until
        )
        winner = relay.store.claim(row)
        if winner:
            observability.count("UpdateDuplicate")
            return Receipt(winner.state, delivery.id, request.ticket_id)
        observability.moved(row)
        if passage.closed_until is not None:
            return Receipt(row.state, delivery.id, request.ticket_id)
        try:
            ahead = delivery.timestamp - row.created_at
            row = _drive(relay, row, passage, by, sent_before=None, ahead=ahead)
        except (RowMoved, StoreUnavailable) as error:
            observability.left_to_poller(row, error)
        return Receipt(row.state, delivery.id, request.ticket_id)


def resume(relay: Relay, row: UpdateRow, by: Deadline) -> UpdateRow:
    """Go on with an accepted row that is due. Raises RowMoved and StoreUnavailable: the lease then ends by itself."""
    with relay.gate.asking(relay.now) as passage:
        if passage.closed_until is not None:
            return relay.move(row, update_states.postponed(row, relay.now(), passage.closed_until))
        sent_before = row.sent_at
        row = relay.move(row, update_states.held(row, relay.now()))
        return _drive(relay, row, passage, by, sent_before=sent_before, ahead=-math.inf)


def _drive(
    relay: Relay, row: UpdateRow, passage: Passage, by: Deadline, *, sent_before: float | None, ahead: float
) -> UpdateRow:
    """Decide and send a held row, again after each conflict, and move it by what comes of it.

    `ahead` is by how many seconds, at least, Zendesk's clock is ahead of ours; negative where it may be behind.
    """
    conflicts = row.conflicts
    for number in range(1, ROUNDS + 1):
        try:
            new = _decide_and_send(relay, row, by, doubtful=sent_before is not None, again=conflicts > 0, ahead=ahead)
        except (MappingFailed, PayloadRefused) as error:
            new = update_states.failed(row, error.code, error.sentence, relay.now())
        except ZendeskError as error:
            conflicts += isinstance(error, Conflict)
            if isinstance(error, Conflict) and number < ROUNDS and by.left > LEAST_TIME:
                observability.count("UpdateConflicted")
                relay.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - so that two who collided do not collide again
                continue
            relay.heed(error, passage)
            new = update_states.not_applied(row, error, relay.now(), conflicts=conflicts, sent_before=sent_before)
        else:
            # First of all the outcome is written down: a row that does not know of it is doubtful.
            row = relay.move(row, new)
            relay.gate.went_well(passage)
            return row
        break
    return relay.move(row, new)


def _decide_and_send(
    relay: Relay, row: UpdateRow, by: Deadline, *, doubtful: bool, again: bool, ahead: float
) -> UpdateRow:
    """One round. Raises Conflict where the ticket is no longer the one that was decided on."""
    event = payload.parse(row.event or b"", None)
    request = read_request(event)
    decider = request.decider
    own = identity.known(relay) if request.actor_id is not None else None
    if request.actor_id is not None and (own := own or identity.learned(relay, by)) == request.actor_id:
        return update_states.skipped(row, relay.now())
    since = stamp.parse(request.updated_at)
    ticket: Ticket = {}
    if doubtful or again or since is None or not since.precise or rules.needs_ticket(decider):
        fresh = _read(relay, row, by, ahead)
        if fresh is None:
            return update_states.not_found(row, relay.now())
        # After the ticket, not before: what lands between the two looks is newer than the stamp, and conflicts.
        if doubtful and _landed(relay, row, by):
            return update_states.applied(row, relay.now())
        ticket = fresh
        updated_stamp = ticket["updated_at"]
    else:
        updated_stamp = stamp.exact(since)
    changes = rules.decide(decider, ticket, event)
    if changes is None:
        return update_states.skipped(row, relay.now())
    update = rules.to_update(changes, ticket)
    if not update:
        return update_states.applied(row, relay.now())
    author_id = relay.zendesk.update_ticket(row.ticket_id, _safe(update, updated_stamp, row.marker), by)
    if own is None and author_id is not None:
        identity.remember(relay, author_id)
    return update_states.applied(row, relay.now())


def _safe(update: Mapping[str, Any], updated_stamp: str, marker: str) -> bytes:
    """`safe_update` is true or absent: false means true, too (Tickets reference)."""
    metadata = {**update.get("metadata", {}), MARKER: marker}
    ticket = {**update, "metadata": metadata, "safe_update": True, "updated_stamp": updated_stamp}
    return json.dumps({"ticket": ticket}, sort_keys=True, separators=(",", ":")).encode()


def _read(relay: Relay, row: UpdateRow, by: Deadline, ahead: float) -> Ticket | None:
    """The ticket, read when the second of its last update was over by Zendesk's own clock.

    Stamps have whole seconds: a change made later within that second would leave `updated_at` as it is, and the stamp
    could not tell. Of our clock only durations are used: Zendesk's has at least reached the times that it told us.
    """
    # The update that a webhook tells of is older than its signature, so that this wait makes one look enough.
    _sleep_until(row.created_at + 1, relay)
    for _ in range(ROUNDS):
        asked = relay.now()
        shown = relay.zendesk.show_ticket(row.ticket_id, by)
        if shown is None:
            return None
        updated = stamp.parse(shown.ticket.get("updated_at"))
        if updated is None:
            raise Uncertain("zendesk_answer_unreadable", "Zendesk's ticket does not say when it was updated.")
        second = updated.instant.timestamp()
        ahead = max(ahead, second - relay.now(), (shown.at or second) - relay.now())
        over = second + 1 - ahead
        if asked >= over:
            return shown.ticket
        if by.left < over - relay.now() + LEAST_TIME:
            break
        _sleep_until(over, relay)
    raise Conflict(409, "ticket_unsettled", "The ticket was being changed while it was read.")


def _sleep_until(moment: float, relay: Relay) -> None:
    if (left := moment - relay.now()) > 0:
        # Never longer than a second, whatever another worker's clock wrote; and rounding must not cost another look.
        relay.sleep(min(left, 1.0) + 0.01)


def _landed(relay: Relay, row: UpdateRow, by: Deadline) -> bool:
    """Whether an earlier PUT of this row, whose answer was lost, had its effect."""
    try:
        return any(
            ((audit.get("metadata") or {}).get("custom") or {}).get(MARKER) == row.marker
            for audit in relay.zendesk.audits(row.ticket_id, by)
        )
    except Rejected as error:
        # A refused look says nothing about the update: as doubtful as before.
        raise Uncertain("look_up_refused", f"Zendesk refused the look at the audits: {error.code}.") from None
