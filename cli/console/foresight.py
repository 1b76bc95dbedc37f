"""What a redrive would do with a row, before it is done. Calls nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from cli import definitions
from cli.previewing import partner as of_partner
from cli.reading import Record
from layers.config.compile import Config
from layers.config.source import shown
from ticket_relay.errors import PayloadRefused
from ticket_relay.storage.rows import TicketState, external_id
from ticket_relay.webhooks import payload

type Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Foresight:
    """What the poller will do, in sentences, and what it will send, as far as that is known."""

    steps: Sequence[str]
    requests: Sequence[Json] = ()
    previews: Sequence[of_partner.Preview] = ()
    doubts: Sequence[str] = field(default=())
    """Why it may come to the same end as before."""


def foresee(record: Record, config: Config) -> Foresight:
    """Of a row that can be redriven, read with its payload. Raises ClickException if a definition is wrong."""
    if record["kind"] == "update":
        return _of_update(record)
    if record["state"] == TicketState.UNMAPPED:
        return _of_unmapped(record, config)
    return _of_failed(record)


def _of_failed(record: Record) -> Foresight:
    known_as = external_id(record["partner"], record["event_id"])
    steps = [
        f"The poller looks in Zendesk for a ticket with the external id {known_as}.",
        "If there is one, the event ends as created, and nothing is sent.",
        f"If there is none, this request is sent again, as attempt {record['attempt'] + 1}, with a new key.",
    ]
    if record["correlation"]:
        steps.insert(0, "If the thing that the event is about has a ticket by now, the event joins it.")
    sent = json.loads(record["request"]) if record["request"] else None
    requests: list[Json] = [{"method": "POST", "path": "/api/v2/tickets?async=true", "body": sent}] if sent else []
    return Foresight(steps, requests, doubts=_unless_fixed(record))


def _of_unmapped(record: Record, config: Config) -> Foresight:
    where = shown(config.folder)
    maps = "The poller maps the event with the definitions that are deployed then."
    if record["event"] is None:
        # In the bucket, or in the item of its delivery.
        unseen = "The event lies outside its row: `relay redrive --remap --dry-run` shows what becomes of it."
        return Foresight([maps], doubts=[unseen])
    steps = [
        maps,
        f"Below is what those in {where} make of it. If they are not the deployed ones, deploy them first.",
    ]
    if record["correlation"]:
        steps.append("If the thing that it is about has a ticket then, it goes to that one; or it waits for it again.")
    definition = definitions.partners(config).get(record["partner"])
    if definition is None:
        return Foresight(steps, doubts=[f"There is no partner {record['partner']} in {where}."])
    try:
        previews = of_partner.preview(definition, payload.parse(record["event"].encode()))
    except PayloadRefused as refused:
        return Foresight(steps, doubts=[refused.sentence])
    misfits = [str(each.reason) for each in previews if each.outcome == TicketState.UNMAPPED]
    doubts = [f"The definition in {where} does not fit it: {reason}" for reason in misfits]
    return Foresight(steps, previews=previews, doubts=doubts)


def _of_update(record: Record) -> Foresight:
    event = json.loads(record["event"]) if record["event"] else {}
    rule = event.get("rule")
    decides = f"decides the rule {rule} on it again, as deployed then" if rule else "decides the changes on it again"
    steps = [
        f"The poller reads ticket {record['ticket_id']} as it is then, and {decides}.",
        "It sends only what differs from the ticket: nothing, if the rule's condition does not hold any more.",
    ]
    doubts = _unless_fixed(record)
    if record["of_event"]:
        doubts.append(f"A partner's event asks for it: redrive that one instead, {record['of_event']}.")
    return Foresight(steps, doubts=doubts)


def _unless_fixed(record: Record) -> list[str]:
    if not record["error_code"]:
        return []
    return [f"It stopped with {record['error_code']}: {record['error_sentence'] or 'no reason is known.'}"]
