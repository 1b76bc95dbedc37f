"""A Zendesk trigger's webhook becomes one safe update of its ticket: verified, claimed, and applied at once.

verify ─ claim ── won ──▶ safe_update ──▶ applied, skipped, conflict or failed; or it waits for the poller
           └─ lost: the winner's state
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ticket_relay import observability
from ticket_relay.errors import StaleRow, StoreUnavailable, WriteRefused
from ticket_relay.rate_limits.headers import UPDATES
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import update as update_states
from ticket_relay.states.backoff import jitter
from ticket_relay.states.waiting import deferred
from ticket_relay.storage.rows import UpdateRow, update_pk
from ticket_relay.storage.store import left_to_poller
from ticket_relay.update_ticket import own_user, safe_update
from ticket_relay.update_ticket.fresh_read import TicketReader
from ticket_relay.update_ticket.plan import Waiting
from ticket_relay.update_ticket.request import checked, read_request
from ticket_relay.webhooks.authenticate import authenticate
from ticket_relay.webhooks.payload import Request, check_size
from ticket_relay.webhooks.presets import PRESETS

SENDER = "zendesk"
LARGEST_WEBHOOK = 256 * 1024
"""Bytes: its row holds it. What a trigger sends is a few hundred."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What Zendesk is told. `state` is the row's, or `ignored` for what the relay caused itself."""

    state: str
    invocation_id: str
    ticket_id: int


def receive(services: Services, headers: Mapping[str, str], body: bytes, by: Deadline) -> Receipt:
    """Take one delivery: `headers` with lower-case names, the raw `body`; `by` is when Zendesk needs the answer.

    Raises Refused (nothing stored), and Unavailable (nothing decided: Zendesk repeats a 503 with `Retry-After` < 60 s).
    """
    incoming = Request(headers, body)
    secrets = partial(services.signing_secrets, SENDER)
    delivery, event = authenticate(PRESETS[SENDER], incoming, secrets, services.now())
    check_size(incoming.text, LARGEST_WEBHOOK)
    request = checked(read_request(event), event)
    if request.actor_id is not None and request.actor_id == own_user.known(services):
        observability.count("UpdateOwnActor")
        return Receipt("ignored", delivery.id, request.ticket_id)

    # The invocation id is not signed: what was captured, and comes again under another one, finds the row of the first.
    pk = update_pk(request.ticket_id, delivery.id)
    pk = services.store.first_sight(delivery.replay_key or pk, pk, services.now(), until=delivery.replayable_until)
    with services.gate.permit(by, UPDATES, ticket_id=request.ticket_id, alone=True) as permit:
        closed_until = permit.closed_until
        row = update_states.claimed(
            pk, request.ticket_id, delivery.id, incoming.text, services.now(), closed_until=closed_until
        )
        winner = services.store.claim(row)
        if winner:
            observability.count("UpdateDuplicate")
            return Receipt(winner.state, delivery.id, request.ticket_id)
        if closed_until is not None:
            return Receipt(row.state, delivery.id, request.ticket_id)
        waiting = Waiting(row)
        # The update that a webhook tells of is older than its signature, so that this wait makes one read enough.
        reader = TicketReader(services, not_before=row.created_at + 1, clock_offset=delivery.timestamp - row.created_at)
        try:
            safe_update.apply(services, [waiting], permit, reader, delivery.timestamp)
        except (StaleRow, StoreUnavailable, WriteRefused) as error:
            left_to_poller(row, error)
        return Receipt(waiting.row.state, delivery.id, request.ticket_id)


def resume(services: Services, rows: Sequence[UpdateRow], by: Deadline) -> bool:
    """Go on with accepted rows of one ticket that are due, in the order in which they came, as far as one request goes;
    whether one was sent. Raises StaleRow and StoreUnavailable: leases then end by themselves.
    """
    rows = [row.after_lease() for row in rows]
    with services.gate.permit(by, UPDATES, ticket_id=rows[0].ticket_id) as permit:
        if permit.closed_until is not None:
            until = permit.closed_until + jitter(2.0)  # one time for all: they are to stay together
            for row in rows:
                services.store.move(row, deferred(row, services.now(), until))
            return False
        reader = TicketReader(services, not_before=max(row.created_at for row in rows) + 1)
        return safe_update.apply(services, [Waiting(row) for row in rows], permit, reader)


def in_order(rows: Iterable[UpdateRow]) -> list[UpdateRow]:
    """The order in which they came. Zendesk promises none, and no number tells; within an instant the key decides."""
    return sorted(rows, key=lambda row: (row.created_at, row.pk))
