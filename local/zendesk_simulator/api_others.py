"""The endpoints of batches, job statuses, uploads and users."""

from . import api_tickets
from .clock import stamp
from .jobs import Step
from .pages import page
from .properties import sieve, warning
from .refusals import invalid_attribute, not_found, too_many_values, unauthenticated
from .request import Handler, Request, Route, route
from .users import ANONYMOUS, user_json
from .wire import TEXT_TYPE, Answer, Json, Refusal


def create_many(request: Request) -> Answer:
    """Create Many Tickets: up to 100, 200 with the job; no idempotency key (published for Create Ticket only)."""
    unknown: list[str] = []
    tickets = [sieve(ticket, "create", unknown, "tickets") for ticket in _batch(request, "create_many")]
    steps = [api_tickets.create_step(request, ticket, number) for number, ticket in enumerate(tickets)]
    job = request.account.jobs.queue("Bulk Create Ticket", "Creating", steps, request.now)
    return Answer.json(200, {"job_status": job.json()}, **warning("create_many", unknown))


def update_many(request: Request) -> Answer:
    """Update Many Tickets: `?ids=` with one `ticket`, or a list of `tickets` with their ids.

    "Always performs safe updates", against the time at which the batch was queued unless a stamp is sent; in a list,
    `safe_update` without `updated_stamp` is an error (documented; that it is this 400 is an assumption).
    """
    unknown: list[str] = []
    if "ids" in request.call.query:
        common = request.call.json().get("ticket")
        if not isinstance(common, dict):
            raise invalid_attribute("ticket", "must be a hash", "tickets/update_many")
        changes = sieve(common, "update_many", unknown)
        updates = [(ticket_id, changes) for ticket_id in request.ticket_ids()]
    else:
        sent = [sieve(ticket, "update_many", unknown, "tickets") for ticket in _batch(request, "update_many")]
        if any("safe_update" in ticket and not ticket.get("updated_stamp") for ticket in sent):
            raise invalid_attribute("tickets.updated_stamp", "must be present", "tickets/update_many")
        updates = [(ticket.pop("id", 0), ticket) for ticket in sent]
    steps = [_update_step(request, number, *update) for number, update in enumerate(updates)]
    job = request.account.jobs.queue("Bulk Update Ticket", "Updating", steps, request.now)
    return Answer.json(200, {"job_status": job.json()}, **warning("update_many", unknown))


def _update_step(request: Request, number: int, ticket_id: int, changes: Json) -> Step:
    """A success has no `index` (observed); a failure has `index` and `id` (the documented UpdateConflict)."""
    tickets, actor = request.account.tickets, request.actor
    guarded = {**changes, "safe_update": True, "updated_stamp": changes.get("updated_stamp") or stamp(request.now)}

    def run() -> Json:
        tickets.update(ticket_id, guarded, actor)
        return {"action": "update", "status": "Updated", "success": True, "id": ticket_id}

    return Step(run, {"index": number, "id": ticket_id})


def _batch(request: Request, action: str) -> list[Json]:
    batch = request.call.json().get("tickets")
    if not isinstance(batch, list) or not batch or not all(isinstance(ticket, dict) for ticket in batch):
        raise invalid_attribute("tickets", "must be an array of hashes", f"tickets/{action}")
    if len(batch) > 100:
        raise too_many_values("", 100)
    return batch


def show_job(request: Request) -> Answer:
    return Answer.json(200, {"job_status": request.account.jobs.get(request.path["id"], request.now).json()})


def show_jobs(request: Request) -> Answer:
    found = request.account.jobs.some(request.ids(), request.now)
    return Answer.json(200, {"job_statuses": [job.json() for job in found]})


def list_jobs(request: Request) -> Answer:
    entries = [job.json() for job in request.account.jobs.all(request.now)]
    return Answer.json(200, page(request.call, "job_statuses", entries, "job_statuses/index"))


def upload(request: Request) -> Answer:
    """Upload Files, 201; the answer calls itself text although it is JSON (observed)."""
    query, content_type = request.call.query, request.call.headers.get("content-type", "application/octet-stream")
    added = request.account.uploads.add(
        query.get("filename", ""), content_type, len(request.call.body), query.get("token"), request.now
    )
    return Answer.json(201, {"upload": added.json()}, TEXT_TYPE, location=added.attachments[-1]["url"])


def delete_upload(request: Request) -> Answer:
    request.account.uploads.delete(request.path["token"], request.now)
    return Answer(204)


def me(request: Request) -> Answer:
    return Answer.json(200, {"user": user_json(request.actor, request.account.users)})


def show_user(request: Request) -> Answer:
    user = request.account.users.get(request.number("users/show"))
    if user is None:
        raise not_found()
    return Answer.json(200, {"user": user_json(user, request.account.users)})


def listed(name: str) -> Handler:
    """One of the lists of names. Forms and statuses come whole (their reference names no pagination: assumption)."""

    def answered(request: Request) -> Answer:
        items: list[Json] = getattr(request.account.names, name)
        whole = name in {"ticket_forms", "custom_statuses"}
        return Answer.json(200, {name: items} if whole else page(request.call, name, items, f"{name}/index"))

    return answered


def anonymous(refusal: Refusal) -> Answer:
    """`/users/me` without credentials (observed, node-zendesk's fixtures). Assumption: a bad token is refused."""
    if refusal.body != unauthenticated().body:
        raise refusal
    return Answer.json(200, {"user": ANONYMOUS})


ROUTES: list[Route] = [
    route("POST", "tickets/create_many", create_many, "tickets"),
    route("PUT", "tickets/update_many", update_many, "tickets"),
    # Job statuses have no scope of their own (inferred), nor have uploads (assumption).
    route("GET", "job_statuses", list_jobs),
    route("GET", "job_statuses/show_many", show_jobs),
    route("GET", "job_statuses/{id}", show_job),
    route("POST", "uploads", upload),
    route("DELETE", "uploads/{token}", delete_upload),
    # That they need a broad `read` is an assumption.
    *(
        route("GET", name, listed(name))
        for name in ("ticket_fields", "ticket_forms", "groups", "brands", "custom_statuses")
    ),
    route("GET", "users/me", me, "users"),
    route("GET", "users/{id}", show_user, "users"),
]
