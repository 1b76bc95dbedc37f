"""Tickets and their audits: what a creation and an update do (Tickets reference; Creating and updating tickets)."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import audits
from .clock import Clock, moment, stamp
from .names import Names
from .participants import set_participants
from .properties import check_values
from .refusals import closed, invalid_attribute, invalid_record, not_found, suspended_requester, update_conflict
from .uploads import Uploads
from .users import User, Users
from .wire import Json

type OnChange = Callable[[Json, Json, User, bool], None]
"""Called after a creation (True) or an update (False) with the ticket, its new audit and the acting user."""

_MOST_COMMENTS = 5000
_PLAIN = (
    *("raw_subject", "priority", "type", "status", "external_id", "recipient", "organization_id", "group_id"),
    *("brand_id", "problem_id", "ticket_form_id", "custom_status_id", "sharing_agreement_ids"),
)


@dataclass
class Tickets:
    users: Users
    uploads: Uploads
    names: Names
    clock: Clock
    ids: Iterator[int]
    on_change: OnChange

    def __post_init__(self) -> None:
        self._tickets: dict[int, Json] = {}
        self._audits: dict[int, list[Json]] = {}
        self._external: dict[str, list[int]] = {}
        self._deleted: list[Json] = []
        self._next_id = 35436

    def reserve(self) -> int:
        """The next ticket's number; one whose creation fails is skipped for good (documented for `async=true`)."""
        self._next_id += 1
        return self._next_id - 1

    def get(self, ticket_id: int) -> Json:
        """Raises Refusal 404."""
        if ticket_id not in self._tickets:
            raise not_found()
        return self._tickets[ticket_id]

    def audits(self, ticket_id: int) -> list[Json]:
        self.get(ticket_id)
        return self._audits[ticket_id]

    def all(self) -> list[Json]:
        return list(self._tickets.values())

    def changed(self) -> list[Json]:
        """What an export looks through: deleted tickets as well, with that status ("Excluding deleted tickets")."""
        return [*self._tickets.values(), *self._deleted]

    def some(self, ids: list[int]) -> list[Json]:
        return [self._tickets[ticket_id] for ticket_id in ids if ticket_id in self._tickets]

    def with_external_id(self, external_id: str) -> list[Json]:
        """All of them: an external id is not unique (Tickets reference)."""
        found = self.some(self._external.get(external_id, []))
        return [ticket for ticket in found if ticket["external_id"] == external_id]

    def delete(self, ticket_id: int) -> None:
        ticket = self.get(ticket_id)
        del self._tickets[ticket_id]
        self._deleted.append({**ticket, "status": "deleted", "generated_timestamp": int(self.clock.now())})

    def merge(self, source_id: int, target_id: int, actor: User) -> None:
        """What an agent makes of two tickets ("Merging tickets"): the source is closed, for good, with a tag that says
        why, and each has a private comment, whose sentences are assumptions. Raises Refusal 404, or 422 if one of them
        is closed already.
        """
        note = {"public": False, "body": f"Request #{source_id} was closed and merged into this request."}
        self.update(target_id, {"comment": note}, actor)
        note = {"public": False, "body": f"This request was closed and merged into request #{target_id}."}
        closing = {"comment": note, "status": "closed", "additional_tags": ["closed_by_merge"]}
        self.update(source_id, closing, actor)

    def create(self, changes: Json, actor: User, ticket_id: int | None = None) -> tuple[Json, Json]:
        """The ticket and its audit, from properties that `sieve` let through. Raises Refusal 422."""
        # `description` is create-only and an alternative to `comment` (OpenAPI file); one of them is required.
        comment = changes.get("comment") or {"body": changes.get("description")}
        if not _says_something(comment):
            raise invalid_record("description", "Description: cannot be blank")
        check_values(changes)
        now = self.clock.now()
        ticket = _blank(ticket_id or self.reserve(), stamp(now), int(now))
        submitter = self._person(changes, "submitter") or actor
        requester = self._person(changes, "requester") or actor
        if requester.id in self.users.suspended:
            raise suspended_requester(requester.name)
        ticket["requester_id"] = requester.id
        parent = self._followed(ticket, changes)
        # Ignored on follow-ups (Tickets reference).
        author = actor if parent else submitter
        ticket["submitter_id"] = author.id
        self._assign(ticket, changes, "create")
        self.names.require(ticket)
        if parent and changes.get("tags") is None:
            ticket["tags"] = parent["tags"]
        event = self._comment(comment, author)
        ticket["description"] = event["body"]
        # Assumption: without a subject Zendesk shows the beginning of the description.
        if ticket["subject"] is None:
            ticket["subject"] = ticket["raw_subject"] = event["body"][:150]
        ticket["is_public"] = event["public"]
        events = [event, *audits.create_events(ticket)]
        audit = self._audit(ticket, events, changes, self._author(comment, actor))
        if parent:
            parent["followup_ids"] = [*parent["followup_ids"], ticket["id"]]
        self._audits[ticket["id"]] = []
        self._store(ticket, audit, actor, created=True)
        return ticket, audit

    def update(self, ticket_id: int, changes: Json, actor: User) -> tuple[Json, Json | None]:
        """The ticket and its new audit; None when nothing changed: then `updated_at` stays and metadata is lost.

        Raises Refusal: 404, 422 (closed, invalid), 409 (safe update). Which of several comes first is an assumption.
        """
        ticket = self.get(ticket_id)
        if ticket["status"] == "closed":
            raise closed()
        guard(ticket, changes)
        check_values(changes)
        draft = dict(ticket)
        requester = self._person(changes, "requester")
        if requester:
            draft["requester_id"] = requester.id
        self._assign(draft, changes, "update")
        self.names.require(draft)
        comment = changes.get("comment") or {}
        events = []
        if _says_something(comment):
            if len(audits.comments_of(self._audits[ticket_id])) >= _MOST_COMMENTS:
                raise invalid_record("comment", f"Comment: limit of {_MOST_COMMENTS} reached", "TooManyComments")
            events.append(self._comment(comment, actor))
            draft["is_public"] = draft["is_public"] or events[0]["public"]
        events += audits.change_events(ticket, draft)
        if not events:
            return ticket, None
        now = self.clock.now()
        draft["updated_at"], draft["generated_timestamp"] = stamp(now), int(now)
        audit = self._audit(draft, events, changes, self._author(comment, actor))
        self._store(draft, audit, actor, created=False)
        return draft, audit

    def _audit(self, ticket: Json, events: list[Json], changes: Json, author: User) -> Json:
        head = {"ticket_id": ticket["id"], "created_at": ticket["updated_at"], "author_id": author.id}
        return audits.audit(head, events, changes, self.ids)

    def _store(self, ticket: Json, audit: Json, actor: User, *, created: bool) -> None:
        self._tickets[ticket["id"]] = ticket
        self._audits[ticket["id"]].append(audit)
        if ticket["external_id"] is not None:
            known = self._external.setdefault(ticket["external_id"], [])
            if ticket["id"] not in known:
                known.append(ticket["id"])
        self.on_change(ticket, audit, actor, created)

    def _assign(self, ticket: Json, changes: Json, action: str) -> None:
        """Set the properties that are sent, in place."""
        for name in _PLAIN:
            if name in changes:
                ticket[name] = changes[name]
        if "subject" in changes or "raw_subject" in changes:
            # `raw_subject` overrides `subject` (OpenAPI file).
            ticket["subject"] = ticket["raw_subject"] = changes.get("raw_subject") or changes.get("subject")
        ticket["status"] = ticket["status"] or "new"
        if changes.get("tags") is not None:
            ticket["tags"] = tag_list(changes["tags"])
        added, removed = tag_list(changes.get("additional_tags") or ()), tag_list(changes.get("remove_tags") or ())
        if added or removed:
            ticket["tags"] = sorted({*ticket["tags"], *added} - set(removed))
        if "due_at" in changes or ticket["type"] != "task":
            ticket["due_at"] = changes.get("due_at") if ticket["type"] == "task" else None
        self._set_assignee(ticket, changes)
        custom_fields = changes.get("custom_fields") or changes.get("fields") or ()
        _merge_custom_fields(ticket, self.names.known(custom_fields if isinstance(custom_fields, list) else ()))
        set_participants(ticket, changes, self.users, action)

    def _set_assignee(self, ticket: Json, changes: Json) -> None:
        if changes.get("assignee_email"):
            agent = self.users.named(changes["assignee_email"])
        elif changes.get("assignee_id"):
            agent = self.users.get(changes["assignee_id"])
        else:
            ticket["assignee_id"] = None if "assignee_id" in changes else ticket["assignee_id"]
            return
        if agent is None or not agent.is_agent:
            raise invalid_record("assignee", "Assignee: is invalid", "InvalidValue")  # Assumption: the sentence.
        ticket["assignee_id"] = agent.id
        # A new ticket that gets an assignee is open (recorded: zenpy#361).
        if ticket["status"] == "new":
            ticket["status"] = "open"

    def _person(self, changes: Json, role: str) -> User | None:
        """`requester_id` wins over `requester` (OpenAPI file); so for the submitter (assumption)."""
        if changes.get(f"{role}_id"):
            return self.users.existing(role, changes[f"{role}_id"])
        return self.users.resolve(role, changes[role]) if changes.get(role) else None

    def _followed(self, ticket: Json, changes: Json) -> Json | None:
        """The closed ticket that this one follows up; the parameter "has no effect with other tickets"."""
        parent = self._tickets.get(int(changes.get("via_followup_source_id") or 0))
        if parent is None or parent["status"] != "closed":
            return None
        source = {"from": {"ticket_id": parent["id"], "subject": parent["subject"]}, "to": {}, "rel": "follow_up"}
        ticket["via"] = {"channel": "api", "source": source}
        return parent

    def _author(self, comment: Json, otherwise: User) -> User:
        """Who wrote a comment, where it says so ("Creating a follow-up ticket"). That the audit is theirs as well is an
        assumption.
        """
        return self.users.existing("author", comment["author_id"]) if comment.get("author_id") else otherwise

    def _comment(self, comment: Json, author: User) -> Json:
        files = self.uploads.take(comment.get("uploads") or [], self.clock.now())
        return audits.comment_event(comment, self._author(comment, author).id, files)


