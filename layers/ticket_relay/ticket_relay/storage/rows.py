"""What is stored: one row for each partner event and one for each ticket update.

A row says how far the work is, and nothing about how it is done. Times are epoch seconds.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_validator

from ticket_relay.storage.parts import Joining, Step, Upload

DAY = 24 * 3600.0
RETENTION = 30 * DAY
"""How long a row outlives its end. Senders retry for about three days at most (Stripe, Standard Webhooks)."""
DELIVERY_RETENTION = RETENTION + 10 * DAY
"""How long a delivery is kept whose events have rows of their own: those are given up in four days at most."""
UNFINISHED_RETENTION = 365 * DAY
"""A row that waits, for the poller or for a person, is all that holds its event."""
HISTORY_LENGTH = 20

TOKEN_MARGIN = 600.0
"""Seconds for which an upload must live when it is sent: a job may be queued for a while before it takes the file."""

EXTERNAL_ID_LIMIT = 255

PAYLOAD = frozenset({"request", "changes", "event", "rest", "leased_rest"})
"""The attributes that hold what was sent, or is to be: up to 300 KiB, so they are stored compressed."""
UNREAD = b""
"""Stands in the place of a payload that was not read, or not kept."""


class TicketState(StrEnum):
    ACCEPTED = "accepted"
    SUBMITTED = "submitted"
    CREATED = "created"
    UNMAPPED = "unmapped"
    IGNORED = "ignored"
    JOINED = "joined"
    """It went to the ticket of another event about the same thing."""
    SPLIT = "split"
    """A delivery of many events, each of which has a row of its own."""
    FAILED = "failed"


class UpdateState(StrEnum):
    ACCEPTED = "accepted"
    SUBMITTED = "submitted"
    APPLIED = "applied"
    SKIPPED = "skipped"
    CONFLICT = "conflict"
    FAILED = "failed"


class Work(StrEnum):
    """What there is to do for a row that is due: files are to be uploaded; something is to be sent, for the first time
    or in doubt whether it was sent before; or a job of Zendesk's is to be polled. No kind hides another.
    """

    FILES = "files"
    SEND = "send"
    DOUBT = "doubt"
    JOB = "job"


class Row(BaseModel):
    """What both kinds share. A changed row is a new object made by `moved`, one version on."""

    # Built at the first use: a webhook's function has rows of one kind. During a deployment a newer version may have
    # written attributes that this one does not know: they are kept.
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True, extra="allow")
    working: ClassVar[frozenset[str]] = frozenset()
    """Where a worker has something to do: exactly these rows have a `due_at`, and so stand in the sparse index."""
    over: ClassVar[frozenset[str]] = frozenset()
    """The states that are the end."""

    pk: str
    state: StrEnum
    version: int = 1
    attempt: int = 1
    """Each attempt has an idempotency key of its own."""
    retries: int = 0
    """Counts what was tried since the row last came further; pauses grow with it."""
    due_at: float | None = None
    leased_at: float | None = None
    """When the worker that is about to send took the row. The outcome ends the lease; one that is still there when the
    row is due again is that of a worker that died.
    """
    sent_at: float | None = None
    """When the first request of this attempt was sent that may have had its effect."""
    created_at: float
    redriven_at: float | None = None
    """When an operator last redrove it."""
    updated_at: float
    expires_at: float
    """When DynamoDB's TTL may take the row away."""
    job_id: str | None = None
    job_index: int = 0
    together: bool = False
    """Whether the job is to create tickets for other events, too."""
    submitted_at: float | None = None
    files: int = 0
    """How many files its comment brings: they are uploaded before it is sent."""
    uploads: tuple[Upload, ...] = ()
    """What became of these files, in their order, as far as they have been tried."""
    error_code: str | None = None
    error_sentence: str | None = None
    history: tuple[Step, ...] = ()

    @model_validator(mode="after")
    def _due_exactly_while_there_is_work(self) -> Self:
        if (self.due_at is not None) != (self.state in self.working):
            raise ValueError("a row has a due_at exactly while a worker has something to do")
        return self

    @property
    def work(self) -> Work:
        if self.state == TicketState.SUBMITTED:
            return Work.JOB
        if self.lacks_files:
            return Work.FILES
        return Work.DOUBT if self.after_lease().in_doubt else Work.SEND

    @property
    def in_doubt(self) -> bool:
        """A request may have had its effect: that is looked for before anything is sent."""
        return self.sent_at is not None

    @property
    def retry_window_start(self) -> float:
        """When its retry window began."""
        return self.redriven_at or self.created_at

    @property
    def lacks_files(self) -> bool:
        """Whether files of it are to be uploaded before anything else is done."""
        return sum(upload.over for upload in self.uploads) < self.files

    def next_file(self, now: float) -> int | None:
        """The number of the first file that is to be uploaded, for the first time or again; None if all is ready."""
        for number, upload in enumerate(self.uploads):
            if upload.reason is None and upload.expires_at < now + TOKEN_MARGIN:
                return number
        return len(self.uploads) if len(self.uploads) < self.files else None

    @property
    def tokens(self) -> list[str]:
        """Of the files that are uploaded."""
        return [upload.token for upload in self.uploads if upload.token is not None]

    @property
    def if_sent(self) -> dict[str, Any]:
        """The changes that end a lease whose request had its effect, or may have had it."""
        return {"leased_at": None, "sent_at": self.sent_at or self.leased_at}

    @property
    def if_not_sent(self) -> dict[str, Any]:
        """The changes that end a lease whose request had no effect for certain."""
        return {"leased_at": None}

    def after_lease(self) -> Self:
        """As the next worker must take it: if a lease ended without an outcome, its request may have had its effect."""
        return self.model_copy(update=self.if_sent) if self.leased_at is not None else self

    def stripped(self) -> Self:
        """Without its payload, which most rows that wait for a job no longer need. Such a row is stored as what differs
        from the one before: the payload that is in the table stays there, or is dropped.
        """
        return self.model_copy(update=dict.fromkeys(PAYLOAD & type(self).model_fields.keys(), UNREAD))

    @property
    def without_payload(self) -> bool:
        return any(getattr(self, name, None) == UNREAD for name in PAYLOAD)

    def due_together(self, due_at: float | None) -> Self:
        """The same change, but due with others; not if there is nothing more to do."""
        return self.model_copy(update={"due_at": due_at}) if self.due_at is not None else self

    def moved(self, now: float, **changes: Any) -> Self:
        """The row after a change, to be stored on condition that this one is still there."""
        known = type(self).model_fields
        if unknown := changes.keys() - known:
            raise TypeError(f"a row has no {', '.join(sorted(unknown))}")
        new = {name: getattr(self, name) for name in known} | (self.model_extra or {}) | changes
        if new["state"] not in self.working:
            new |= {"due_at": None, "leased_at": None}
        step = Step(state=new["state"], at=now, attempt=new["attempt"], reason=new["error_code"])
        new |= {
            "version": self.version + 1,
            "updated_at": now,
            "expires_at": now + self._kept_for(new),
            "history": _with_step(self.history, step),
        }
        return type(self).model_validate(new)

    def _kept_for(self, new: Mapping[str, Any]) -> float:
        return RETENTION if new["state"] in self.over else UNFINISHED_RETENTION


