"""What Zendesk takes: the properties of a ticket that a definition may set, on creation and on update.

From the TicketObject of Zendesk's OpenAPI file, its Tickets reference, and "Creating and updating tickets". Zendesk
answers 2xx and drops what it does not know, so everything unknown is refused here. What only the relay may say is in
RESERVED and in none of the models.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk.file_values import as_many_as_go, file_name, media_type, refused_if_long
from ticket_relay.zendesk.request_body import encoded

RESERVED = frozenset({"external_id", "safe_update", "updated_stamp"})

MAX_REQUEST = 300 * 1024
"""Bytes of one request. A row keeps them, and DynamoDB takes 400 KB a row; Zendesk publishes no limit of its own."""

MARKER = "ticket_relay"
MARKER_LENGTH = 32
"""What the relay leaves in an update's metadata, to recognise it by."""

MAX_EMAIL_CCS = 48
MAX_METADATA = 1024
"""Bytes of JSON for one audit: "1 kB". Whether Zendesk counts UTF-8 or its own escapes is not published."""


def _id(value: object) -> object:
    """An interpolated number is a text of digits; Zendesk's own events and examples give ids as texts, too."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20 else value


def normal_tag(tag: str) -> str:
    """Lower case, no blanks: so tags can be compared. What Zendesk makes of others is not published."""
    return "_".join(tag.lower().split())


def _date_time(text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is not an ISO 8601 date and time") from None  # fromisoformat's own message quotes the text
    return text


def metadata_size(metadata: Mapping[str, object]) -> int:
    """Bytes that it takes at most, however Zendesk counts: escaped, no character is shorter than in UTF-8.

    Raises ValueError for a number that is infinite.
    """
    return len(json.dumps(metadata, separators=(",", ":"), allow_nan=False))


def _size(metadata: Mapping[str, object]) -> int:
    try:
        return metadata_size(metadata)
    except ValueError:
        raise ValueError("holds a number that is infinite") from None


def _small(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if _size(metadata) > MAX_METADATA:
        raise ValueError("is larger than the 1 kilobyte that Zendesk keeps with an audit")
    return metadata


def _small_beside_marker(metadata: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if MARKER in metadata:
        raise ValueError(f"holds {MARKER}, which is set by the relay alone")
    if _size(metadata | {MARKER: "0" * MARKER_LENGTH}) > MAX_METADATA:
        raise ValueError("leaves the relay's marker no room in the 1 kilobyte that Zendesk keeps with an audit")
    return metadata


type Id = Annotated[int, BeforeValidator(_id), Field(strict=True, gt=0, lt=2**63)]
type Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$", max_length=254)]
type Text = Annotated[str, StringConstraints(pattern=r"\S")]
type Tag = Annotated[str, AfterValidator(normal_tag), Field(min_length=1)]
type DateTime = Annotated[str, AfterValidator(_date_time)]
type Metadata = Annotated[dict[str, JsonValue], AfterValidator(_small)]
type MarkedMetadata = Annotated[dict[str, JsonValue], AfterValidator(_small_beside_marker)]
type ListOf[T] = Annotated[list[T], FailFast()]
"""Judged up to its first wrong item: a hundred thousand of them would be a second and 400 MB of errors."""
type FieldValue = (
    str
    | StrictBool
    | Annotated[int, Field(strict=True)]
    | Annotated[float, Field(strict=True, allow_inf_nan=False)]
    | ListOf[str]
    | None
)


class _Strict(BaseModel):
    # Each model is built at its first use: no function uses them all, and building them is much of a cold start.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class Comment(_Strict):
    """A comment. Without `public` it is as public as the ticket's first one, which is public.

    Zendesk strips HTML from `body`. `uploads` are upload tokens.
    """

    body: Text | None = None
    html_body: Text | None = None
    public: StrictBool | None = None
    author_id: Id | None = None
    uploads: ListOf[str] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.body is None and self.html_body is None:
            raise ValueError("needs body or html_body")
        return self


class Attachment(_Strict):
    """A file for the comment: at a `url`, or its content in `base64`. The relay uploads it, and Zendesk sees its token.

    `content_type` is needed with `base64`; of what is at a URL the server may say it. Without a file that is `required`
    there is no ticket; without another, an internal note says so.

    A definition must name what is needed. What an event then says is judged when the file is brought, and costs that
    file alone (attachments/policy.py).
    """

    url: Annotated[str, AfterValidator(refused_if_long)] | None = None
    base64: str | None = None
    kept_at: SkipJsonSchema[str | None] = None
    """Where the relay has put its content aside. No definition may say so (create_ticket/mapping.py)."""
    filename: Annotated[str, BeforeValidator(file_name)]
    content_type: Annotated[str, AfterValidator(media_type)] | None = None
    required: StrictBool = False

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        named = self.model_fields_set
        if not named & {"url", "base64", "kept_at"} or (self.url is not None and self.base64 is not None):
            raise ValueError("needs either url or base64")
        if self.base64 is not None and "content_type" not in named:
            raise ValueError("needs a content_type beside base64")
        return self


class CommentWithFiles(Comment):
    """A comment as a partner's event may make it: `attachments` become `uploads` when it is sent."""

    attachments: Annotated[ListOf[Attachment], BeforeValidator(as_many_as_go)] | None = None


