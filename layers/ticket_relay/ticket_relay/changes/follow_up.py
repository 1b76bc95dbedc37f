"""The ticket that continues a closed one, which takes no update any more."""

from ticket_relay.changes import participants
from ticket_relay.changes.diff import Ticket, given_by
from ticket_relay.changes.field_names import canonical
from ticket_relay.changes.field_values import retagged, tags_of
from ticket_relay.definitions import templates
from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk.ticket_models import (
    TicketChanges,
    TicketCreate,
)


def follow_up(changes: TicketChanges, ticket: Ticket) -> TicketCreate:
    """The creation that continues a closed ticket ("Creating a follow-up ticket").

    It inherits the closed ticket's tags, unless some are sent: then it gets those, changed. Requester and subject are
    carried over where the changes name none; all else is as the changes say. Raises MappingFailed:
    `follow_up_needs_comment`, `follow_up_loses_email_ccs` where Zendesk might drop them beside an internal note, and
    `follow_up_invalid`.
    """
    given = {name: value for name, value in given_by(changes).items() if value is not None}
    if "comment" not in given:
        raise MappingFailed("follow_up_needs_comment", "changes.comment: a follow-up ticket begins with one.")
    if "email_ccs" in given and given["comment"].get("public") is False:
        raise MappingFailed("follow_up_loses_email_ccs", "changes.email_ccs: do not go together with an internal note.")
    if "tags" in given:
        given["tags"] = retagged(tags_of(ticket), given["tags"])
    if given.get("status") == "closed":
        del given["status"]  # meant the ticket that is closed already
    if isinstance(people := given.get("collaborators"), dict):
        given["collaborators"] = people.get("replace") or []
    for name in participants.WATCHERS.keys() & given.keys():
        given[name] = [watcher for watcher in given[name] if not participants.removes(watcher)]
    carried = {"requester_id": ticket.get("requester_id"), "subject": ticket.get("subject")}
    said = set(map(canonical, given))
    given |= {name: value for name, value in carried.items() if value and canonical(name) not in said}
    given["via_followup_source_id"] = ticket.get("id")
    return templates.validated(TicketCreate, given, template={}, name="follow_up")
