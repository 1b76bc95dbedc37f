"""A Zendesk trigger's webhook becomes one safe update of its ticket: verified, claimed, decided, and sent with a stamp.

    verify ─ claim ── won ──▶ decide on the fresh ticket ──▶ PUT with safe_update ── 200 ──▶ applied
               │                       ▲                          │
               └─ lost: 202            └──── 409 UpdateConflict ──┘   bounded; then the poller goes on

What an update is decided on and what it lands on are the same ticket: the stamp sees to that ("Protecting against
ticket update
collisions"). A PUT is not idempotent; one whose answer was lost is recognised by the marker that it left in the
ticket's audits.
"""

import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ticket_relay import identity, observability, payload, rules, signatures, stamp, update_states
from ticket_relay.errors import Conflict, MappingFailed, RowMoved, StoreUnavailable, ZendeskError
from ticket_relay.gate import Passage
from ticket_relay.relay import Relay
from ticket_relay.rows import UpdateRow
from ticket_relay.update_request import checked, read_request
from ticket_relay.zendesk.client import Shown, Ticket
from ticket_relay.zendesk.transport import Deadline

SENDER = "zendesk"
MARKER = "ticket_relay"
ROUNDS = 3
"""Decisions by one worker; after that the row waits for the poller."""
LEAST_TIME = 1.0
"""Seconds below which another round is left to the poller."""
CLOCK_TROUBLE = 5.0
"""A ticket that is so many seconds ahead of the server's own clock was stamped by another clock."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What Zendesk is told. `state` is the row's, or `ignored` for what the relay caused itself."""

    state: str
    invocation_id: str
    ticket_id: int


def receive(relay: Relay, headers: Mapping[str, str], body: bytes, by: Deadline) -> Receipt:
    """Take one delivery: `headers` with lower-case names, the raw `body`; `by` is when Zendesk needs the answer.

    Raises Refused (nothing stored), and Unavailable (nothing decided). Zendesk repeats a 503 only if `Retry-After` is
    below 60 s.
    """
    payload.check_size(body)
    arn = relay.settings.signing_secrets_arn
    secrets = relay.secrets.signing(arn, SENDER) if arn else []
    delivery = signatures.verify(SENDER, headers=headers, body=body, secrets=secrets, now=relay.now())
    event = payload.parse(body, headers.get("content-type"))
    request = checked(read_request(event), event)
    if identity.is_own(relay, request.actor_id, by):
        observability.count("UpdateOwnActor")
        return Receipt("ignored", delivery.id, request.ticket_id)

    row = update_states.claimed(request.ticket_id, delivery.id, body, relay.now())
    # The invocation id is not signed: what was captured could be sent again under another one.
    first = relay.store.first_sight(delivery.replay_key or row.pk, row.pk, relay.now())
    winner = relay.store.claim(row) if first == row.pk else relay.store.get(first)
    if first != row.pk or winner:
        observability.count("UpdateDuplicate")
        return Receipt(winner.state if winner else row.state, delivery.id, request.ticket_id)
    observability.moved(row)
    try:
        passage = relay.gate.passage(relay.now())
        if passage.closed_until is not None:
            row = relay.move(row, update_states.postponed(row, relay.now(), passage.closed_until))
        else:
            row = _drive(relay, row, passage, by, sent_before=None, signed_at=delivery.timestamp)
    except (RowMoved, StoreUnavailable) as error:
        # The claim stands. When the lease ends, the poller finds the row doubtful and goes on.
        observability.count("ClaimLeftToPoller")
        observability.logger().warning("left to the poller", extra={"pk": row.pk, "reason": error.code})
    return Receipt(row.state, delivery.id, request.ticket_id)


def resume(relay: Relay, row: UpdateRow, by: Deadline) -> UpdateRow:
    """Go on with an accepted row that is due. Raises RowMoved and StoreUnavailable: the lease then ends by itself."""
    passage = relay.gate.passage(relay.now())
    if passage.closed_until is not None:
        return relay.move(row, update_states.postponed(row, relay.now(), passage.closed_until))
    sent_before = row.sent_at
    row = relay.move(row, update_states.held(row, relay.now()))
    return _drive(relay, row, passage, by, sent_before=sent_before, signed_at=row.created_at)


