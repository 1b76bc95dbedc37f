"""The calls of the Support API that the relay makes. Each raises the errors of `Transport.call`."""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ticket_relay import observability
from ticket_relay.rate_limits.permit import Permit
from ticket_relay.storage.parts import Upload
from ticket_relay.zendesk import timestamps
from ticket_relay.zendesk.errors import OutcomeUnknown, Rejected
from ticket_relay.zendesk.jobs import Job, read_job
from ticket_relay.zendesk.request_body import encoded
from ticket_relay.zendesk.transport import Answer, Auth, Timeouts, Transport

type Ticket = dict[str, Any]
"""A ticket as the API returns it: read, never stored."""

JOBS_AT_ONCE = 100
"""show_many: its limit is not published; tickets' is 100, and so many ids are 3.6 kB of address."""
TICKETS_AT_ONCE = 100
"""create_many, update_many, show_many (Tickets reference)."""
AUDIT_PAGE = 100
UPLOADING = Timeouts(connect=10.0, read=10.0)
"""For up to 50 MB, to be sent and to be looked through. The deadline is for all."""
UPLOAD_LIFE = 3600.0
"""Seconds, where the answer does not say (Attachments reference)."""
EXPORT_PAGE = 100
"""Tickets of an export at a time: it gives up to 1000, and one has up to 64 kB of description."""
INVOCATION_PAGE = 100
DROPPED = frozenset({"throttled", "circuit broken", "terminated"})
"""Statuses of invocations that came to nothing and are not repeated: 517, 275 and 196 of 988 recorded ones."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A create that Zendesk took on: a job, or a ticket that is already there where it answered at once.

    `dropped` is whether Zendesk said that it ignored some of it.
    """

    job_id: str | None
    ticket_id: int | None
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A ticket and the server's clock when it was read (epoch seconds), where the server said."""

    ticket: Ticket
    at: float | None


@dataclass(frozen=True, slots=True)
class Changed:
    """Tickets that have changed, in the order in which they did; where the next page begins, None where that is known
    only when more has changed; and whether there is a next page by now.
    """

    tickets: Sequence[Ticket]
    cursor: str | None
    more: bool


@dataclass(frozen=True, slots=True)
class Invocation:
    """A webhook's: what became of it, and when its latest attempt ended (epoch seconds), if it has."""

    status: str
    at: float | None


