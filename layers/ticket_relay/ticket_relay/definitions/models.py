"""What a definition holds: a partner, or an update rule."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ticket_relay.webhooks import scheme as schemes
from ticket_relay.webhooks.presets import NAMES, PRESETS
from ticket_relay.zendesk.file_values import MAX_ATTACHMENTS
from ticket_relay.zendesk.ticket_models import RESERVED, TicketChanges, TicketCreate


def is_operator(key: str) -> bool:
    """Whether a key makes its object an expression of JSON-e. `$$` escapes, and `${` begins an interpolation."""
    return key.startswith("$") and not key.startswith(("$$", "${"))


def _known_scheme(scheme: str) -> str:
    if scheme not in NAMES:
        raise PydanticCustomError("unknown_scheme", "must be one of {schemes}", {"schemes": ", ".join(sorted(NAMES))})
    return scheme


def _wrong(fields: dict[str, str]) -> PydanticCustomError:
    """What is wrong, by field: the build names the line of each."""
    return PydanticCustomError("fields", "{named}", {"fields": fields, "named": ", ".join(fields)})


def _fields_of(model: type[BaseModel]) -> AfterValidator:
    """Check the literal top-level keys of a template; operators and interpolated keys show only when rendered."""

    def check(template: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if any(map(is_operator, template)):
            return template
        wrong = {
            key: "is set by the relay alone" if key in RESERVED else "unknown field"
            for key in template
            if key not in model.model_fields and "${" not in key
        }
        if wrong:
            raise _wrong(wrong)
        return template

    return AfterValidator(check)


NAME = r"^[a-z][a-z0-9-]{0,62}$"
"""Of partners and rules: they are names of files and parts of addresses."""

type Name = Annotated[str, StringConstraints(pattern=NAME)]
type Scheme = Annotated[str, AfterValidator(_known_scheme)]
type Expression = Annotated[str, StringConstraints(pattern=r"\S")]
type HostName = Annotated[
    str,
    StringConstraints(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$"),
]
type OnConflict = Literal["reapply", "merge", "skip"]
type OnClosed = Literal["fail", "follow_up"]


class _Definition(BaseModel):
    # Built at the first use: a function has partners or rules, never both.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


type TicketTemplate = Annotated[dict[str, JsonValue], _fields_of(TicketCreate)]
type ChangesTemplate = Annotated[dict[str, JsonValue], _fields_of(TicketChanges)]


class CustomField(_Definition):
    """What the build knows of a custom field: its title, its type as Zendesk calls it, and its options' tags."""

    title: str
    type: str
    options: frozenset[str] = frozenset()


type CustomFields = dict[int, CustomField]
"""By id: the fields that a definition sets. Written by the build where it has a catalogue, and never by a person."""


class FormNeeds(_Definition):
    """The fields without which a form cannot be sent, and those without which its ticket cannot be solved: titles by
    id.
    """

    title: str
    needs: dict[int, str] = {}
    to_solve: dict[int, str] = {}


type FormsNeeds = dict[int, FormNeeds]
"""By id: the forms that a definition names, as far as they need something. Written by the build, too."""


class Missing(_Definition):
    """How many seconds an update waits for the event that makes its ticket, and what becomes of it then."""

    wait: Annotated[float, Field(ge=0, le=7 * 24 * 3600)] = 600
    then: Literal["create", "ignore", "unmapped"] = "unmapped"


def _missing(value: object) -> object:
    return {} if value == "wait" else value