def _drive(
    relay: Relay, row: UpdateRow, passage: Passage, by: Deadline, *, sent_before: float | None, signed_at: float
) -> UpdateRow:
    """Decide and send a held row, again after each conflict, and move it by what comes of it."""
    conflicts = row.conflicts
    for number in range(1, ROUNDS + 1):
        try:
            new = _decide_and_send(
                relay, row, by, doubtful=sent_before is not None, again=conflicts > 0, signed_at=signed_at
            )
        except MappingFailed as error:
            new = update_states.failed(row, error.code, error.sentence, relay.now())
        except ZendeskError as error:
            conflicts += isinstance(error, Conflict)
            if isinstance(error, Conflict) and number < ROUNDS and by.left > LEAST_TIME:
                observability.count("UpdateConflicted")
                time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - so that two who collided do not collide again
                continue
            relay.heed(error, passage)
            new = update_states.not_applied(row, error, relay.now(), conflicts=conflicts, sent_before=sent_before)
        else:
            relay.gate.went_well(passage)
        break
    return relay.move(row, new)


def _decide_and_send(
    relay: Relay, row: UpdateRow, by: Deadline, *, doubtful: bool, again: bool, signed_at: float
) -> UpdateRow:
    """One round. Raises Conflict where the ticket is no longer the one that was decided on."""
    event = json.loads(row.event)
    request = read_request(event)
    decider = request.decider
    known = stamp.parse(request.updated_at)
    ticket: Ticket = {}
    if doubtful or again or known is None or not known.precise or rules.needs_ticket(decider):
        shown = _read(relay, row.ticket_id, by, signed_at)
        if shown is None:
            return update_states.failed(row, "ticket_not_found", "Zendesk has no such ticket.", relay.now())
        # After the ticket, not before: what lands between the two looks is newer than the stamp, and conflicts.
        if doubtful and _landed(relay, row, by):
            return update_states.applied(row, relay.now())
        ticket = shown.ticket
        updated_stamp = ticket["updated_at"]
    else:
        updated_stamp = stamp.exact(known)
    changes = rules.decide(decider, ticket, event)
    if changes is None:
        return update_states.skipped(row, relay.now())
    update = rules.to_update(changes, ticket)
    if not update:
        return update_states.applied(row, relay.now())
    relay.zendesk.update_ticket(row.ticket_id, _safe(update, updated_stamp, row.marker), by)
    return update_states.applied(row, relay.now())


def _safe(update: Mapping[str, Any], updated_stamp: str, marker: str) -> bytes:
    """`safe_update` is true or absent: false means true, too (Tickets reference)."""
    metadata = {**update.get("metadata", {}), MARKER: marker}
    ticket = {**update, "metadata": metadata, "safe_update": True, "updated_stamp": updated_stamp}
    return json.dumps({"ticket": ticket}, sort_keys=True, separators=(",", ":")).encode()


def _read(relay: Relay, ticket_id: int, by: Deadline, signed_at: float) -> Shown | None:
    """The ticket, read when the second of its last update was over.

    Stamps have whole seconds: a change made later within that same second would leave `updated_at` as it is, and the
    stamp could not
    tell. The webhook was signed after the update it tells of, so the wait is mostly over before the first look.
    """
    _sleep_until(int(signed_at) + 1, relay)
    for _ in range(ROUNDS):
        shown = relay.zendesk.show_ticket(ticket_id, by)
        if shown is None:
            return None
        updated = stamp.parse(shown.ticket.get("updated_at"))
        age = (shown.at or relay.now()) - (updated.instant.timestamp() if updated else 0)
        if age >= 1 or age < -CLOCK_TROUBLE:
            return shown
        if by.left < LEAST_TIME:
            break
        _sleep_until(int(relay.now()) + 1, relay)
    raise Conflict(409, "ticket_unsettled", "The ticket was being changed while it was read.")


def _sleep_until(moment: float, relay: Relay) -> None:
    time.sleep(min(max(moment - relay.now(), 0.0), 1.0))


def _landed(relay: Relay, row: UpdateRow, by: Deadline) -> bool:
    """Whether an earlier PUT of this row, whose answer was lost, had its effect."""
    return any(
        ((audit.get("metadata") or {}).get("custom") or {}).get(MARKER) == row.marker
        for audit in relay.zendesk.audits(row.ticket_id, by)
    )
