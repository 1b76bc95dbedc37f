"""What others did to a ticket meanwhile, as its audits tell, and whether it conflicts with an update.

Audits are read with distrust: "events may be added at any time" (Ticket Audit events reference), so events of unknown
types are passed over, and what is known but cannot be understood counts as a change to everything that it might be.
"""

import re
from collections.abc import Iterable, Iterator

from ticket_relay.changes.field_names import canonical, part
from ticket_relay.zendesk import ticket_models, timestamps
from ticket_relay.zendesk.ticket_models import normal_tag
from ticket_relay.zendesk.timestamps import Stamp

ANYTHING = "anything"
"""The name of what was changed where an audit does not tell: everything may have been."""

_FIELD = re.compile(r"[a-z][a-z0-9_]{0,63}")
_ID = re.compile(r"[0-9]{1,19}")

# Events of a whole field: known, but in a form that does not tell its parts.
_WHOLE = {
    "FollowerChange": "followers",
    "EmailCcChange": "email_ccs",
    "TicketSharingEvent": "sharing_agreement_ids",
    "AssociateAttValsEvent": "attribute_value_ids",
}
_RELATED = [{"collaborators", "followers"}, {"collaborators", "email_ccs"}]


def changed_since(audits: Iterable[object], since: Stamp, *, but: str) -> frozenset[str]:
    """The names, as in `field_names`, of what others changed in the audits, in any order, after the stamp.

    `but` is the marker of the update that asks: an audit whose marker is or begins with it is its own (see `in_order`).
    Two changes within the second of a stamp, or the minute of one without seconds, cannot be told apart: what lies
    within was seen. An audit whose time cannot be read is a later one. Never raises, whatever the audits hold.
    """
    names: set[str] = set()
    for audit in audits:
        if not isinstance(audit, dict):
            names.add(ANYTHING)
            continue
        own = any(marker.startswith(but) for marker in markers_of(audit))
        if not own and not timestamps.covers(since, audit.get("created_at")):
            names.update(_changed(audit.get("events")))
    return frozenset(names)


def markers_of(audit: object) -> frozenset[str]:
    """The markers of the updates that made an audit; none for anybody else's, or for what is no audit."""
    match audit:
        case {"metadata": {"custom": {ticket_models.MARKER: str(marker)}}}:
            return frozenset({marker})
        case {"metadata": {"custom": {ticket_models.MARKER: list(markers)}}}:
            return frozenset(marker for marker in markers if isinstance(marker, str))
    return frozenset()


def conflicting_fields(update_fields: Iterable[str], changed: Iterable[str]) -> list[str]:
    """Which of an update's fields were changed by others, sorted. Comments conflict with nothing."""
    changed = list(changed)
    able = [ours for ours in update_fields if ours != "comment"]
    return sorted(ours for ours in able if any(_meet(ours, theirs) for theirs in changed))


def _meet(ours: str, theirs: str) -> bool:
    """A whole field meets each of its parts; legacy collaborators become followers or e-mail CCs."""
    (kind, _, item), (their_kind, _, their_item) = ours.partition("."), theirs.partition(".")
    if kind != their_kind and {kind, their_kind} not in _RELATED:
        return theirs == ANYTHING
    return not item or not their_item or item == their_item


def _changed(events: object) -> Iterator[str]:
    for event in events if isinstance(events, list) else [None]:
        match event:
            case {"type": "Change", "field_name": "tags", "previous_value": before, "value": now}:
                yield from _difference("tags", before, now)
            case {"type": "Change" | "Create", **said}:
                yield _field(said.get("field_name"))
            case {"type": "FollowerChange", "previous_followers": before, "current_followers": now}:
                yield from _difference("followers", before, now)
            case {"type": "EmailCcChange", "previous_email_ccs": before, "current_email_ccs": now}:
                yield from _difference("email_ccs", before, now)
            case {"type": str(kind)}:
                if kind in _WHOLE:
                    yield _WHOLE[kind]
                elif kind.endswith("Comment"):
                    yield "comment"
            case _:
                yield ANYTHING


def _field(name: object) -> str:
    """A custom field goes by its id (recorded)."""
    match name:
        case str() if _ID.fullmatch(name):
            return part("custom_fields", name)
        case str() if _FIELD.fullmatch(name):
            return canonical(name)
    return ANYTHING


def _difference(field: str, before: object, now: object) -> set[str]:
    """The parts that came or went; the whole field where one of the two cannot be read.

    The reference shows people as e-mail addresses, which tell no id: then the name is that of the whole field.
    """
    ours, theirs = _members(before), _members(now)
    if ours is None or theirs is None:
        return {field}
    return {part(field, who) if field == "tags" or _ID.fullmatch(who) else field for who in ours ^ theirs}


def _members(value: object) -> set[str] | None:
    match value:
        case None:
            return set()
        case list() if all(isinstance(member, str | int) for member in value):
            return {normal_tag(str(member)) for member in value}
    return None
