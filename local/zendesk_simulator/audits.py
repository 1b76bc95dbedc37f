"""Audits: one for each update that changed something (Ticket Audits reference, and recordings of zenpy's tests)."""

import html
import json
import re
from collections.abc import Iterator
from typing import Any

from .refusals import invalid_record
from .wire import Json

VIA: Json = {"channel": "api", "source": {"from": {}, "to": {}, "rel": None}}

# In the recorded order of a creation's events. The first five are recorded even when null.
_ALWAYS = ("subject", "requester_id", "status", "priority", "type")
_WHEN_SET = ("assignee_id", "group_id", "organization_id", "tags", "external_id", "due_at", "brand_id", "problem_id")
_WATCHED = (*_ALWAYS, *_WHEN_SET, "ticket_form_id", "custom_status_id", "submitter_id", "recipient")
_PEOPLE = {
    "follower_ids": ("FollowerChange", "followers"),
    "email_cc_ids": ("EmailCcChange", "email_ccs"),
}


def create_events(ticket: Json) -> list[Json]:
    """`Create` events; ids are strings (recorded), a custom field's name is its id (Ticket Audit events reference)."""
    names = [*_ALWAYS, *(name for name in _WHEN_SET if ticket[name])]
    events = [{"type": "Create", "value": _shown(name, ticket[name]), "field_name": name} for name in names]
    events += [
        {"type": "Create", "value": item["value"], "field_name": str(item["id"])} for item in ticket["custom_fields"]
    ]
    return events + _people_events({}, ticket)


def change_events(before: Json, after: Json) -> list[Json]:
    """`Change` events with `value` and `previous_value` (recorded), for whatever differs."""
    events = [
        _change(name, _shown(name, before[name]), _shown(name, after[name]))
        for name in _WATCHED
        if before[name] != after[name]
    ]
    old = {item["id"]: item["value"] for item in before["custom_fields"]}
    events += [
        _change(str(item["id"]), old.get(item["id"]), item["value"])
        for item in after["custom_fields"]
        if old.get(item["id"]) != item["value"]
    ]
    return events + _people_events(before, after)


def comment_event(comment: Json, author_id: int, attachments: list[Json]) -> Json:
    """Recorded, with `plain_body` and the wrapper of `html_body`. HTML in `body` is stripped (Tickets reference)."""
    rich, plain = comment.get("html_body"), comment.get("body") or ""
    text = html.unescape(_without_tags(rich)) if rich else _without_tags(plain)
    inner = rich or f'<p dir="auto">{html.escape(text, quote=False)}</p>'
    return {
        "type": "Comment",
        "author_id": author_id,
        "body": text,
        "html_body": f'<div class="zd-comment">{inner}</div>',
        "plain_body": text,
        "public": comment.get("public") not in {False, "false"},
        "attachments": attachments,
    }


def audit(head: Json, events: list[Json], changes: Json, ids: Iterator[int]) -> Json:
    """An audit of `head` (`ticket_id`, `created_at`, `author_id`) and its events, which get their ids.

    Raises Refusal 422 for metadata over a kilobyte (the limit is documented, the answer an assumption).
    """
    custom = changes.get("metadata") or {}
    if len(json.dumps(custom, separators=(",", ":")).encode()) > 1024:
        raise invalid_record("metadata", "Metadata: is too long (maximum is 1 kilobyte)", "ValueTooLong")
    number = next(ids)
    for event in events:
        event["id"] = next(ids)
        if event["type"] == "Comment":
            event["audit_id"] = number
    return {
        "id": number,
        **head,
        "via": VIA,
        "metadata": {"system": dict(changes.get("system_metadata") or {}), "custom": custom},
        "events": events,
    }


def comments_of(audits: list[Json]) -> list[Json]:
    """List Comments: the `Comment` events with what their audit knows of them."""
    return [
        event | {"via": entry["via"], "created_at": entry["created_at"], "metadata": entry["metadata"]}
        for entry in audits
        for event in entry["events"]
        if event["type"] == "Comment"
    ]


def _change(name: str, previous: Any, value: Any) -> Json:
    return {"type": "Change", "value": value, "field_name": name, "previous_value": previous}


def _shown(name: str, value: Any) -> Any:
    return str(value) if name.endswith("_id") and value is not None else value


def _people_events(before: Json, after: Json) -> list[Json]:
    """Follower change and Email CC change events (Ticket Audit events reference)."""
    return [
        {"type": kind, f"previous_{word}": before.get(name, []), f"current_{word}": after[name]}
        for name, (kind, word) in _PEOPLE.items()
        if before.get(name, []) != after[name]
    ]


def _without_tags(text: str) -> str:
    return re.sub(r"</?[A-Za-z][^>]*>", "", text)
