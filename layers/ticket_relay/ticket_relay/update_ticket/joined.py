"""What an event that joins another one's ticket does to it: a pure function of what it wants and the fresh ticket.

A ticket that is solved or closed may be the wrong one: then a ticket of the event's own replaces it. What is closed is
followed up in Zendesk's sense ("Creating a follow-up ticket"), which what is only solved cannot be: there, the new
ticket names the old one.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from ticket_relay.changes import follow_up
from ticket_relay.definitions import templates
from ticket_relay.storage.parts import Joining
from ticket_relay.storage.rows import TicketRow
from ticket_relay.zendesk.client import Ticket
from ticket_relay.zendesk.request_body import encoded
from ticket_relay.zendesk.ticket_models import EventChanges, TicketChanges, TicketCreate, to_request


class EventUpdate(BaseModel):
    """The part of an update's `event` that says what a partner's event wants (`states.joining` writes it).

    `has_ticket` says whether the event could have a ticket of its own.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    changes: dict[str, Any]
    joining: Joining
    has_ticket: Annotated[bool, Field(strict=True)]


@dataclass(frozen=True, slots=True)
class Skip:
    """The ticket stays as it is."""

    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Replacement:
    """A new ticket replaces the old one: this `creation`, or the event's own ticket.

    It is Zendesk's follow-up of `follows`, or names the ticket `names` in its comment.
    """

    creation: TicketCreate | None = None
    follows: int | None = None
    names: int | None = None

    def request(self, event: TicketRow) -> bytes:
        """The body of its create request. Raises MappingFailed."""
        if self.creation is not None:
            return to_request(self.creation, event.external_id)
        ticket = json.loads(event.request or b"")["ticket"]
        if self.follows is not None:
            ticket["via_followup_source_id"] = self.follows
        if self.names is not None:
            _name(ticket, self.names)
        return encoded({"ticket": ticket})


def decide(update: EventUpdate, ticket: Ticket) -> TicketChanges | Skip | Replacement:
    """Raises MappingFailed: `changes_invalid`, and what a follow-up ticket lacks."""
    wanted, status = update.joining, ticket.get("status")
    if status == "closed":
        return _on_closed(update, ticket)
    if wanted.do == "create" and status == "solved":
        if wanted.on_solved == "reopen":
            return _changes({"status": "open"} | update.changes)
        return Replacement(names=ticket["id"] if wanted.on_solved == "follow_up" else None)
    if wanted.do == "create" and wanted.again == "ignore":
        return Skip("ticket_open", "Its ticket is open already, and its case says to leave it as it is.")
    return _changes(({"status": "solved"} if wanted.do == "solve" else {}) | update.changes)


def _on_closed(update: EventUpdate, ticket: Ticket) -> Skip | Replacement:
    match update.joining.on_closed:
        case "ignore":
            return Skip("ticket_closed", "The ticket is closed, and its case says to leave it so.")
        case "create":
            return Replacement()
        case "follow_up" if update.has_ticket:
            return Replacement(follows=ticket["id"])
        case _:
            return Replacement(follow_up.follow_up(_changes(update.changes), ticket))


def _changes(changes: dict[str, Any]) -> TicketChanges:
    return templates.validated(EventChanges, changes, template={}, name="changes")


def _name(ticket: dict[str, Any], old: int) -> None:
    """Name the old ticket, once: agents see `#` and a number as a link."""
    text, html = f"\n\nFollows #{old}.", f"<p>Follows #{old}.</p>"
    comment = ticket.get("comment") or ticket
    for name, line in (("body", text), ("html_body", html), ("description", text)):
        if comment.get(name) and not comment[name].endswith(line):
            comment[name] += line
