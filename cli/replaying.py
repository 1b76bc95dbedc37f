"""Exported events, sent to another stack as their partners would: signed anew, under their own ids."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cli import sending
from cli.exporting import Exported
from cli.sending import Answer, Target
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.errors import PayloadRefused, SignatureRefused
from ticket_relay.webhooks.signatures import filled

REFUSED = "refused"
TRIES = 5
_BUSY = 429


@dataclass(frozen=True, slots=True)
class Replayed:
    """`state` is the event's in the other stack, or `split`; or `refused`, and then there is a reason."""

    partner: str
    id: str
    state: str
    reason: str | None = None
    ticket_id: int | None = None


def replay(
    events: Iterable[Exported], definitions: Mapping[str, PartnerDefinition], target: Target
) -> Iterator[Replayed]:
    """Send one after the other, in this order, and tell of each. To repeat it is safe: an event that the other stack
    has is answered with its state.

    Raises ClickException if the other stack does not answer, or has no secret of a partner.
    """
    secrets: dict[str, str] = {}
    for event in events:
        definition = definitions.get(event.partner)
        if definition is None:
            yield Replayed(event.partner, event.id, REFUSED, "There is no definition of this partner.")
            continue
        if event.partner not in secrets:
            secrets[event.partner] = sending.secret_of(event.partner, target)
        yield _replayed(event, definition, target.url, secrets[event.partner])


def _replayed(event: Exported, definition: PartnerDefinition, url: str, secret: str) -> Replayed:
    try:
        # The id stays as it is, also where it stands in the body; only the time must be that of the new signature.
        body = filled(definition.signature, id=None, timestamp=time.time(), body=event.body.encode())
        answer = _delivered(definition, body, event.id, url, secret)
    except (PayloadRefused, SignatureRefused) as error:
        return Replayed(event.partner, event.id, REFUSED, error.sentence)
    if answer.status >= 300:
        return Replayed(event.partner, event.id, REFUSED, f"HTTP {answer.status} {answer.body.get('error', '')}")
    state, ticket_id = answer.body.get("state", "unknown"), answer.body.get("ticket_id")
    return Replayed(event.partner, answer.body.get("id", event.id), state, ticket_id=ticket_id)


def _delivered(definition: PartnerDefinition, body: bytes, id: str, url: str, secret: str) -> Answer:
    """Also by a stack that is busy, after pauses that grow."""
    for pause in range(TRIES - 1):
        answer = sending.delivered(url, definition, body, secret, id)
        if answer.status != _BUSY and answer.status < 500:
            return answer
        time.sleep(2.0**pause)
    return sending.delivered(url, definition, body, secret, id)