class Case(_Definition):
    """What becomes of the events for which `when` holds, and no earlier case.

    `create` makes a `ticket`. Where events correlate, it does so only if the thing that they are about has none; if it
    has, `again` says what to do while that is open, `on_solved` and `on_closed` what to do then. `update` changes the
    ticket of the thing, `solve` solves it as well, and `missing` says what to do if there is none. `changes` are those
    of an update rule, made from the event alone. `sample` is the path of an event that the case is for.
    """

    when: Expression | None = None
    do: Literal["create", "update", "solve", "ignore"]
    sample: str | None = None
    ticket: TicketTemplate | None = None
    changes: ChangesTemplate | None = None
    again: Literal["comment", "update", "ignore", "create"] | None = None
    on_solved: Literal["reopen", "create", "follow_up"] | None = None
    on_closed: Literal["follow_up", "create", "ignore"] | None = None
    missing: Annotated[Missing, BeforeValidator(_missing)] | None = None

    @property
    def policies(self) -> dict[str, Any]:
        """Those that were chosen, or are the default and not everybody's: a solved thing needs no follow-up."""
        chosen = {name: getattr(self, name) for name in ("again", "on_solved", "on_closed")}
        if self.do in _CHANGING:
            missing = self.missing or Missing()
            chosen |= {"missing": missing.then, "wait": missing.wait}
        if self.do == "solve":
            chosen["on_closed"] = self.on_closed or "ignore"
        return {name: value for name, value in chosen.items() if value is not None}

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        may_create = self.do == "create" or self.on_closed == "create" or (self.missing or Missing()).then == "create"
        may_change = self.do in _CHANGING or self.again == "update"
        wrong = {}
        if may_create and self.ticket is None:
            wrong["ticket"] = "is missing: this case may create one"
        if not may_create and self.ticket is not None:
            wrong["ticket"] = "is of no use: this case creates none"
        if may_change and self.changes is None and self.do != "solve":
            wrong["changes"] = "is missing"
        if not may_change and self.changes is not None:
            wrong["changes"] = "is of no use without do: update, do: solve or again: update"
        for name in ("again", "on_solved"):
            if getattr(self, name) is not None and self.do != "create":
                wrong[name] = "goes with do: create"
        if self.missing is not None and self.do not in _CHANGING:
            wrong["missing"] = "goes with do: update or do: solve"
        if self.do == "ignore" and self.on_closed is not None:
            wrong["on_closed"] = "goes with what has a ticket"
        if wrong:
            raise _wrong(wrong)
        return self


def _brings_files(case: Case) -> bool:
    """As far as the templates spell it."""
    comments = [template.get("comment") for template in (case.ticket, case.changes) if template]
    return any(isinstance(comment, dict) and "attachments" in comment for comment in comments)


_CHANGING = frozenset({"update", "solve"})
_POLICIES = ("again", "on_solved", "on_closed", "missing")


class Attachments(_Definition):
    """Which files the partner's events may bring.

    `hosts` may be fetched from, by name; `*.` before one stands for any name below it. `types` are those that a file
    may have (attachments/content_types.py). A file has at most `max_mb`, and a comment at most so many: `most`.
    """

    hosts: tuple[HostName, ...] = ()
    types: Annotated[tuple[str, ...], Field(min_length=1)]
    max_mb: Annotated[float, Field(gt=0, le=50)] = 20
    most: Annotated[int, Field(ge=1, le=MAX_ATTACHMENTS)] = 10