def guard(ticket: Json, changes: Json) -> None:
    """Safe update: raises Refusal 409 when the ticket changed after `updated_stamp`, 400 when that is no time.

    `false` means true, and only both properties together protect (OpenAPI file). A later stamp than the ticket's own
    passes (inferred from zendesk_api_client_rb#420). The 400 is an assumption.
    """
    if changes.get("safe_update") is None or not changes.get("updated_stamp"):
        return
    try:
        seen = moment(str(changes["updated_stamp"]))
    except ValueError as error:
        raise invalid_attribute("ticket.updated_stamp", "must be a date", "tickets/update") from error
    if moment(ticket["updated_at"]) > seen:
        raise update_conflict()


def tag_list(tags: object) -> list[str]:
    """Tags as Zendesk keeps them: a list or one string; lower case, unique, sorted (assumption)."""
    texts = [tags] if isinstance(tags, str) else list(tags) if isinstance(tags, list | tuple) else []
    return sorted({word.lower() for text in texts for word in re.split(r"[\s,]+", str(text)) if word})


def _says_something(comment: Json) -> bool:
    return bool((comment.get("html_body") or comment.get("body") or "").strip())


def _merge_custom_fields(ticket: Json, items: list[Json]) -> None:
    """Fields not sent keep their values (Tickets reference); both names of the list are echoed (observed)."""
    values = {item["id"]: item["value"] for item in ticket["custom_fields"]}
    for item in items:
        values[int(item["id"])] = item.get("value")
    ticket["custom_fields"] = ticket["fields"] = [{"id": key, "value": value} for key, value in values.items()]


