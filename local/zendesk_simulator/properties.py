"""Which properties a client may write, of which type, and what becomes of the others.

Source: the TicketObject of the OpenAPI file. Unknown and read-only properties are dropped with a 2xx and named in
`x-zendesk-api-warn` (observed); a wrong type is 400 (observed for other endpoints, assumed for tickets).
"""

import json
from collections.abc import Callable, Iterable

from .refusals import invalid_attribute, invalid_record
from .wire import Json, whole


def _string(value: object) -> bool:
    return isinstance(value, str)


def _boolean(value: object) -> bool:
    return isinstance(value, bool) or value in ("true", "false")


def _integer(value: object) -> bool:
    return whole(value) is not None


def _array(value: object) -> bool:
    return isinstance(value, list)


def _hashes(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _hash(value: object) -> bool:
    return isinstance(value, dict)


def _anything(_: object) -> bool:
    return True


def _tags(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(tag, str) for tag in value))


type _Rule = tuple[Callable[[object], bool], str]

_STRING: _Rule = (_string, "must be a string")
_BOOLEAN: _Rule = (_boolean, "must be a boolean")
_INTEGER: _Rule = (_integer, "must be an integer")
_ARRAY: _Rule = (_array, "must be an array")
_HASHES: _Rule = (_hashes, "must be an array of hashes")
_HASH: _Rule = (_hash, "must be a hash")
_ANY: _Rule = (_anything, "")
_TAGS: _Rule = (_tags, "must be an array of strings")

_WRITABLE: dict[str, _Rule] = {
    **dict.fromkeys(
        ("subject", "raw_subject", "description", "assignee_email", "external_id", "due_at", "recipient"), _STRING
    ),
    **dict.fromkeys(("priority", "type", "status"), _STRING),
    **dict.fromkeys(
        ("requester_id", "submitter_id", "assignee_id", "organization_id", "group_id", "brand_id", "problem_id"),
        _INTEGER,
    ),
    **dict.fromkeys(("ticket_form_id", "custom_status_id", "macro_id", "via_id", "via_followup_source_id"), _INTEGER),
    **dict.fromkeys(("collaborators", "additional_collaborators", "collaborator_ids", "macro_ids"), _ARRAY),
    "sharing_agreement_ids": _ARRAY,
    **dict.fromkeys(("custom_fields", "fields", "followers", "email_ccs"), _HASHES),
    **dict.fromkeys(("metadata", "via", "system_metadata", "comment"), _HASH),
    **dict.fromkeys(("requester", "submitter"), _ANY),
    "tags": _TAGS,
}
# Safe update belongs to updates; update_many alone may add and remove tags (Tickets reference, Update Many Tickets).
_EXTRA: dict[str, dict[str, _Rule]] = {
    "create": {},
    "update": {"safe_update": _BOOLEAN, "updated_stamp": _STRING},
    "update_many": {
        "id": _INTEGER,
        "safe_update": _BOOLEAN,
        "updated_stamp": _STRING,
        "additional_tags": _TAGS,
        "remove_tags": _TAGS,
    },
}
_COMMENT: dict[str, _Rule] = {
    "body": _STRING,
    "html_body": _STRING,
    "public": _BOOLEAN,
    "author_id": _INTEGER,
    "uploads": _ARRAY,
}
_VALUES = {
    "priority": ("urgent", "high", "normal", "low"),
    "type": ("problem", "incident", "question", "task"),
    "status": ("new", "open", "pending", "hold", "solved", "closed"),
}


def sieve(sent: Json, action: str, unknown: list[str], prefix: str = "ticket") -> Json:
    """The properties that count, for `create`, `update` or `update_many`; the names of others are added to `unknown`.

    Raises Refusal 400 for a wrong type; null is allowed everywhere (assumption where not documented).
    """
    where = f"tickets/{action}"
    kept = _known(sent, _WRITABLE | _EXTRA[action], prefix, where, unknown)
    if kept.get("comment"):
        kept["comment"] = _known(kept["comment"], _COMMENT, f"{prefix}.comment", where, unknown)
    for item in kept.get("custom_fields") or kept.get("fields") or ():
        if not _integer(item.get("id")):
            raise invalid_attribute(f"{prefix}.custom_fields.id", "must be an integer", where)
    return kept


def _known(sent: Json, rules: dict[str, _Rule], prefix: str, where: str, unknown: list[str]) -> Json:
    kept: Json = {}
    for name, value in sent.items():
        if name not in rules:
            unknown.append(f"{prefix}.{name}")
            continue
        fits, rule = rules[name]
        if value is not None and not fits(value):
            raise invalid_attribute(f"{prefix}.{name}", rule, where)
        kept[name] = whole(value) if fits is _integer else value
    return kept


def warning(action: str, unknown: Iterable[str]) -> dict[str, str]:
    """The header that names what was dropped, as recorded; nothing when nothing was."""
    names = ", ".join(json.dumps(name) for name in unknown)
    if not names:
        return {}
    warn = f':controller=>"tickets", :action=>"{action}", :unpermitted_keys=>[{names}], :invalid_values=>[]'
    return {"x-zendesk-api-warn": "{:allowed_parameters=>{" + warn + "}}"}


def check_values(changes: Json) -> None:
    """Raises Refusal 422 for a word outside a list, or a subject sent blank.

    "Subject: cannot be blank" is recorded; the sentence for words is an assumption.
    """
    for name, allowed in _VALUES.items():
        if changes.get(name) is not None and changes[name] not in allowed:
            raise invalid_record(name, f"{name.capitalize()}: {changes[name]} is not valid", "InvalidValue", key=name)
    if "subject" in changes and not (changes["subject"] or changes.get("raw_subject") or "").strip():
        raise invalid_record("subject", "Subject: cannot be blank")