class PartnerDefinition(_Definition):
    """A partner: how it signs, and what becomes of its events, by JSON-e templates.

    Either `events`, cases of which the first that fits decides; or, in short, the `ticket` that each event becomes for
    which `when` holds. An event for which nothing holds is ignored. `correlate` names the thing that an event is about:
    a text or a number, or null where it is about nothing else. `split` is a list in the event, each item of which is an
    event with the `id`.

    All templates see `event` (the parsed body), `item` (if it is split), `delivery` (`id`, `timestamp` in epoch
    seconds) and `now`, which is the delivery's time. `sample` is the path, from the definitions' folder, of an event
    that becomes a ticket. The schemes `hmac`, `bearer` and `basic` have their settings under their own names.
    """

    partner: Name
    scheme: Scheme
    hmac: schemes.Hmac | None = None
    bearer: schemes.Bearer | None = None
    basic: schemes.Basic | None = None
    sample: str
    split: JsonValue | None = None
    id: str | None = None
    correlate: JsonValue | None = None
    attachments: Attachments | None = None
    when: Expression | None = None
    ticket: TicketTemplate | None = None
    events: Annotated[tuple[Case, ...], Field(min_length=1)] | None = None
    fields_set: CustomFields = {}
    forms_set: FormsNeeds = {}

    @property
    def cases(self) -> Sequence[Case]:
        """The short form is one case."""
        return self.events or (Case(when=self.when, do="create", ticket=self.ticket),)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        wrong = {}
        if self.ticket is None and self.events is None:
            wrong["ticket"] = "is missing: or give events"
        for name in ("when", "ticket"):
            if getattr(self, name) is not None and self.events is not None:
                wrong[name] = "belongs into one of the events"
        if self.attachments is None and any(_brings_files(case) for case in self.cases):
            wrong["attachments"] = "is missing: it says which files may be fetched, and from where"
        if (self.split is None) != (self.id is None):
            wrong["id"] = "goes with split, and split with it"
        if self.correlate is None and any(
            case.do in _CHANGING or any(getattr(case, name) is not None for name in _POLICIES)
            for case in self.events or ()
        ):
            wrong["correlate"] = "is missing: it says which ticket a later event is for"
        if wrong:
            raise _wrong(wrong)
        return self

    @model_validator(mode="after")
    def _settings_are_those_of_the_scheme(self) -> Self:
        given = {"hmac": self.hmac, "bearer": self.bearer, "basic": self.basic}
        wrong = {name: f"is for scheme {name}" for name, way in given.items() if way and name != self.scheme}
        if self.scheme == "hmac" and self.hmac is None:
            wrong["hmac"] = "is missing"
        if wrong:
            raise _wrong(wrong)
        return self

    @property
    def signature(self) -> schemes.Scheme:
        """How its deliveries are signed."""
        way = self.hmac or self.bearer or self.basic
        return schemes.Scheme((way,)) if way else PRESETS[self.scheme]


class RuleSample(_Definition):
    """Paths, from the definitions' folder, of a webhook's body and of a ticket, for which the condition holds."""

    event: str
    ticket: str


class _Policies(_Definition):
    """What to do where the ticket is not as it was when the trigger fired.

    `on_conflict`, if others changed it: decide again on the newer ticket; do so only if they did not change what these
    changes set; or leave the ticket alone. `on_closed`: fail, or create a follow-up ticket from the changes.
    """

    on_conflict: OnConflict = "reapply"
    on_closed: OnClosed = "fail"


class UpdateRule(_Policies):
    """A rule: a JSON-e template from a fresh `ticket` and the webhook's body, `event`, to changes of the ticket.

    `when` is a JSON-e expression: where it does not hold, nothing is changed. `now` is the ticket's `updated_at`.

    With `sweep` it is applied to every ticket that changes, whether or not a webhook tells of it. What the ticket is
    must decide then, and not what has just happened to it: so `when` must no longer hold once the changes are applied,
    and of `event` there is no more than the rule's name and the ticket's id.
    """

    rule: Name
    sample: RuleSample
    when: Expression | None = None
    changes: ChangesTemplate
    sweep: Annotated[bool, Field(strict=True)] = False
    fields_set: CustomFields = {}

    @model_validator(mode="after")
    def _may_be_swept(self) -> Self:
        wrong = {}
        if self.sweep and self.when is None:
            wrong["sweep"] = "needs when, to tell which tickets have the changes already"
        if self.sweep and self.on_conflict != "reapply":
            wrong["on_conflict"] = "must be reapply with sweep: a sweep knows of no moment from which others count"
        if self.sweep and self.on_closed != "fail":
            wrong["on_closed"] = "must be fail with sweep: a closed ticket would be followed up each time it is seen"
        if wrong:
            raise _wrong(wrong)
        return self


class LiteralChanges(_Policies):
    """Changes that a webhook's body holds itself, as they are: nothing in them is code."""

    changes: dict[str, Any]
