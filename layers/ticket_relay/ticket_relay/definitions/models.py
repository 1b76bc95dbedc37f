"""What a definition holds: a partner, or an update rule."""

import json
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    JsonValue,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ticket_relay.webhooks import scheme as schemes
from ticket_relay.webhooks.presets import NAMES, PRESETS
from ticket_relay.zendesk.ticket_models import RESERVED, MarkedMetadata, TicketChanges, TicketCreate

_METADATA = TypeAdapter[dict[str, JsonValue]](MarkedMetadata)


def is_operator(key: str) -> bool:
    """Whether a key makes its object an expression of JSON-e. `$$` escapes, and `${` begins an interpolation."""
    return key.startswith("$") and not key.startswith(("$$", "${"))


def _known_scheme(scheme: str) -> str:
    if scheme not in NAMES:
        raise PydanticCustomError("unknown_scheme", "must be one of {schemes}", {"schemes": ", ".join(sorted(NAMES))})
    return scheme


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
            raise PydanticCustomError("fields", "{named}", {"fields": wrong, "named": ", ".join(wrong)})
        return template

    return AfterValidator(check)


def _with_small_metadata(template: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Check metadata without code now; any other shows its size only when rendered."""
    metadata = template.get("metadata")
    if metadata is not None and "$" not in json.dumps(metadata):
        try:
            _METADATA.validate_python(metadata)
        except ValidationError as error:
            reason = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise PydanticCustomError(
                "fields", "{named}", {"fields": {"metadata": reason}, "named": "metadata"}
            ) from None
    return template


type Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
type Scheme = Annotated[str, AfterValidator(_known_scheme)]
type Expression = Annotated[str, StringConstraints(pattern=r"\S")]
type OnConflict = Literal["reapply", "merge", "skip"]
type OnClosed = Literal["fail", "follow_up"]


class _Definition(BaseModel):
    # Built at the first use: a function has partners or rules, never both.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class PartnerDefinition(_Definition):
    """A partner: how it signs, and a JSON-e template from its event to the `ticket` of Create Ticket.

    `when` is a JSON-e expression: an event for which it does not hold becomes no ticket. Both see `event` (the parsed
    body), `delivery` (`id`, `timestamp` in epoch seconds) and `now`, which is the delivery's time.
    `sample` is the path, from the definitions' folder, of an event that becomes a ticket. The schemes `hmac`, `bearer`
    and `basic` have their settings under their own names.
    """

    partner: Name
    scheme: Scheme
    hmac: schemes.Hmac | None = None
    bearer: schemes.Bearer | None = None
    basic: schemes.Basic | None = None
    sample: str
    when: Expression | None = None
    ticket: Annotated[dict[str, JsonValue], _fields_of(TicketCreate)]

    @model_validator(mode="after")
    def _settings_are_those_of_the_scheme(self) -> Self:
        given = {"hmac": self.hmac, "bearer": self.bearer, "basic": self.basic}
        wrong = {name: f"is for scheme {name}" for name, way in given.items() if way and name != self.scheme}
        if self.scheme == "hmac" and self.hmac is None:
            wrong["hmac"] = "is missing"
        if wrong:
            raise PydanticCustomError("fields", "{named}", {"fields": wrong, "named": ", ".join(wrong)})
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
    """

    rule: Name
    sample: RuleSample
    when: Expression | None = None
    changes: Annotated[dict[str, JsonValue], _fields_of(TicketChanges), AfterValidator(_with_small_metadata)]


class LiteralChanges(_Policies):
    """Changes that a webhook's body holds itself, as they are: nothing in them is code."""

    changes: dict[str, Any]
