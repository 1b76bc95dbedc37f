"""What a partner's events would become, and why."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from ticket_relay.attachments import policy
from ticket_relay.create_ticket import mapping
from ticket_relay.create_ticket.mapping import Event
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.errors import FileUnavailable, MappingFailed
from ticket_relay.storage.parts import Joining
from ticket_relay.storage.rows import TicketState, external_id
from ticket_relay.webhooks import payload
from ticket_relay.webhooks.signatures import Delivery
from ticket_relay.zendesk.ticket_models import Attachment, EventChanges, TicketCreate

type Json = dict[str, Any]

IGNORED = "ignored"
ID = "(the delivery's id)"
TICKET = "(its ticket)"


@dataclass(frozen=True, slots=True)
class Preview:
    """What one event would become."""

    event_id: str
    outcome: str
    """What its case does (`create`, `update`, `solve`); `ignored`, or `unmapped` if the definition does not fit it."""
    case: str | None = None
    """The case that fitted, as `relay check` names it; None in the short form, or if none did."""
    reason: str | None = None
    """Why nothing is sent."""
    about: str | None = None
    """What `correlate` names."""
    policies: Json = field(default_factory=dict)
    """What happens if that has a ticket, or has none."""
    requests: list[Json] = field(default_factory=list)
    """`method`, `path` and `body`: the create, if there is no ticket yet, then the changes of the one that there is."""
    files: list[Json] = field(default_factory=list)
    """The attachments in these requests, in whose place the tokens of their uploads will stand: `filename`, `source`
    (the URL, or base64), whether it is `required`, and why it would be `refused`. Nothing is fetched.
    """

    def summary(self) -> Json:
        """All except the requests, for people."""
        fields = {
            "event": self.event_id,
            "case": self.case,
            "outcome": f"{self.outcome}: {self.reason}" if self.reason else self.outcome,
            "about": self.about,
            "policies": ", ".join(f"{name}: {value}" for name, value in self.policies.items()),
            "files": "; ".join(map(_shown, self.files)),
        }
        return {name: value for name, value in fields.items() if value}


def preview(definition: PartnerDefinition, event: Json) -> list[Preview]:
    """Of each event in the body `event`, as if it were delivered now."""
    return of_delivery(definition, event, Delivery(_id_in(definition, event) or ID, time.time(), None))


def of_delivery(definition: PartnerDefinition, event: Json, delivery: Delivery) -> list[Preview]:
    """Of each event in the body `event` of this delivery."""
    probe = definition.signature.probe
    if probe and probe.fits(event):
        return [Preview(delivery.id, IGNORED, reason="it only tries the address out")]
    try:
        events = mapping.events_of(definition, event, delivery)
    except MappingFailed as failed:
        return [Preview(delivery.id, TicketState.UNMAPPED, reason=failed.sentence)]
    if not events:
        return [Preview(delivery.id, IGNORED, reason="split: the list is empty")]
    return [_of(definition, each) for each in events]


def _of(definition: PartnerDefinition, event: Event) -> Preview:
    case = None
    try:
        number = mapping.fitting(definition, event)
        if number is None:
            return Preview(event.id, IGNORED, reason=_why_none(definition))
        case = f"events[{number}]" if definition.events else None
        mapped = mapping.map_event(definition, event)
        if mapped is None:
            return Preview(event.id, IGNORED, case, reason="the case ignores it")
        create, changes = mapping.written(mapped, external_id(definition.partner, event.id), lambda _: "the bucket")
        requests = requests_of(create, changes, mapped.joining)
    except MappingFailed as failed:
        return Preview(event.id, TicketState.UNMAPPED, case, reason=failed.sentence)
    return Preview(
        event.id,
        definition.cases[mapped.case].do,
        case,
        about=mapped.correlate,
        policies=policies(mapped.joining) if mapped.joining else {},
        requests=requests,
        files=[*_files(definition, mapped.ticket), *_files(definition, mapped.changes)],
    )


def _files(definition: PartnerDefinition, properties: TicketCreate | EventChanges | None) -> list[Json]:
    attachments = (properties and properties.comment and properties.comment.attachments) or ()
    return [_file(definition, number, attachment) for number, attachment in enumerate(attachments)]


def _file(definition: PartnerDefinition, number: int, attachment: Attachment) -> Json:
    refused = None
    try:
        policy.checked(definition.attachments, number, attachment)
    except FileUnavailable as error:
        refused = error.sentence
    return {
        "filename": attachment.filename,
        "source": attachment.url or "base64",
        "required": attachment.required,
        "refused": refused,
    }


def _shown(file: Json) -> str:
    notes = (["required"] if file["required"] else []) + ([f"refused: {file['refused']}"] if file["refused"] else [])
    return f"{file['filename']} from {file['source']}" + (f" ({', '.join(notes)})" if notes else "")


def _why_none(definition: PartnerDefinition) -> str:
    conditions = "; ".join(
        f"events[{number}]: {case.when}" if definition.events else str(case.when)
        for number, case in enumerate(definition.cases)
    )
    return f"no condition holds ({conditions})" if definition.events else f"when does not hold ({conditions})"


def requests_of(create: bytes | None, changes: bytes | None, joining: Joining | None) -> list[Json]:
    """What would be sent of what a row keeps."""
    requests = []
    if create is not None:
        requests.append({"method": "POST", "path": "/api/v2/tickets?async=true", "body": json.loads(create)})
    solved = {"status": "solved"} if joining and joining.do == "solve" else {}
    if ticket := solved | json.loads(changes or b"{}"):
        requests.append({"method": "PUT", "path": f"/api/v2/tickets/{TICKET}", "body": {"ticket": ticket}})
    return requests


def policies(joining: Joining) -> Json:
    """Those that this kind of event can come to need."""
    if joining.do == "create":
        return joining.model_dump(include={"again", "on_solved", "on_closed"})
    return joining.model_dump(include={"on_closed", "missing", "wait"})


def _id_in(definition: PartnerDefinition, event: Json) -> str | None:
    """The delivery's id, where the scheme has it in the body."""
    place = definition.signature.ways[0].id
    found = payload.find(event, place.body) if place and place.body else None
    return str(found) if isinstance(found, str | int) and found != "" else None
