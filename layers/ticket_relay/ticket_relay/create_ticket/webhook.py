"""A partner's event becomes a ticket request: verified, mapped, claimed, then submitted.

    verify ─ map ─ claim ── won ──▶ submit ──▶ 202 with the state it reached
                     └──── lost ─────────────▶ 202 with the winner's state

From the claim on the row is durable, so the answer is 202 whatever Zendesk, or the table, does next.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ticket_relay import observability
from ticket_relay.create_ticket import mapping, submit
from ticket_relay.create_ticket.mapping import Mapped
from ticket_relay.definitions import loader
from ticket_relay.errors import MappingFailed, StaleRow, StoreUnavailable, WriteRefused
from ticket_relay.rate_limits.headers import CREATE
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.events import NOWHERE, UNMAPPED, Events, Kept
from ticket_relay.storage.rows import TicketRow, TicketState, body_digest, correlation_pk, external_id, ticket_pk
from ticket_relay.storage.store import left_to_poller
from ticket_relay.webhooks.authenticate import authenticate
from ticket_relay.webhooks.payload import Request

type Make = Callable[[float, float | None], TicketRow]
"""A new row: leased now, or due at another time."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the partner is told. `state` is the row's, or `ignored` where the definition does not want the event.

    Of a delivery that was split, `events` are the receipts of its events. `first_in_line` is the row of an event that
    may join its ticket at once (update_ticket/at_once.py).
    """

    state: str
    event_id: str
    ticket_id: int | None = None
    challenge: str | None = None
    """What a sender that only tries the address out wants back."""
    events: tuple["Receipt", ...] = ()
    first_in_line: TicketRow | None = None

    @property
    def may_join(self) -> bool:
        return self.first_in_line is not None or any(event.may_join for event in self.events)

    @property
    def told(self) -> dict[str, Any]:
        """As JSON: `docs/openapi.yaml` has its schemas."""
        if self.challenge is not None:
            return {"challenge": self.challenge}
        told: dict[str, Any] = {"state": self.state, "id": self.event_id}
        if self.ticket_id is not None:
            told["ticket_id"] = self.ticket_id
        if self.events:
            told["events"] = [event.told for event in self.events]
        return told


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
    if definition.split is not None:
        from ticket_relay.create_ticket import split  # noqa: PLC0415 - most partners split nothing

        return split.receive(services, definition, event, delivery, body=request.text, by=by)
    try:
        mapped = mapping.map_event(definition, *mapping.events_of(definition, event, delivery))
        if mapped is None:
            observability.ignored(partner, by_partner=services.settings.metrics_by_partner)
            return Receipt("ignored", delivery.id)
        kept = services.events.keep(partner, request.text) if services.settings.keep_events else NOWHERE
        make = maker(services.events, partner, mapped, kept, body_digest(request.text))
    except MappingFailed as error:
        return keep_unmapped(services, partner, delivery.id, request.text, error)
    return take(services, mapped, make, by)


def maker(events: Events, partner: str, mapped: Mapped, kept: Kept, digest: bytes | None) -> Make:
    """Makes the row of an event, whose raw event is `kept`. Raises MappingFailed if it would be too large, and
    StoreUnavailable.
    """
    request, changes = mapping.written(mapped, external_id(partner, mapped.event_id), partial(events.put, partner))

    def make(now: float, closed_until: float | None) -> TicketRow:
        row = ticket_states.claimed(
            partner,
            mapped.event_id,
            request,
            now,
            closed_until=closed_until,
            digest=digest,
            kept=kept,
            files=mapped.files,
        )
        if mapped.correlate is None or mapped.joining is None:
            return row
        return ticket_states.about(row, correlation_pk(partner, mapped.correlate), mapped.joining, changes)

    return make


def take(services: Services, mapped: Mapped, make: Make, by: Deadline) -> Receipt:
    """Claim the row of an event, and send it. Raises StoreUnavailable: the sender's retry is safe."""
    if mapped.correlate is not None:
        from ticket_relay.create_ticket import correlated  # noqa: PLC0415 - most events are about nothing else

        return correlated.take(services, make, by)
    with services.gate.permit(by, CREATE, alone=True) as permit:
        row = make(services.now(), permit.closed_until)
        winner = claim(services, row)
        # Whoever brings files is left to the poller: a server that takes its time must not use up the partner's.
        if winner or row.leased_at is None:
            return receipt(winner or row)
        try:
            return receipt(submit.send(services, row, permit))
        except (StaleRow, StoreUnavailable, WriteRefused) as error:
            left_to_poller(row, error)
            return receipt(row)


def keep_unmapped(services: Services, partner: str, id: str, body: bytes, error: MappingFailed) -> Receipt:
    """Claim the row of an authentic event that a person must look at."""
    kept, keep = services.events.keep(partner, body, folder=UNMAPPED), services.settings.keep_events
    row = ticket_states.unmapped(partner, id, kept, error, services.now(), digest=body_digest(body), keep=keep)
    return receipt(claim(services, row) or row)


def claim(services: Services, row: TicketRow) -> TicketRow | None:
    """The row that was there already, whose duplicate this delivery is; None to the one who claimed it."""
    winner = services.store.claim(row)
    if winner:
        observability.count("EventDuplicate")
        if None not in {winner.body_digest, row.body_digest} and winner.body_digest != row.body_digest:
            # An id stands for one event, so the answer is right. But a partner that uses ids twice loses events.
            observability.count("EventDiffers")
            observability.logger().warning("event differs", extra={"pk": row.pk})
    return winner


def receipt(row: TicketRow) -> Receipt:
    """What the partner is told of a row, now and when it asks again."""
    promised = row.state in {TicketState.SUBMITTED, TicketState.CREATED, TicketState.JOINED}
    return Receipt(row.state, row.event_id, row.ticket_id if promised else None)
