"""What the fields of a ticket are called, in one way for what we set and for what others changed.

`priority`, `custom_fields.360001`, `tags.vip`, `followers.377`: words that an operator reads in a row, and that can be
compared. They never hold an e-mail address: a person known by that alone is a plain `followers`.
"""

import re

_SAME = {
    "raw_subject": "subject",
    "requester": "requester_id",
    "assignee_email": "assignee_id",
    "custom_status_id": "status",
    "additional_collaborators": "collaborators",
    "collaborator_ids": "collaborators",
    "current_collaborators": "collaborators",  # the audits' name
}
_SAYABLE = re.compile(r"[^\s@]{1,100}")


def canonical(name: str) -> str:
    """The name of the field that a property sets: several properties may set one."""
    return _SAME.get(name, name)


def part(field: str, item: object) -> str:
    """The name of a part of a field: one tag, one person by id, one custom field.

    A tag that could be an e-mail address, or has no sensible length, stays unnamed.
    """
    return f"{field}.{item}" if _SAYABLE.fullmatch(str(item)) else field
