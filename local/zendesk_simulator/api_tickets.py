"""The endpoints of single tickets (Tickets, Ticket Comments, Ticket Audits and Tags references)."""

from collections.abc import Callable

from . import audits
from .clock import stamp
from .jobs import ACCOUNT_ID, Step
from .pages import page
from .properties import sieve, warning
from .refusals import invalid_attribute
from .request import Request, Route, route
from .tickets import guard, tag_list
from .wire import Answer, Json


def create(request: Request) -> Answer:
    """Create Ticket, 201; with `async=true` 202. Honours `Idempotency-Key` (unless switched off for async)."""
    account, call = request.account, request.call
    account.limits.create(request.headers, request.actor.id, call.client, request.now)
    later = call.query.get("async") == "true"
    key = call.headers.get("idempotency-key")
    if later and not account.settings.key_with_async:
        key = None
    if key and (again := account.keys.replay(key, call, request.now)):
        return again
    unknown: list[str] = []
    changes = sieve(_wrapped(request, "create", unknown), "create", unknown)
    answer = _create_later(request, changes) if later else _create_now(request, changes)
    answer.headers |= warning("create", unknown)
    if key:
        account.keys.keep(key, call, answer, request.now)
    return answer


def _create_now(request: Request, changes: Json) -> Answer:
    ticket, audit = request.account.tickets.create(changes, request.actor)
    return Answer.json(201, {"ticket": ticket, "audit": audit}, Location=ticket["url"])


def _create_later(request: Request, changes: Json) -> Answer:
    """202 with the ticket's id and the job, nothing else of the ticket ("Improving performance ...").

    The exact body is reconstructed from zenpy#558 and from readers of `ticket.id`. Assumption: the job, not
    this call, finds an invalid ticket.
    """
    account = request.account
    ticket_id = account.tickets.reserve()
    step = create_step(request, changes, 0, ticket_id)
    counts = account.settings.async_counts_as_job
    job = account.jobs.queue("Create Ticket", "Creating", [step], request.now, counts=counts)
    return Answer.json(202, {"ticket": {"id": ticket_id}, "job_status": job.json()})


def create_step(request: Request, changes: Json, index: int, ticket_id: int | None = None) -> Step:
    """A job's row for one ticket: `{index, id, account_id}` (observed)."""
    tickets, actor = request.account.tickets, request.actor

    def run() -> Json:
        ticket, _ = tickets.create(changes, actor, ticket_id)
        return {"index": index, "id": ticket["id"], "account_id": ACCOUNT_ID}

    return Step(run, {"index": index})


def update(request: Request) -> Answer:
    """Update Ticket, 200. A body without `ticket` applies nothing and is answered 200 all the same (third-party)."""
    ticket_id = request.number("tickets/update")
    request.account.limits.update(request.headers, request.actor.id, ticket_id, request.now)
    unknown: list[str] = []
    changes = sieve(_wrapped(request, "update", unknown), "update", unknown)
    ticket, audit = request.account.tickets.update(ticket_id, changes, request.actor)
    # Assumption: without an audit (nothing changed) the key is absent.
    body = {"ticket": ticket} if audit is None else {"ticket": ticket, "audit": audit}
    return Answer.json(200, body, **warning("update", unknown))


def _wrapped(request: Request, action: str, unknown: list[str]) -> Json:
    """The `ticket` of the body; everything beside it is noted as unknown."""
    body = request.call.json()
    unknown.extend(name for name in body if name != "ticket")
    ticket = body.get("ticket", {})
    if not isinstance(ticket, dict):
        raise invalid_attribute("ticket", "must be a hash", f"tickets/{action}")
    return ticket


def show(request: Request) -> Answer:
    return Answer.json(200, {"ticket": request.account.tickets.get(request.number("tickets/show"))})


def delete(request: Request) -> Answer:
    """204 without a body (recorded)."""
    request.account.tickets.delete(request.number("tickets/destroy"))
    return Answer(204)


def index(request: Request) -> Answer:
    """List Tickets; `external_id` may name several, and is served from the database, not the search index."""
    request.account.limits.index(request.headers, request.now)
    wanted = request.call.query.get("external_id")
    tickets = request.account.tickets
    found = tickets.all() if wanted is None else tickets.with_external_id(wanted)
    return Answer.json(200, page(request.call, "tickets", found, "tickets/index"))


def show_many(request: Request) -> Answer:
    found = request.account.tickets.some(request.ticket_ids())
    return Answer.json(200, page(request.call, "tickets", found, "tickets/show_many"))


def total(request: Request) -> Answer:
    count = {"value": len(request.account.tickets.all()), "refreshed_at": stamp(request.now)}
    return Answer.json(200, {"count": count})


def list_audits(request: Request) -> Answer:
    """List Audits For A Ticket, the oldest first; needs a broad `read` scope (Ticket Audits reference)."""
    entries = request.account.tickets.audits(request.number("audits/index"))
    return Answer.json(200, page(request.call, "audits", entries, "audits/index"))


def list_comments(request: Request) -> Answer:
    entries = audits.comments_of(request.account.tickets.audits(request.number("comments/index")))
    return Answer.json(200, page(request.call, "comments", entries, "comments/index"))


def list_tags(request: Request) -> Answer:
    return Answer.json(200, {"tags": request.account.tickets.get(request.number("tags/index"))["tags"]})


def _tags(status: int, merge: Callable[[set[str], set[str]], set[str]], *, safe: bool) -> Callable[[Request], Answer]:
    """Set (201), add and remove (200): Tags reference. The latter two take safe update, at the top level."""

    def handler(request: Request) -> Answer:
        tickets, body, ticket_id = request.account.tickets, request.call.json(), request.number("tags/update")
        ticket = tickets.get(ticket_id)
        if safe:
            guard(ticket, body)
        tags = merge(set(ticket["tags"]), set(tag_list(body.get("tags"))))
        ticket, _ = tickets.update(ticket_id, {"tags": sorted(tags)}, request.actor)
        return Answer.json(status, {"tags": ticket["tags"]})

    return handler


ROUTES: list[Route] = [
    route("POST", "tickets", create, "tickets"),
    route("GET", "tickets", index, "tickets"),
    route("GET", "tickets/count", total, "tickets"),
    route("GET", "tickets/show_many", show_many, "tickets"),
    route("GET", "tickets/{id}", show, "tickets"),
    route("PUT", "tickets/{id}", update, "tickets"),
    route("DELETE", "tickets/{id}", delete, "tickets"),
    route("GET", "tickets/{id}/audits", list_audits),
    route("GET", "tickets/{id}/comments", list_comments, "tickets"),
    route("GET", "tickets/{id}/tags", list_tags, "tickets"),
    route("POST", "tickets/{id}/tags", _tags(201, lambda _, sent: sent, safe=False), "tickets"),
    route("PUT", "tickets/{id}/tags", _tags(200, lambda had, sent: had | sent, safe=True), "tickets"),
    route("DELETE", "tickets/{id}/tags", _tags(200, lambda had, sent: had - sent, safe=True), "tickets"),
]
