"""From a partner's delivery to its events, and from an event to what it becomes: pure functions of the definition."""

import hashlib
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ticket_relay.create_ticket.contents import PutAside, put_aside, put_back, taken_out
from ticket_relay.definitions import templates
from ticket_relay.definitions.budget import MAX_SECONDS
from ticket_relay.definitions.models import Case, PartnerDefinition
from ticket_relay.errors import MappingFailed
from ticket_relay.storage.parts import Joining
from ticket_relay.webhooks.signatures import Delivery
from ticket_relay.zendesk.request_body import encoded
from ticket_relay.zendesk.ticket_models import MAX_REQUEST, EventChanges, TicketCreate, to_request

MOST_EVENTS = 100
"""In one delivery: all their rows are written before it is answered."""
LONGEST_ID = 256
_VISIBLE = re.compile(r"[!-~]+")
_WHOLE = re.compile(r"\s*\$\{(.*)\}\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a delivery: its id, and what the templates see; the contents of files only by their names."""

    id: str
    context: dict[str, Any]
    contents: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Mapped:
    """What an event becomes: the case that fitted (its number), a ticket of its own or the changes of another's.

    `correlate` names what it is about; None where it is about nothing that other events are about.
    """

    event_id: str
    case: int
    ticket: TicketCreate | None
    changes: EventChanges | None = None
    correlate: str | None = None
    joining: Joining | None = None

    @property
    def files(self) -> int:
        """How many files its own ticket has."""
        return len((self.ticket and self.ticket.comment and self.ticket.comment.attachments) or ())


def events_of(definition: PartnerDefinition, event: dict[str, Any], delivery: Delivery) -> list[Event]:
    """The events in a delivery, at most MOST_EVENTS: one with the delivery's id, unless the definition splits it.

    Raises MappingFailed: `split_failed` if there is no list to split, or an item of it has no id.
    """
    contents: dict[str, str] = {}
    if definition.attachments is not None:
        event = taken_out(event, contents)
    context = _context(event, delivery)
    if definition.split is None:
        return [Event(delivery.id, context, contents)]
    items = templates.render(_evaluated(definition.split), context, name="split")
    if not isinstance(items, list):
        raise MappingFailed("split_failed", "split: is not a list.")
    if len(items) > MOST_EVENTS:
        raise MappingFailed("split_failed", f"split: has more than {MOST_EVENTS} items.")
    of_items = [context | {"item": item} for item in items]
    ids = [_text(templates.render(definition.id, each, name="id")) for each in of_items]
    if None in ids:
        raise MappingFailed("split_failed", f"id: of item {ids.index(None) + 1} is neither a text nor a number.")
    if delivery.id in ids:
        # That row is the delivery's: kept while unmapped, it would be taken for the event's, which would be lost.
        raise MappingFailed("split_failed", "id: is that of the delivery itself.")
    return [Event(_safe(id), each, contents) for id, each in zip(ids, of_items, strict=True) if id is not None]


def event_of(definition: PartnerDefinition, event: dict[str, Any], delivery: Delivery, id: str) -> Event:
    """The event of this id in a delivery. Raises MappingFailed, also if there is none (`event_missing`)."""
    for each in events_of(definition, event, delivery):
        if each.id == id:
            return each
    raise MappingFailed("event_missing", "id: no event of the delivery has the id of this row.")


def map_event(definition: PartnerDefinition, event: Event) -> Mapped | None:
    """What the event becomes; None if no case fits it, or the one that does ignores it.

    Raises MappingFailed: `mapping_failed` if the definition does not fit the event, `ticket_invalid` or
    `changes_invalid` if the outcome is not a ticket or changes, `correlate_missing` if an update is about nothing. The
    sentence names the place and holds no value of the event.
    """
    number = fitting(definition, event)
    if number is None or definition.cases[number].do == "ignore":
        return None
    return _mapped(definition, definition.cases[number], number, _place(definition, number), event)


def fitting(definition: PartnerDefinition, event: Event) -> int | None:
    """The number of the first case that fits the event. Raises MappingFailed where a condition cannot be read."""
    for number, case in enumerate(definition.cases):
        name = f"{_place(definition, number)}when"
        if case.when is None or templates.render({"$eval": case.when}, event.context, name=name):
            return number
    return None


def map_delivery(definition: PartnerDefinition, event: dict[str, Any], delivery: Delivery) -> list[Mapped | None]:
    """All events of a delivery. Raises MappingFailed, also where all together take too long: as `map_event`."""
    until = time.monotonic() + MAX_SECONDS
    mapped = []
    for each in events_of(definition, event, delivery):
        if time.monotonic() > until:
            raise too_slow()
        mapped.append(map_event(definition, each))
    return mapped


def written(mapped: Mapped, external_id: str, put: PutAside) -> tuple[bytes | None, bytes | None]:
    """The body of its create request, and its changes as JSON: what its row keeps. Large contents of files are `put`
    aside.

    Raises MappingFailed (`ticket_invalid`) if they are more than a row holds, and what `put` raises.
    """
    request = to_request(put_aside(mapped.ticket, put), external_id) if mapped.ticket else None
    changes = encoded(put_aside(mapped.changes, put).given()) if mapped.changes else None
    if len(request or b"") + len(changes or b"") > MAX_REQUEST:
        raise MappingFailed("ticket_invalid", f"ticket and changes: are larger than {MAX_REQUEST // 1024} KiB.")
    return request, changes


def too_slow() -> MappingFailed:
    return MappingFailed("mapping_too_slow", f"split: takes more than {MAX_SECONDS:g} seconds.")


def _place(definition: PartnerDefinition, number: int) -> str:
    return f"events[{number}]." if definition.events else ""


def _mapped(definition: PartnerDefinition, case: Case, number: int, place: str, event: Event) -> Mapped:
    correlate = None
    if definition.correlate is not None:
        correlate = _text(templates.render(_evaluated(definition.correlate), event.context, name="correlate"))
    if correlate is None and case.do != "create":
        raise MappingFailed("correlate_missing", f"correlate: names nothing that this could {case.do}.")
    return Mapped(
        event.id,
        number,
        _ticket(definition, case.ticket, event, f"{place}ticket"),
        _rendered(EventChanges, definition, case.changes, event, f"{place}changes") if correlate is not None else None,
        correlate,
        Joining(do=case.do, **case.policies) if case.do != "ignore" and correlate is not None else None,
    )


def _ticket(definition: PartnerDefinition, template: Any, event: Event, name: str) -> TicketCreate | None:
    ticket = _rendered(TicketCreate, definition, template, event, name)
    if ticket is not None and definition.forms_set:
        from ticket_relay.definitions import custom_fields  # noqa: PLC0415 - only for those who have a catalogue

        custom_fields.require(ticket, definition.forms_set, name)
    return ticket


def _rendered[Model: TicketCreate | EventChanges](
    model: type[Model], definition: PartnerDefinition, template: Any, event: Event, name: str
) -> Model | None:
    if template is None:
        return None
    rendered = templates.render(template, event.context, name=name)
    if event.contents:
        rendered = put_back(rendered, event.contents, name)
    valid = templates.validated(model, rendered, template=template, name=name, fields=definition.fields_set)
    if any(file.kept_at is not None for file in (valid.comment and valid.comment.attachments) or ()):
        # It would be fetched from there, whosever it is.
        code = f"{name.rpartition('.')[2]}_invalid"
        raise MappingFailed(code, f"{name}.comment.attachments: kept_at is the relay's own.")
    return valid


def _evaluated(template: object) -> object:
    """A text that is nothing but an expression stands for its value, and not for a text with the value in it."""
    whole = _WHOLE.fullmatch(template) if isinstance(template, str) else None
    return {"$eval": whole[1]} if whole and "${" not in whole[1] else template


def _text(value: object) -> str | None:
    """A text or a number as a text; None for what names nothing."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _safe(id: str) -> str:
    """An id as a `webhook-id` may be; its hash where it may not."""
    if len(id) <= LONGEST_ID and _VISIBLE.fullmatch(id):
        return id
    return f"sha256:{hashlib.sha256(id.encode()).hexdigest()}"


def _context(event: dict[str, Any], delivery: Delivery) -> dict[str, Any]:
    """`delivery.timestamp` in whole epoch seconds, and `now` as its ISO text: the clock of the delivery, never ours."""
    return {
        "event": event,
        "delivery": {"id": delivery.id, "timestamp": int(delivery.timestamp)},
        "now": templates.clock(datetime.fromtimestamp(delivery.timestamp, UTC)),
    }
