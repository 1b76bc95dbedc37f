"""A delivery of several events: each has a row of its own, and all are durable before the answer.

Of many, none is sent at once: the poller does that, in batches. If the definition does not fit one of the events, the
delivery itself is kept as `unmapped` beside the rows of the others. Redriven, it is split again, and the events that
have their rows are recognised by their ids.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ticket_relay import observability
from ticket_relay.create_ticket import mapping
from ticket_relay.create_ticket.correlated import place
from ticket_relay.create_ticket.mapping import Event, Mapped
from ticket_relay.create_ticket.webhook import Make, Receipt, claim, keep_unmapped, maker, receipt, take
from ticket_relay.definitions.budget import MAX_SECONDS
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.errors import MappingFailed
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.storage.events import NOWHERE, Kept
from ticket_relay.storage.rows import TicketRow
from ticket_relay.webhooks.signatures import Delivery

IGNORED, SPLIT = "ignored", "split"


def receive(
    services: Services,
    definition: PartnerDefinition,
    event: dict[str, Any],
    delivery: Delivery,
    *,
    body: bytes,
    by: Deadline,
) -> Receipt:
    """Take a delivery that is authentic. The receipt names its events; its state is `split`, `ignored` if none of them
    is wanted, or that of the delivery's own row.

    Raises StoreUnavailable: the sender's retry is safe.
    """
    try:
        events = mapping.events_of(definition, event, delivery)
    except MappingFailed as error:
        return keep_unmapped(services, definition.partner, delivery.id, body, error)
    made, failures = _made(services, definition, events, _kept(services, definition, events, delivery, body))
    receipts = tuple(_receipts(services, definition.partner, made, by))
    if failures:
        unmapped = keep_unmapped(services, definition.partner, delivery.id, body, failures[0])
        return Receipt(unmapped.state, delivery.id, events=receipts)
    wanted = any(each.state != IGNORED for each in receipts)
    return Receipt(SPLIT if wanted else IGNORED, delivery.id, events=receipts)


def take_again(
    services: Services, definition: PartnerDefinition, event: dict[str, Any], delivery: Delivery, *, body: bytes
) -> None:
    """Split a redriven delivery: rows for those of its events that have none.

    Raises MappingFailed if the definition still does not fit one of them, and StoreUnavailable: safe to repeat.
    """
    events = mapping.events_of(definition, event, delivery)
    made, failures = _made(services, definition, events, _kept(services, definition, events, delivery, body))
    for each in made:
        if each.make is not None:
            _keep(services, each.make)
    if failures:
        raise failures[0]


def _kept(
    services: Services, definition: PartnerDefinition, events: Sequence[Event], delivery: Delivery, body: bytes
) -> Kept:
    """Where the delivery is, which is kept once for all its events: they are mapped again with the whole of it."""
    if not (events and services.settings.keep_events):
        return NOWHERE
    return services.events.keep_delivery(definition.partner, delivery.id, body, services.now())


@dataclass(frozen=True, slots=True)
class _Made:
    """An event of a delivery; `make` makes its row, if the definition wants it."""

    id: str
    mapped: Mapped | None = None
    make: Make | None = None


def _made(
    services: Services, definition: PartnerDefinition, events: Sequence[Event], kept: Kept
) -> tuple[list[_Made], list[MappingFailed]]:
    """The events that the definition fits, in their order, and what is wrong with the others. `kept` tells where
    their delivery is.
    """
    until = time.monotonic() + MAX_SECONDS
    made, failures = [], []
    for number, event in enumerate(events, start=1):
        try:
            if time.monotonic() > until:
                raise mapping.too_slow()
            mapped = mapping.map_event(definition, event)
            # Events that are the same may look different in two deliveries, so no digest tells them apart.
            make = maker(services.events, definition.partner, mapped, kept, None) if mapped else None
            made.append(_Made(event.id, mapped, make))
        except MappingFailed as error:
            failures.append(MappingFailed(error.code, f"item {number}: {error.sentence}"))
    return made, failures


def _receipts(services: Services, partner: str, made: Sequence[_Made], by: Deadline) -> Iterator[Receipt]:
    for each in made:
        if each.mapped is None or each.make is None:
            observability.ignored(partner, by_partner=services.settings.metrics_by_partner)
            yield Receipt(IGNORED, each.id)
        elif len(made) == 1:
            yield take(services, each.mapped, each.make, by)
        else:
            yield receipt(_keep(services, each.make))


def _keep(services: Services, make: Make) -> TicketRow:
    """The row of one of many, for the poller to send at once."""
    row = make(services.now(), services.now())
    return place(services, row)[0] if row.in_line else claim(services, row) or row