class Zendesk:
    """One account. Safe to call again: whatever neither creates nor updates."""

    def __init__(self, transport: Transport, auth: Auth) -> None:
        self._transport = transport
        self._auth = auth

    def create_ticket(self, request: bytes, key: str, permit: Permit) -> Submission:
        """`POST /api/v2/tickets?async=true` with the exact bytes of `{"ticket": {…}}`.

        A retry is safe only with the same key and bytes while the key lives ("Idempotency", two hours), and whether
        that holds together with `async` is not published: look for the ticket first.
        """
        answer = self._call(
            "POST", "/api/v2/tickets", permit, params={"async": "true"}, body=request, headers={"Idempotency-Key": key}
        )
        match answer.body:
            case {"job_status": dict(status), **rest} if job := read_job(status):
                ticket_id = _id_of(rest.get("ticket"))
                return Submission(job.id, ticket_id, bool(answer.dropped))
            case {"ticket": {"id": int(ticket_id)}} if answer.status == 201:
                return Submission(None, ticket_id, bool(answer.dropped))
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk took the ticket but its answer names no job.")

    def create_tickets(self, requests: Sequence[bytes], permit: Permit) -> Submission:
        """`POST /api/v2/tickets/create_many`: one job for at most 100 requests of `create_ticket`, by their index.

        Takes no idempotency key ("Idempotency" names Create Ticket alone): a retry is never safe before a look-up.
        """
        body = encoded({"tickets": [json.loads(request)["ticket"] for request in requests]})
        match self._call("POST", "/api/v2/tickets/create_many", permit, body=body).body:
            case {"job_status": dict(status)} if job := read_job(status):
                return Submission(job.id, None)
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk took the tickets but its answer names no job.")

    def job_statuses(self, ids: Iterable[str], permit: Permit) -> dict[str, Job]:
        """`GET /api/v2/job_statuses/show_many`: those it knows, by id. At most 100 ids."""
        answer = self._call("GET", "/api/v2/job_statuses/show_many", permit, params={"ids": ",".join(ids)})
        match answer.body:
            case {"job_statuses": list(jobs)}:
                return {job.id: job for job in map(read_job, jobs) if job}
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's answer holds no job statuses.")

    def list_jobs(self, permit: Permit, after: str | None = None) -> tuple[list[Job], str | None]:
        """`GET /api/v2/job_statuses`: a page of the account's jobs, and where the next one begins; None after the last.

        The list is "sorted by completion then creation"; where jobs without a completion date stand is not published,
        so that only its end tells that there are no more.
        """
        params = {"page[size]": "100"} | ({"page[after]": after} if after else {})
        match self._call("GET", "/api/v2/job_statuses", permit, params=params).body:
            case {"job_statuses": list(jobs), **rest}:
                return [job for job in map(read_job, jobs) if job], _cursor(rest)
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's answer holds no job statuses.")

    def show_ticket(self, ticket_id: int, permit: Permit) -> Shown | None:
        """`GET /api/v2/tickets/{id}`; None where there is none, or none yet."""
        try:
            answer = self._call("GET", f"/api/v2/tickets/{ticket_id}", permit)
        except Rejected as error:
            if error.http_status == 404:
                return None
            raise
        match answer.body:
            case {"ticket": {"id": int()} as ticket}:
                return Shown(ticket, answer.at)
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's answer holds no ticket.")

    def show_tickets(self, ticket_ids: Iterable[int], permit: Permit) -> dict[int, Shown]:
        """`GET /api/v2/tickets/show_many`: those that there are, by id. At most 100."""
        params = {"ids": ",".join(map(str, ticket_ids))}
        answer = self._call("GET", "/api/v2/tickets/show_many", permit, params=params)
        match answer.body:
            case {"tickets": list(tickets)}:
                return {it["id"]: Shown(it, answer.at) for it in tickets if _id_of(it) is not None}
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's answer holds no list of tickets.")

    def find_tickets(self, external_id: str, permit: Permit) -> list[int]:
        """`GET /api/v2/tickets?external_id=`: ids, lowest first. Reads the database, not the index; none archived."""
        answer = self._call("GET", "/api/v2/tickets", permit, params={"external_id": external_id})
        match answer.body:
            case {"tickets": list(tickets)}:
                # A server that ignored the parameter would list everybody's tickets.
                ours = (it for it in tickets if isinstance(it, dict) and it.get("external_id") == external_id)
                return sorted(found for it in ours if (found := _id_of(it)) is not None)
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's answer holds no list of tickets.")

    def update_ticket(self, ticket_id: int, update: Ticket, permit: Permit) -> int | None:
        """`PUT /api/v2/tickets/{id}` with the `ticket` object: the author of its audit. Raises Conflict, too.

        Not idempotent: a comment would be posted twice.
        """
        body = encoded({"ticket": update})
        answer = self._call("PUT", f"/api/v2/tickets/{ticket_id}", permit, body=body, tickets=[ticket_id]).body
        match answer:
            case {"ticket": {"id": int(), "follower_ids": list()} as ticket}:
                added = [who for who in update.get("followers", ()) if who.get("action") != "delete"]
                report_followers(ticket, len(added), [who["user_id"] for who in added if "user_id" in who])
        match answer:
            case {"audit": {"author_id": int(author_id)}}:
                return author_id
        return None

    def update_tickets(self, updates: Sequence[Ticket], permit: Permit) -> str:
        """`PUT /api/v2/tickets/update_many` with at most 100 `ticket` objects, each with its `id`, `safe_update` and
        `updated_stamp`: the id of one job for all. Conflicts are in the job's results. Not idempotent.
        """
        body, tickets = encoded({"tickets": list(updates)}), [update["id"] for update in updates]
        match self._call("PUT", "/api/v2/tickets/update_many", permit, body=body, tickets=tickets).body:
            case {"job_status": dict(status)} if job := read_job(status):
                return job.id
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk took the updates but its answer names no job.")

    def upload(self, content: bytes, filename: str, content_type: str, permit: Permit) -> Upload:
        """`POST /api/v2/uploads?filename=` with the raw bytes: the token under which a comment takes the file.

        Safe to repeat: an upload that no comment takes expires by itself. It lives for 60 minutes (Attachments
        reference; three days in recordings of 2024), so that `expires_at` counts.
        """
        answer = self._transport.with_timeouts(UPLOADING).call(
            "POST",
            "/api/v2/uploads",
            auth=self._auth,
            permit=permit,
            params={"filename": filename},
            body=content,
            headers={"Content-Type": content_type},
        )
        match answer.body:
            case {"upload": {"token": str(token), **rest}} if token:
                told = timestamps.parse(rest.get("expires_at"))
                return Upload(token=token, expires_at=told.instant.timestamp() if told else time.time() + UPLOAD_LIFE)
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk took the file but its answer names no token.")

    def audits(self, ticket_id: int, permit: Permit) -> Iterator[dict[str, Any]]:
        """`GET /api/v2/tickets/{id}/audits`, newest first, page by page as far as the caller reads."""
        params = {"page[size]": str(AUDIT_PAGE), "sort": "-created_at"}
        while True:
            answer = self._call("GET", f"/api/v2/tickets/{ticket_id}/audits", permit, params=params)
            match answer.body:
                case {"audits": list(audits), **rest}:
                    yield from (audit for audit in audits if isinstance(audit, dict))
                case _:
                    raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's answer holds no audits.")
            cursor = _cursor(rest)
            if cursor is None:
                return
            params = {**params, "page[after]": cursor}

    def changed_tickets(self, since: str | int, permit: Permit) -> Changed:
        """`GET /api/v2/incremental/tickets/cursor`: from a cursor on, or from a time (epoch seconds) more than a
        minute ago. What changed within the last minute is not there yet. A deleted ticket has that status.
        """
        where = {"cursor": since} if isinstance(since, str) else {"start_time": str(since)}
        params = where | {"per_page": str(EXPORT_PAGE)}
        match self._call("GET", "/api/v2/incremental/tickets/cursor", permit, params=params).body:
            case {"tickets": list(tickets), "end_of_stream": bool(ended), **rest}:
                cursor = rest.get("after_cursor")
                known = [it for it in tickets if _id_of(it) is not None]
                return Changed(known, cursor if isinstance(cursor, str) else None, more=not ended)
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's answer is no export of tickets.")

    def invocations(self, webhook_id: str, permit: Permit) -> Iterator[Invocation]:
        """`GET /api/v2/webhooks/{id}/invocations`: of a week, newest first, page by page as far as the caller reads."""
        params = {"page[size]": str(INVOCATION_PAGE)}
        while True:
            path = f"/api/v2/webhooks/{quote(webhook_id, safe='')}/invocations"
            match self._call("GET", path, permit, params=params).body:
                case {"invocations": list(found), **rest}:
                    yield from (_invocation(it) for it in found if isinstance(it, dict))
                case _:
                    raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's answer holds no invocations.")
            cursor = _cursor(rest)
            if cursor is None:
                return
            params = {**params, "page[after]": cursor}

    def own_user_id(self, permit: Permit) -> int | None:
        """`GET /api/v2/users/me`: whose credentials these are. Bad ones may get an anonymous user without an id."""
        match self._call("GET", "/api/v2/users/me", permit).body:
            case {"user": user}:
                return _id_of(user)
        return None

    def _call(self, method: str, path: str, permit: Permit, **request: Any) -> Answer:
        return self._transport.call(method, path, auth=self._auth, permit=permit, **request)


def _invocation(told: dict[str, Any]) -> Invocation:
    completed = timestamps.parse(told.get("latest_completed_at"))
    return Invocation(str(told.get("status")), completed.instant.timestamp() if completed else None)


def report_followers(ticket: Ticket, named: int, ids: Iterable[int] = ()) -> None:
    """Count and log that Zendesk ignored some: a ticket has only agents as followers ("Setting followers").

    It is certain where one of the `ids` is missing, or the ticket has fewer than were `named`; some that are named by
    address may be missing and nobody can tell.
    """
    shown = ticket.get("follower_ids") or []
    if len(shown) < named or not set(ids) <= set(shown):
        observability.count("FollowersIgnored")
        observability.logger().warning("Zendesk ignored followers", extra={"ticket_id": ticket["id"]})


def _cursor(rest: Any) -> str | None:
    """Where the next page begins ("Using cursor pagination"); None on the last one."""
    match rest:
        case {"meta": {"has_more": True, "after_cursor": str(cursor)}}:
            return cursor
    return None


def _id_of(thing: Any) -> int | None:
    match thing:
        case {"id": int(found)}:
            return found
    return None
