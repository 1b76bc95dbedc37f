"""The endpoints that tell what changed, and which webhooks were not delivered (Incremental Exports, Webhooks)."""

import base64
import re

from .deliveries import Invocation
from .pages import by_cursor
from .refusals import forbidden, invalid_attribute, not_found, too_recent_start_time
from .request import Request, Route, route
from .wire import Answer, Json, whole

_MOST = 1000
_ACTION = "incremental/tickets/cursor"
_KEPT_SECONDS = 7 * 24 * 3600
"""List Webhook Invocations: "up to 7 days"."""

type _Position = tuple[int, int]
"""Of a ticket in the export: its `generated_timestamp` and, within that second, its id (assumption)."""


def changed_tickets(request: Request) -> Answer:
    """Incremental Ticket Export, Cursor Based: 10 requests a minute, for administrators.

    It goes by `generated_timestamp`, and leaves out the minute before the request ("Using the Incremental Export API").
    Deleted tickets come too, unless `exclude_deleted` is true.
    """
    account, query = request.account, request.call.query
    account.limits.export(request.headers, request.now)
    if request.actor.role != "admin":
        raise forbidden()
    settled = request.now - account.settings.export_lag_seconds
    after = _position(query["cursor"]) if "cursor" in query else (_start(query.get("start_time"), settled) - 1, 2**63)
    found = sorted(
        (ticket for ticket in account.tickets.changed() if after < _where(ticket) and _where(ticket)[0] <= settled),
        key=_where,
    )
    if query.get("exclude_deleted") == "true":
        found = [ticket for ticket in found if ticket["status"] != "deleted"]
    size = min(_MOST, whole(query.get("per_page", _MOST)) or _MOST)
    some = found[:size]
    # Assumption: an empty page has no cursors; nothing is published about it.
    after_cursor, before_cursor = (_cursor(some[-1]), _cursor(some[0])) if some else (None, None)
    links = {"after_url": _link(after_cursor), "before_url": _link(before_cursor)}
    cursors = {"after_cursor": after_cursor, "before_cursor": before_cursor}
    return Answer.json(200, {"tickets": some, **links, **cursors, "end_of_stream": len(found) <= size})


def _start(given: str | None, settled: float) -> int:
    """Raises Refusal: "must be at least one minute in the past" (Incremental Exports)."""
    start = whole(given or "")
    if start is None:
        raise invalid_attribute("start_time", "must be an integer", _ACTION)
    if start > settled:
        raise too_recent_start_time()
    return start


def _where(ticket: Json) -> _Position:
    return ticket["generated_timestamp"], ticket["id"]


def _cursor(ticket: Json) -> str:
    """As in the documentation's own example, `1580753798.0||432|`; a client must not look into it."""
    generated, ticket_id = _where(ticket)
    return base64.urlsafe_b64encode(f"{generated}.0||{ticket_id}|".encode()).decode()


def _position(cursor: str) -> _Position:
    """Raises Refusal. That a cursor that is none is refused so is an assumption."""
    try:
        found = re.fullmatch(r"(\d+)\.0\|\|(\d+)\|", base64.urlsafe_b64decode(cursor).decode())
    except ValueError:
        found = None
    if found is None:
        raise invalid_attribute("cursor", "must be a cursor", _ACTION)
    return int(found[1]), int(found[2])


def _link(cursor: str | None) -> str | None:
    return cursor and f"https://example.zendesk.com/api/v2/incremental/tickets/cursor.json?cursor={cursor}"


def list_invocations(request: Request) -> Answer:
    """List Webhook Invocations, the newest first (observed), for administrators."""
    if request.actor.role != "admin":
        raise forbidden()
    webhook_id, account = request.path["id"], request.account
    if webhook_id not in {rule.webhook_id for rule in account.triggers.rules}:
        raise not_found()
    kept = [
        _told(invocation)
        for invocation in reversed(account.deliveries.invocations)
        if invocation.webhook_id == webhook_id and invocation.due_at > request.now - _KEPT_SECONDS
    ]
    return Answer.json(200, by_cursor(request.call, "invocations", kept, "webhooks/invocations"))


def _told(invocation: Invocation) -> Json:
    """Without a `status_code` where nothing was sent (observed)."""
    code = {} if invocation.status_code is None else {"status_code": invocation.status_code}
    status, at = invocation.status, invocation.completed_at
    return {"id": invocation.id, "status": status, **code, "latest_completed_at": at}


ROUTES: list[Route] = [
    # Which scopes these need is not published: so a broad `read` for the export.
    route("GET", "incremental/tickets/cursor", changed_tickets),
    route("GET", "webhooks/{id}/invocations", list_invocations, "webhooks"),
]