class Requester(_Strict):
    """A user by e-mail address, made if there is none; everything but the address is used only then."""

    email: Email
    name: Text | None = None
    locale: str | None = None
    locale_id: Id | None = None
    organization_id: Id | None = None
    role: Literal["end-user", "agent", "admin"] | None = None
    verified: StrictBool | None = None


class Collaborator(_Strict):
    """A legacy CC by name and e-mail address."""

    email: Email
    name: str | None = None


class Follower(_Strict):
    """An agent, to be added (`put`, the default) or removed. Zendesk ignores anybody else, and makes no user of it."""

    user_id: Id | None = None
    user_email: Email | None = None
    action: Literal["put", "delete"] | None = None

    @model_validator(mode="after")
    def _is_somebody(self) -> Self:
        if self.user_id is None and self.user_email is None:
            raise ValueError("needs user_id or user_email")
        return self


class EmailCc(Follower):
    """A user, to be added or removed; one that there is not yet is made, with `user_name`."""

    user_name: str | None = None


class CustomField(_Strict):
    """A value for the field `id`: text, number, checkbox, date `YYYY-MM-DD`, an option's tag, or a list of them."""

    id: Id
    value: FieldValue


class _Properties(_Strict):
    """What both a creation and an update may set."""

    subject: str | None = None
    raw_subject: str | None = None
    comment: Comment | None = None
    requester: Email | Id | Requester | None = None
    requester_id: Id | None = None
    assignee_id: Id | None = None
    assignee_email: Email | None = None
    organization_id: Id | None = None
    group_id: Id | None = None
    brand_id: Id | None = None
    problem_id: Id | None = None
    ticket_form_id: Id | None = None
    custom_status_id: Id | None = None
    priority: Literal["urgent", "high", "normal", "low"] | None = None
    type: Literal["problem", "incident", "question", "task"] | None = None
    status: Literal["new", "open", "pending", "hold", "solved", "closed"] | None = None
    due_at: DateTime | None = None
    custom_fields: ListOf[CustomField] | None = None
    collaborators: ListOf[Email | Id | Collaborator] | None = None
    additional_collaborators: ListOf[Email | Id | Collaborator] | None = None
    collaborator_ids: ListOf[Id] | None = None
    followers: ListOf[Follower] | None = None
    email_ccs: Annotated[ListOf[EmailCc], Field(max_length=MAX_EMAIL_CCS)] | None = None
    metadata: Metadata | None = None
    attribute_value_ids: ListOf[str] | None = None
    sharing_agreement_ids: ListOf[Id] | None = None
    macro_id: Id | None = None
    macro_ids: ListOf[Id] | None = None

    def given(self) -> dict[str, Any]:
        """What was set, and nothing that was merely left at its default, as plain JSON values."""
        return self.model_dump(mode="json", exclude_unset=True)


