"""The bytes of what is sent to Zendesk, and what those of a creation say."""

import json

_SHOWN = ("ticket_form_id", "brand_id")


def encoded(body: object) -> bytes:
    """JSON in UTF-8, the shortest there is. The same value gives the same bytes: the idempotency key demands it.

    Half a surrogate pair becomes U+FFFD, as in `webhooks.payload`: UTF-8 cannot hold it, and Zendesk might refuse its
    escape. Raises ValueError for a number that is infinite or none.
    """
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def followed_up(request: bytes) -> int | None:
    """The ticket that this body of Create Ticket says it follows up."""
    if b'"via_followup_source_id"' not in request:
        return None
    source: int | None = json.loads(request)["ticket"].get("via_followup_source_id")
    return source


def followers_named(request: bytes) -> int | None:
    """How many followers this body of Create Ticket names, each once; None if it names none."""
    if b'"followers"' not in request:
        return None
    followers = json.loads(request)["ticket"].get("followers") or ()
    return len({who.get("user_id") or who["user_email"].lower() for who in followers}) or None


def properties_named(request: bytes) -> tuple[str, ...] | None:
    """Of this body of Create Ticket: what the ticket shows unless Zendesk ignores it, whatever triggers do. Custom
    fields that have a value, by id; a form and a brand, by name. None if it has none.
    """
    if not any(name in request for name in (b'"custom_fields"', *(f'"{name}"'.encode() for name in _SHOWN))):
        return None
    ticket = json.loads(request)["ticket"]
    set_fields = (field for field in ticket.get("custom_fields") or () if field.get("value") not in (None, "", []))
    fields = dict.fromkeys(str(field["id"]) for field in set_fields)
    return (*fields, *(name for name in _SHOWN if ticket.get(name) is not None)) or None