class TicketRow(Row):
    """One partner event on its way to a ticket: one of its own, or that of its correlation."""

    working: ClassVar[frozenset[str]] = frozenset({TicketState.ACCEPTED, TicketState.SUBMITTED})
    over: ClassVar[frozenset[str]] = frozenset(TicketState) - working - {TicketState.UNMAPPED}

    state: TicketState
    partner: str
    event_id: str
    request: bytes | None = None
    """The exact body of the create request: Zendesk refuses a known key with other bytes. Absent while unmapped."""
    event: bytes | None = None
    """The raw event: until it is mapped, or for good."""
    keeps_event: bool = False
    """Whether the event outlives what it became, so that it can be mapped again, or sent to another stack."""
    event_at: str | None = None
    """The bucket and the key where the raw event is, if it is too large for the row."""
    delivery: str | None = None
    """The key of the item that keeps the delivery of several events in which it came."""
    body_digest: bytes | None = None
    """Of the event that it was claimed for, which outlives the event itself; None on rows of before."""
    ticket_id: int | None = None
    """Announced while submitted, certain when created."""
    failures: int = 0
    """Counts the jobs that came to nothing."""
    candidate_jobs: tuple[str, ...] | None = None
    """Unfinished jobs, one of which may be about to make this ticket. None until they are looked for; empty if a look
    found neither them nor the ticket.
    """
    correlation: str | None = None
    """The key of the item that tells which events are about the same thing; None for an event about nothing else."""
    leads: bool = False
    """Whether it is known that its ticket is to be that of the correlation."""
    joining: Joining | None = None
    changes: bytes | None = None
    """JSON of the changes that it wants of the correlation's ticket, if they are not its own ticket's comment."""
    joined_to: str | None = None
    """The key of the event whose ticket it went to."""
    followers: int | None = None
    """How many its request named, once it was sent: the ticket may have fewer, since only agents can be."""
    named: tuple[str, ...] | None = None
    """Properties that its request named, once it was sent, by name, or by the id of a custom field: the ticket may lack
    some, since Zendesk ignores what the account does not have.
    """

    @property
    def in_line(self) -> bool:
        """Whether it must not be sent, since its ticket may be that of another event about the same thing."""
        return self.correlation is not None and not self.leads

    def _kept_for(self, new: Mapping[str, Any]) -> float:
        # Later events find the ticket by it, be it months later.
        return UNFINISHED_RETENTION if new["leads"] else super()._kept_for(new)

    @property
    def if_over(self) -> dict[str, Any]:
        """The changes that drop what a customer wrote, which has done its work; none if the event is kept, which is
        stored by what it became.
        """
        return {} if self.keeps_event else {"event": None, "event_at": None, "request": None, "changes": None}

    @property
    def external_id(self) -> str:
        return external_id(self.partner, self.event_id)

    @property
    def if_sent(self) -> dict[str, Any]:
        """The jobs that were found before say nothing about the request that has gone out since."""
        return {**super().if_sent, "candidate_jobs": None}

    @property
    def in_doubt(self) -> bool:
        """There may be a ticket already: it is looked for before anything is sent."""
        return self.sent_at is not None or self.attempt > 1

    @property
    def lacks_files(self) -> bool:
        """An event in line needs none as yet. One in doubt is looked for before: its ticket may have them, and they may
        no longer be had.
        """
        found_nothing = self.candidate_jobs == ()
        return super().lacks_files and not self.in_line and (found_nothing or not self.after_lease().in_doubt)

    @property
    def idempotency_key(self) -> str:
        return f"{hashlib.sha256(self.pk.encode()).hexdigest()}-{self.attempt}"


