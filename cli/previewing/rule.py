"""What an update rule would do to a ticket. Uses the relay's own decision, and nothing is sent."""

import json
from dataclasses import dataclass
from typing import Any, BinaryIO

from cli.previewing import sample
from layers.config.compile import Config
from ticket_relay.changes import combine, diff, follow_up
from ticket_relay.definitions.models import UpdateRule
from ticket_relay.errors import PayloadRefused
from ticket_relay.storage.rows import UpdateState
from ticket_relay.update_ticket import rules
from ticket_relay.update_ticket.plan import needs_reading
from ticket_relay.update_ticket.request import read_request
from ticket_relay.webhooks import payload
from ticket_relay.zendesk import timestamps
from ticket_relay.zendesk.ticket_models import TicketChanges

type Json = dict[str, Any]

MARKER = "(the update's own mark)"
MARKER_OF_FIRST = "(another one)"
LATER_STAMP = "(updated_at, read again after the first)"
EXTERNAL_ID = "(the follow-up's own)"
NOT_A_TICKET = "not_a_ticket"


@dataclass(frozen=True, slots=True)
class Preview:
    """What the rule would do to a ticket if no call fails."""

    rule: str
    ticket_id: int
    condition: bool
    """Whether the rule's condition holds; without one, it does."""
    outcome: UpdateState
    reason: str | None
    """Why nothing is sent, or a create in place of an update."""
    reads_ticket: bool
    """Whether the relay reads the ticket first. It need not if the rule does not use it and the event has its stamp."""
    changed: bool
    """Whether the ticket that is read was updated after the event's stamp."""
    requests: list[Json]
    """`method`, `path` and `body` of each request, in order."""
    on_conflict: str
    on_closed: str

    def summary(self) -> Json:
        """All except the requests, for people."""
        return {
            "rule": self.rule,
            "ticket": self.ticket_id,
            "condition": "holds" if self.condition else "does not hold",
            "outcome": f"{self.outcome}: {self.reason or f'{len(self.requests)} to send'}",
            "ticket is read first": "yes" if self.reads_ticket else "no",
            "ticket changed since": "yes" if self.changed else "no",
            "on conflict": self.on_conflict,
            "on closed": self.on_closed,
        }


def preview(rule: UpdateRule, ticket: Json, event: Json) -> Preview:
    """Pure, in the order of `update_ticket.plan`, but without the audits that `merge` compares. `ticket` is Show
    Ticket's object, `event` the webhook's parsed body.

    Raises PayloadRefused for an event that the relay would refuse, MappingFailed if the rule does not fit.
    """
    request = read_request(event)
    since = timestamps.parse(request.updated_at)
    reads = needs_reading(rule, since)
    known = ticket if reads else {}
    changed = reads and since is not None and not timestamps.covers(since, ticket["updated_at"])
    decided = rules.decide(rule, known, event)
    requests: list[Json] = []
    reason: str | None
    match decided:
        case _ if ticket.get("status") == "closed" and rule.on_closed == "fail":
            outcome, reason = UpdateState.FAILED, "the ticket is closed"
        case _ if changed and rule.on_conflict == "skip":
            outcome, reason = UpdateState.SKIPPED, "the ticket has changed since"
        case None:
            outcome, reason = UpdateState.SKIPPED, "the condition does not hold"
        case _ if ticket.get("status") == "closed":
            outcome, reason = UpdateState.APPLIED, "a follow-up, since the ticket is closed"
            requests = [_creation(decided, ticket)]
        case _:
            updated_stamp = ticket["updated_at"] if since is None or reads else timestamps.exact(since)
            requests = _updates(diff.to_update(decided, known), request.ticket_id, updated_stamp)
            outcome, reason = UpdateState.APPLIED, None if requests else "nothing to do: already true"
    return Preview(
        rule=rule.rule,
        ticket_id=request.ticket_id,
        condition=decided is not None,
        outcome=outcome,
        reason=reason,
        reads_ticket=reads,
        changed=changed,
        requests=requests,
        on_conflict=rule.on_conflict,
        on_closed=rule.on_closed,
    )


def _updates(update: Json, ticket_id: int, updated_stamp: str) -> list[Json]:
    """As the relay would send them, one after the other."""
    if not update:
        return []
    *first, last = diff.in_order(update)
    marked = [*(combine.marked(each, [MARKER_OF_FIRST]) for each in first), combine.marked(last, [MARKER])]
    return [
        {
            "method": "PUT",
            "path": f"/api/v2/tickets/{ticket_id}",
            "body": {"ticket": {**each, "safe_update": True, "updated_stamp": its_stamp}},
        }
        for each, its_stamp in zip(marked, [updated_stamp, LATER_STAMP], strict=False)
    ]


def _creation(decided: TicketChanges, ticket: Json) -> Json:
    body = {"ticket": follow_up.follow_up(decided, ticket).given() | {"external_id": EXTERNAL_ID}}
    return {"method": "POST", "path": "/api/v2/tickets?async=true", "body": body}


def told(rule: UpdateRule, config: Config, ticket: BinaryIO | None, event: BinaryIO | None) -> tuple[Json, Json]:
    """The ticket and the event for a preview, from files or from the rule's samples in `config`.

    If only a ticket is given, the sample event gets its id and time. Raises PayloadRefused, with a sentence that quotes
    neither.
    """
    about = _ticket(ticket.read() if ticket else sample(config, rule.sample.ticket))
    if event:
        given = payload.parse(event.read())
        _fitting(rule, about, given)
        return about, given
    known = payload.parse(sample(config, rule.sample.event))
    if ticket:
        known |= {"ticket_id": str(about["id"]), "updated_at": about["updated_at"]}
    return about, known


def _fitting(rule: UpdateRule, ticket: Json, event: Json) -> None:
    request = read_request(event)
    if request.rule != rule.rule:
        raise PayloadRefused("wrong_event", f"The event is not one for the rule {rule.rule}.")
    if request.ticket_id != ticket["id"]:
        raise PayloadRefused(
            "wrong_event", f"The event is about ticket {request.ticket_id}, and the ticket is {ticket['id']}."
        )


def _ticket(content: bytes) -> Json:
    """Show Ticket's object, from its answer or by itself."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise PayloadRefused(NOT_A_TICKET, "The ticket is not JSON.") from None
    ticket = found.get("ticket", found) if isinstance(found, dict) else None
    if isinstance(ticket, dict) and isinstance(ticket.get("id"), int) and isinstance(ticket.get("updated_at"), str):
        return ticket
    raise PayloadRefused(NOT_A_TICKET, "That is no ticket as Show Ticket answers it: it lacks id or updated_at.")