def _blank(ticket_id: int, created_at: str, generated: int) -> Json:
    """A ticket as recorded in 2023-24. The host of `url` is not the one that was called (observed): never follow it."""
    return {
        "url": f"https://example.zendesk.com/api/v2/tickets/{ticket_id}.json",
        "id": ticket_id,
        "external_id": None,
        "via": audits.VIA,
        "created_at": created_at,
        "updated_at": created_at,
        "generated_timestamp": generated,
        **dict.fromkeys(("type", "subject", "raw_subject", "description", "priority")),
        "status": "new",
        **dict.fromkeys(("recipient", "requester_id", "submitter_id", "assignee_id", "organization_id", "group_id")),
        **{name: [] for name in ("collaborator_ids", "follower_ids", "email_cc_ids")},
        **dict.fromkeys(("forum_topic_id", "problem_id")),
        "has_incidents": False,
        "is_public": True,
        "due_at": None,
        "tags": [],
        "custom_fields": [],
        "satisfaction_rating": None,
        "sharing_agreement_ids": [],
        "custom_status_id": None,
        "encoded_id": "",
        "fields": [],
        "followup_ids": [],
        **dict.fromkeys(("ticket_form_id", "brand_id")),
        "allow_channelback": False,
        "allow_attachments": True,
        "from_messaging_channel": False,
    }
