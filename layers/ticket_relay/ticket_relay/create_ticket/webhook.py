"""A partner's event becomes a ticket request: verified, mapped, claimed, then submitted.

    verify ─ map ─ claim ── won ──▶ submit ──▶ 202 with the state it reached
                     └──── lost ─────────────▶ 202 with the winner's state

From the claim on the row is durable, so the answer is 202 whatever Zendesk, or the table, does next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from ticket_relay import observability
from ticket_relay.create_ticket import mapping, submit
from ticket_relay.definitions import loader
from ticket_relay.errors import MappingFailed, StaleRow, StoreUnavailable, WriteRefused
from ticket_relay.rate_limits.headers import CREATE
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import TicketRow, TicketState, body_digest, external_id, ticket_pk
from ticket_relay.storage.store import left_to_poller
from ticket_relay.webhooks.authenticate import authenticate
from ticket_relay.webhooks.payload import Request
from ticket_relay.zendesk.ticket_models import to_request


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the partner is told. `state` is the row's, or `ignored` where the definition does not want the event."""

    state: str
    event_id: str
    ticket_id: int | None = None
    challenge: str | None = None
    """What a sender that only tries the address out wants back."""


def receive(services: Services, partner: str, headers: Mapping[str, str], body: bytes, by: Deadline) -> Receipt:
    """Take one delivery: `headers` with lower-case names, the raw `body`; `by` is when the partner needs the answer.

    Raises Refused (nothing stored), and Unavailable (nothing decided: the sender's retry is safe).
    """
    definition = loader.partner(partner)
    request = Request(headers, body)
    secrets = partial(services.signing_secrets, partner)
    delivery, event = authenticate(definition.signature, request, secrets, services.now())
    probe = definition.signature.probe
    if probe and probe.fits(event):
        observability.count("EventIgnored")
        return Receipt("ignored", delivery.id, challenge=probe.answer(event))
    if delivery.replay_key:
        # The id is not signed: what was captured, and comes again under another one, is the event that came first.
        pk = services.store.first_sight(
            f"{partner}#{delivery.replay_key}",
            ticket_pk(partner, delivery.id),
            services.now(),
            until=delivery.replayable_until,
        )
        delivery = replace(delivery, id=pk.removeprefix(ticket_pk(partner, "")))
    try:
        ticket = mapping.map_event(definition, event, delivery)
        if ticket is None:
            observability.count("EventIgnored")
            return Receipt("ignored", delivery.id)
        create = to_request(ticket, external_id(partner, delivery.id))
    except MappingFailed as error:
        row = ticket_states.unmapped(partner, delivery.id, request.text, error, services.now())
        return receipt(_claimed(services, row) or row)

    with services.gate.permit(by, CREATE, alone=True) as permit:
        row = ticket_states.claimed(
            partner,
            delivery.id,
            create,
            services.now(),
            closed_until=permit.closed_until,
            digest=body_digest(request.text),
        )
        winner = _claimed(services, row)
        if winner or permit.closed_until is not None:
            return receipt(winner or row)
        try:
            return receipt(submit.send(services, row, permit))
        except (StaleRow, StoreUnavailable, WriteRefused) as error:
            left_to_poller(row, error)
            return receipt(row)


def _claimed(services: Services, row: TicketRow) -> TicketRow | None:
    """The row that was there already, whose duplicate this delivery is; None to the one who claimed it."""
    winner = services.store.claim(row)
    if winner:
        observability.count("EventDuplicate")
        if winner.body_digest not in {None, row.body_digest}:
            # An id stands for one event, so the answer is right. But a partner that uses ids twice loses events.
            observability.count("EventDiffers")
            observability.logger().warning("event differs", extra={"pk": row.pk})
    return winner


def receipt(row: TicketRow) -> Receipt:
    """What the partner is told of a row, now and when it asks again."""
    promised = row.state in {TicketState.SUBMITTED, TicketState.CREATED}
    return Receipt(row.state, row.event_id, row.ticket_id if promised else None)
