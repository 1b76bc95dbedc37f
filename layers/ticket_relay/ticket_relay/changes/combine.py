"""Several updates of one ticket in one request, where they agree; and the markers by which each is recognised."""

from collections.abc import Mapping, Sequence
from typing import Any

from ticket_relay.changes import participants
from ticket_relay.changes.diff import Ticket, Update, applied_to, fields, foreseeable, in_order
from ticket_relay.zendesk.ticket_models import (
    MARKER,
    MARKER_LENGTH,
    MAX_EMAIL_CCS,
    MAX_METADATA,
    metadata_size,
)


def together(first: Update, second: Update, ticket: Ticket) -> Update | None:
    """One update for two, where `second` was decided on `applied_to(ticket, first)`; None if they must go one by one.

    With nothing for the first, it is the second as it is. Updates go one by one where both comment, one undoes or
    overrules the other, what the first one does cannot be foreseen, or Zendesk would drop something of them: CCs beside
    an internal note, the 49th CC, metadata without room for two markers. For more than two updates, look at
    `room_for_markers` as well.
    """
    if not first:
        return second
    if not foreseeable(first, ticket) or _at_odds(first, second, ticket):
        return None
    update = first | second
    for name in {"custom_fields", *participants.WATCHERS} & first.keys() & second.keys():
        update[name] = first[name] + second[name]
    metadata = first.get("metadata", {}) | second.get("metadata", {})
    if metadata:
        update["metadata"] = metadata
    fits = participants.email_ccs_at_most(update, ticket) <= MAX_EMAIL_CCS and room_for_markers(metadata) >= 2
    return update if fits and in_order(update) == [update] else None


def marked(update: Update, markers: Sequence[str]) -> Update:
    """The update with the markers of those who make it in its metadata: one as a text, several as a list."""
    return update | {"metadata": _metadata(update.get("metadata", {}), markers)}


def room_for_markers(metadata: Mapping[str, Any]) -> int:
    """How many markers fit beside the metadata into what Zendesk keeps with an audit."""
    markers: list[str] = []
    while metadata_size(_metadata(metadata, [*markers, "0" * MARKER_LENGTH])) <= MAX_METADATA:
        markers.append("0" * MARKER_LENGTH)
    return len(markers)


def _at_odds(first: Update, second: Update, ticket: Ticket) -> bool:
    disputed = fields(first, ticket) & fields(second, applied_to(ticket, first))
    # What is disputed and no property is a part of one: a tag that was added and then removed, or the like.
    if any(name == "comment" or name not in first or first[name] != second.get(name) for name in disputed):
        return True
    # Of two macros, or of a list of all people and single ones, it is not published which Zendesk takes last.
    people = "collaborators" in second and participants.WATCHERS.keys() & first.keys()
    if people or {"macro_id", "macro_ids"} & first.keys() & second.keys():
        return True
    # An option or a checkbox may bring its tag with it (not published), which the other's list of tags would lack.
    if any("custom_fields" in one and "tags" in other for one, other in ((first, second), (second, first))):
        return True
    ours, theirs = first.get("metadata", {}), second.get("metadata", {})
    if any(ours[key] != theirs[key] for key in ours.keys() & theirs.keys()):
        return True
    for name in participants.WATCHERS:
        watchers = [*first.get(name, ()), *second.get(name, ())]
        # Whom an address means may be whom the other update takes away, or puts back.
        if not all(map(participants.id_of, watchers)) and len(set(map(participants.removes, watchers))) > 1:
            return True
    return False


def _metadata(metadata: Mapping[str, Any], markers: Sequence[str]) -> dict[str, Any]:
    return {**metadata, MARKER: markers[0] if len(markers) == 1 else list(markers)}
