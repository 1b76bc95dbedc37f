"""The contents of files that come with an event: kept out of its templates, and of its row where they are too large.

A template only hands a content on, as the `base64` of an attachment. So of a large event it is given a name in place
of each, which says nothing to it, and what it makes of the name becomes the content again: megabytes need no budget
(definitions/budget.py).
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from ticket_relay.errors import MappingFailed
from ticket_relay.webhooks.payload import MAX_BODY
from ticket_relay.zendesk.ticket_models import Attachment, EventChanges, TicketCreate

LARGEST_IN_REQUEST = 64 * 1024
"""Characters of base64 in all files of a comment: more is put aside, since a request has 300 KiB."""
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
_NAME = re.compile("relay-content:[0-9a-f]{64}")

type PutAside = Callable[[bytes], str | None]
"""Puts a content where it is kept; the place, or None where there is none."""


def taken_out(event: Any, contents: dict[str, str]) -> Any:
    """The event with names in the place of large contents, which go into `contents`, by name."""
    match event:
        case str() if len(event) > LARGEST_IN_REQUEST and _BASE64.fullmatch(event):
            name = f"relay-content:{hashlib.sha256(event.encode()).hexdigest()}"
            contents[name] = event
            return name
        case dict():
            return {key: taken_out(value, contents) for key, value in event.items()}
        case list():
            return [taken_out(value, contents) for value in event]
    return event


def put_back(rendered: Any, contents: Mapping[str, str], name: str) -> Any:
    """What the template `name` made, with the contents in the place of their names. Raises MappingFailed if it names
    them so often that they are more than any event holds.
    """
    left = MAX_BODY

    def content(found: re.Match[str]) -> str:
        nonlocal left
        text = contents.get(found[0], found[0])
        left -= len(text)
        if left < 0:
            raise MappingFailed("mapping_too_large", f"{name}: becomes too large.")
        return text

    def whole(value: Any) -> Any:
        match value:
            case str():
                return _NAME.sub(content, value)
            case dict():
                return {key: whole(each) for key, each in value.items()}
            case list():
                return [whole(each) for each in value]
        return value

    return whole(rendered)


def put_aside[Model: (TicketCreate, EventChanges)](properties: Model, put: PutAside) -> Model:
    """The same, whose files say where their contents are. Raises what `put` raises."""
    comment = properties.comment
    files = (comment and comment.attachments) or []
    if comment is None or sum(len(file.base64 or "") for file in files) <= LARGEST_IN_REQUEST:
        return properties
    lighter = comment.model_copy(update={"attachments": [_put_aside(file, put) for file in files]})
    return properties.model_copy(update={"comment": lighter})


def _put_aside(file: Attachment, put: PutAside) -> Attachment:
    kept_at = put(file.base64.encode()) if file.base64 else None
    if kept_at is None:
        return file
    return Attachment.model_validate(file.model_dump(exclude_unset=True, exclude={"base64"}) | {"kept_at": kept_at})
