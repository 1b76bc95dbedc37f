"""From the changes that a rule decided to what is sent, and what it does to the ticket: pure functions.

`ticket` is the object that Show Ticket returns under `ticket`, or {} where nothing is known of it. An `update` is the
`ticket` object of Update Ticket, without its stamp and marker.
"""

from typing import Any

from ticket_relay.changes import participants
from ticket_relay.changes.field_names import canonical, part
from ticket_relay.changes.field_values import custom_values, is_so, retagged, tags_of
from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk.ticket_models import (
    MAX_EMAIL_CCS,
    TicketChanges,
    normal_tag,
)

type Ticket = dict[str, Any]
type Update = dict[str, Any]

# Alone they make no update: Zendesk keeps them with an audit, and writes none where nothing changed.
_COMPANIONS = frozenset({"metadata", "macro_id", "macro_ids"})

# Changed in parts, relative to what the ticket has.
_RELATIVE = frozenset({"tags", "custom_fields", "collaborators", "additional_collaborators", *participants.WATCHERS})

# For these, null is not a value to set.
_NO_VALUE = (
    _COMPANIONS | _RELATIVE | participants.COLLABORATORS | {"comment", "requester", "requester_id", "raw_subject"}
)

# Zendesk finds out whom these mean, or which status a custom one belongs to: a ticket shows it only afterwards.
_UNFORESEEABLE = frozenset(
    {"requester", "assignee_email", "collaborators", "additional_collaborators", "custom_status_id"}
)


def to_update(changes: TicketChanges, ticket: Ticket) -> Update:
    """What must be sent for the changes to be true; {} if they are already.

    Only what differs from the ticket is sent, so that others' changes of the other fields stay; people are added
    and removed one by one. A comment always differs, and so does a person whom the changes name by e-mail address.
    Raises MappingFailed: `tags_unknown` and `collaborators_unknown` without the ticket's and, where Zendesk would drop
    something in silence, `too_many_email_ccs` and `due_at_without_task`.
    """
    update: Update = {}
    for name, value in given_by(changes).items():
        if name in _RELATIVE:
            if (needed := _needed(name, value, ticket)) is not None:
                update[name] = needed
        elif not is_so(name, value, ticket):
            update[name] = value
    if participants.email_ccs_at_most(update, ticket) > MAX_EMAIL_CCS:
        raise MappingFailed("too_many_email_ccs", f"changes.email_ccs: a ticket keeps no more than {MAX_EMAIL_CCS}.")
    if update.get("due_at") is not None and (ticket | update).get("type", "task") != "task":
        raise MappingFailed("due_at_without_task", "changes.due_at: the ticket is not of the type task.")
    return update if update.keys() - _COMPANIONS else {}


def in_order(update: Update) -> list[Update]:
    """The requests that an update takes: one, or two of which only the last has a comment and the metadata.

    "Email CCs will not be updated if an internal note is also added to the ticket in the same update." Whether a
    comment that does not say so is public depends on the ticket's first one (Ticket comments).

    The metadata goes with the comment, since only that is sure to leave an audit to keep it. The request before may be
    repeated without harm, so its audit must not pass for that of the whole update; for `changed_since` to know it as
    the update's own, it takes a marker that begins with the update's and goes on.
    """
    if "email_ccs" not in update or "comment" not in update or update["comment"].get("public") is True:
        return [update]
    later = _COMPANIONS | {"comment"}
    if update.get("status") == "closed":
        later |= {"status"}  # or there would be no ticket to comment on
    return [
        {name: value for name, value in update.items() if name not in later},
        {name: value for name, value in update.items() if name in later},
    ]


def fields(update: Update, ticket: Ticket) -> frozenset[str]:
    """The names of what an update of this ticket sets, as in `field_names`, without what only goes into its audit."""
    names: set[str] = set()
    for name, value in update.items():
        match name:
            case "tags":
                names |= {part(name, tag) for tag in {*map(normal_tag, value)} ^ {*map(normal_tag, tags_of(ticket))}}
            case "custom_fields":
                names |= {part(name, field["id"]) for field in value}
            case "followers" | "email_ccs":
                names |= {part(name, who) if (who := participants.id_of(watcher)) else name for watcher in value}
            case "collaborators" | "additional_collaborators":
                field = canonical(name)
                changed = value if name != field else participants.differing(value, ticket)
                names |= {part(field, who) if isinstance(who, int) else field for who in changed}
            case _:
                names.add(canonical(name))
    return frozenset(names - _COMPANIONS)


def foreseeable(update: Update, ticket: Ticket) -> bool:
    """Whether `applied_to` tells all that an update sets, so that more can be decided on its outcome."""
    watchers = [watcher for name in participants.WATCHERS for watcher in update.get(name, ())]
    opens = ticket.get("status") == "new" and "assignee_id" in update  # assigned, a new ticket may be open (zenpy#361)
    return not update.keys() & _UNFORESEEABLE and all(map(participants.id_of, watchers)) and not opens


def applied_to(ticket: Ticket, update: Update) -> Ticket:
    """The ticket as it will be after the update, as far as that is known: see `foreseeable`.

    What Zendesk and its triggers do in consequence is not known. `ticket` itself stays as it is.
    """
    after = dict(ticket)
    for name, value in update.items():
        match name:
            case "custom_fields":
                values = custom_values(ticket) | {field["id"]: field["value"] for field in value}
                after[name] = [{"id": key, "value": value} for key, value in values.items()]
            case "followers" | "email_ccs":
                shown = participants.WATCHERS[name]
                after[shown] = participants.after(value, ticket.get(shown) or ())
            case "subject" | "raw_subject":
                after |= {"subject": value, "raw_subject": value}
            case "status":
                after |= {"status": value, "custom_status_id": None}
            case _ if name not in _UNFORESEEABLE | _COMPANIONS | {"comment", "attribute_value_ids"}:
                after[name] = value
    return after


def given_by(changes: TicketChanges) -> dict[str, Any]:
    """The changes with one name for what has several, and without nulls where they are no value."""
    given = {name: value for name, value in changes.given().items() if value is not None or name not in _NO_VALUE}
    if isinstance(given.get("requester"), int):
        given.setdefault("requester_id", given["requester"])
    # Of two that set the same, these win (OpenAPI file).
    for winner, other in (("requester_id", "requester"), ("raw_subject", "subject")):
        if winner in given:
            given.pop(other, None)
    lists = [name for name in sorted(participants.COLLABORATORS & given.keys()) if isinstance(given[name], list)]
    named = [who for name in lists for who in given.pop(name)]
    return given | {"additional_collaborators": named} if named else given


def _needed(name: str, value: Any, ticket: Ticket) -> list[Any] | None:
    """What must be sent of a property that is changed in parts; None if nothing."""
    match name:
        case "tags":
            tags = retagged(tags_of(ticket), value)
            return tags if tags != tags_of(ticket) else None
        case "custom_fields":
            current, last = custom_values(ticket), {field["id"]: field for field in value}
            return [field for key, field in last.items() if not is_so(key, field["value"], current)] or None
        case "collaborators":
            return participants.collaborators(value, ticket)
        case "additional_collaborators":
            return participants.new_collaborators(value, ticket) or None
        case _:
            return participants.needed(value, ticket.get(participants.WATCHERS[name])) or None