class UpdateRow(Row):
    """One update that a Zendesk trigger asked for, or a partner's event about a ticket that exists."""

    working: ClassVar[frozenset[str]] = frozenset({UpdateState.ACCEPTED, UpdateState.SUBMITTED})
    over: ClassVar[frozenset[str]] = frozenset(UpdateState) - working

    state: UpdateState
    ticket_id: int
    invocation_id: str
    event: bytes | None = None
    """The webhook's body, until it has done its work: the rule or the changes, and the stamp it was decided on."""
    base: str | None = None
    """The `updated_at` of the ticket as it was first read, in place of a stamp that the webhook did not bring."""
    rest: bytes | None = None
    """What is still to be sent, decided together with a first request that landed or, while in doubt, may have."""
    leased_rest: bytes | None = None
    """What `rest` is to be if the request of this lease had its effect."""
    conflicts: int = 0
    """How often another change of the ticket came first."""
    of_event: str | None = None
    """The key of the partner's event that asks for it; None where a trigger of Zendesk's does."""

    @property
    def if_sent(self) -> dict[str, Any]:
        return {**super().if_sent, "rest": self.leased_rest, "leased_rest": None}

    @property
    def if_not_sent(self) -> dict[str, Any]:
        return {**super().if_not_sent, "leased_rest": None}

    def based_on(self, updated_at: str) -> Self:
        """The row that remembers the first reading of its ticket; stored with its next change."""
        return self if self.base is not None else self.model_copy(update={"base": updated_at})

    @property
    def marker(self) -> str:
        """What the update leaves in the ticket's audit, to be recognised by when the answer was lost."""
        return hashlib.sha256(self.pk.encode()).hexdigest()[:32]

    @property
    def marker_of_first(self) -> str:
        """The marker of the first of two requests."""
        return f"{self.marker}-first"


def _with_step(history: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """The history with a step, if that is news. The first is kept, and of the others the latest."""
    if history and history[-1].model_copy(update={"at": step.at}) == step:
        return history
    later = (*history[1:], step) if history else ()
    return (history[0] if history else step, *later[-(HISTORY_LENGTH - 1) :])


def external_id(partner: str, event_id: str) -> str:
    """The relay's own proof of identity on the ticket: readable where it fits, a hash where it does not."""
    plain = f"{partner}:{event_id}"
    if len(plain) <= EXTERNAL_ID_LIMIT:
        return plain
    return f"{partner}:sha256:{hashlib.sha256(event_id.encode()).hexdigest()}"


def body_digest(body: bytes) -> bytes:
    """By which two bodies are told apart."""
    return hashlib.sha256(body).digest()[:16]


def ticket_pk(partner: str, event_id: str) -> str:
    return f"ticket#{partner}#{event_id}"


def delivery_pk(partner: str, body: bytes) -> str:
    """By its content: a delivery that comes again is the same item."""
    return f"delivery#{partner}#{hashlib.sha256(body).hexdigest()}"


def correlation_pk(partner: str, value: str) -> str:
    """Of any value, however long and whatever it holds."""
    return f"correlation#{partner}#{hashlib.sha256(value.encode()).hexdigest()}"


def update_pk(ticket_id: int, invocation_id: str) -> str:
    return f"update#{ticket_id}#{invocation_id}"