class TicketCreate(_Properties):
    """The `ticket` of Create Ticket. Needs a `comment`, or a `description`, which creation takes in its place.

    Only here: the submitter is the author of the first comment, a follow-up is born with its source, and the channel
    (`via`, `recipient`) is that of the beginning. A requester without a name gets one, since "a name and email are
    required" for a new user; one that there is already keeps its own.
    """

    comment: CommentWithFiles | None = None
    description: Text | None = None
    tags: ListOf[Tag] | None = None
    submitter: Email | Id | None = None
    submitter_id: Id | None = None
    recipient: str | None = None
    via: dict[str, JsonValue] | None = None
    via_id: Id | None = None
    via_followup_source_id: Id | None = None

    @field_validator("requester")
    @classmethod
    def _has_a_name(cls, requester: str | int | Requester | None) -> int | Requester | None:
        """The address's local part, from which Zendesk names an e-mail CC, too."""
        if isinstance(requester, str):
            requester = Requester(email=requester)
        if isinstance(requester, Requester) and requester.name is None:
            return requester.model_copy(update={"name": requester.email.partition("@")[0]})
        return requester

    @field_validator("due_at")
    @classmethod
    def _is_of_a_task(cls, due_at: str | None, info: ValidationInfo) -> str | None:
        if due_at is not None and info.data.get("type", "task") != "task":
            raise ValueError("needs type: task, or Zendesk drops it")
        return due_at

    @field_validator("followers", "email_ccs")
    @classmethod
    def _adds(cls, watchers: list[Follower] | None) -> list[Follower] | None:
        if any(watcher.action == "delete" for watcher in watchers or ()):
            raise ValueError("holds action: delete, but a new ticket has nobody to remove")
        return watchers

    @field_validator("email_ccs")
    @classmethod
    def _can_be_seen(cls, email_ccs: list[EmailCc] | None, info: ValidationInfo) -> list[EmailCc] | None:
        comment = info.data.get("comment")
        if email_ccs and comment is not None and comment.public is False:
            raise ValueError("does not go together with an internal note: Zendesk drops one's e-mail CCs")
        return email_ccs

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.comment is None and self.description is None:
            raise ValueError("needs a comment, or a description")
        return self


class TagChanges(_Strict):
    """Tags to add to the ticket's own and to remove from them. Zendesk's `tags` would replace them all."""

    add: ListOf[Tag] = []
    remove: ListOf[Tag] = []

    @model_validator(mode="after")
    def _does_not_contradict_itself(self) -> Self:
        if set(self.add) & set(self.remove):
            raise ValueError("adds and removes the same tag")
        return self


class CollaboratorChanges(_Strict):
    """The collaborators that a ticket is to have, and no others (`replace`); or those that it is to lose (`remove`),
    by id, since a ticket shows them as ids alone.
    """

    replace: ListOf[Email | Id | Collaborator] | None = None
    remove: ListOf[Id] | None = None

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if (self.replace is None) == (self.remove is None):
            raise ValueError("needs either replace or remove")
        return self


class TicketChanges(_Properties):
    """The changes of one update, before they meet a ticket.

    The relay leaves a marker of its own in the metadata. Lists of collaborators, by whichever of their three names,
    are added; only `replace` and `remove` take somebody away.
    """

    metadata: MarkedMetadata | None = None
    tags: TagChanges | None = None
    collaborators: ListOf[Email | Id | Collaborator] | CollaboratorChanges | None = None  # type: ignore[assignment]  # wider

    @model_validator(mode="after")
    def _sets_its_people_once(self) -> Self:
        others = (self.additional_collaborators, self.collaborator_ids, self.followers, self.email_ccs)
        if isinstance(self.collaborators, CollaboratorChanges) and any(others):
            # Which of them Zendesk takes last is not published.
            raise ValueError(
                "collaborators: replace and remove go without followers, email_ccs and other collaborators"
            )
        return self


class EventChanges(TicketChanges):
    """The changes that a partner's event makes, whose comment may bring files."""

    comment: CommentWithFiles | None = None


def attachments_of(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The attachments of the comment in a ticket's properties or changes, as plain JSON values."""
    return (properties.get("comment") or {}).get("attachments") or []


def uploaded(properties: dict[str, Any], tokens: Sequence[str]) -> dict[str, Any]:
    """The properties as Zendesk takes them: the comment's attachments are the uploads with these tokens."""
    if "attachments" not in (properties.get("comment") or {}):
        return properties
    comment = {name: value for name, value in properties["comment"].items() if name != "attachments"}
    uploads = [*(comment.get("uploads") or ()), *tokens]
    return properties | {"comment": comment | ({"uploads": uploads} if uploads else {})}


def to_request(ticket: TicketCreate, external_id: str) -> bytes:
    """The bytes of Create Ticket's body. The same ticket gives the same bytes: the idempotency key demands it.

    Raises MappingFailed (`ticket_invalid`) if they are more than MAX_REQUEST.
    """
    properties = ticket.given() | {"external_id": external_id}
    try:
        request = encoded({"ticket": properties})
    except ValueError:
        raise MappingFailed("ticket_invalid", "ticket: holds a number that is infinite.") from None
    if len(request) > MAX_REQUEST:
        raise MappingFailed("ticket_invalid", f"ticket: is larger than {MAX_REQUEST // 1024} KiB.")
    return request
