"""What a Zendesk trigger sends: which ticket, which rule (or literal changes), as of when, and who did it.

Placeholders render as text and may be empty (`{{current_user.id}}` in an automation): ids are text, number or nothing.
"""

from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ticket_relay.definitions import loader
from ticket_relay.definitions.models import LiteralChanges, OnClosed, OnConflict, UpdateRule
from ticket_relay.errors import MappingFailed, PayloadRefused
from ticket_relay.update_ticket import rules
from ticket_relay.update_ticket.rules import Decider


def _digits(value: object) -> object:
    if isinstance(value, str):
        text = value.strip()
        if not text:
            return None
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else value
    return value


type Id = Annotated[int, Field(strict=True, gt=0, lt=2**63)]


class UpdateRequest(BaseModel):
    """The webhook's body. What it holds beyond these fields is for the rule, as `event`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    ticket_id: Annotated[Id, BeforeValidator(_digits)]
    updated_at: str | None = None
    actor_id: Annotated[Id | None, BeforeValidator(_digits)] = None
    rule: str | None = None
    changes: dict[str, Any] | None = None
    on_conflict: OnConflict | None = None
    on_closed: OnClosed | None = None

    @model_validator(mode="after")
    def _says_what_to_do(self) -> Self:
        if (self.rule is None) == (self.changes is None):
            raise ValueError("needs either rule or changes")
        return self

    @field_validator("on_conflict", "on_closed")
    @classmethod
    def _stands_beside_changes(cls, policy: str | None, info: ValidationInfo) -> str | None:
        if policy is not None and info.data.get("rule") is not None:
            raise ValueError("is for the rule to say")
        return policy

    @property
    def decider(self) -> Decider:
        """Raises MappingFailed where the rule is not defined (any more)."""
        if self.changes is not None:
            policies = {"on_conflict": self.on_conflict, "on_closed": self.on_closed}
            return LiteralChanges(changes=self.changes, **{name: said for name, said in policies.items() if said})
        rule = loader.rules().get(self.rule or "")
        if rule is None:
            raise MappingFailed("unknown_rule", "There is no update rule of this name.")
        return rule


def read_request(event: dict[str, Any]) -> UpdateRequest:
    """The request in a parsed body. Raises PayloadRefused."""
    try:
        return UpdateRequest.model_validate(event)
    except ValidationError as error:
        fields = ", ".join(sorted({str(problem["loc"][0]) if problem["loc"] else "rule" for problem in error.errors()}))
        raise PayloadRefused("update_malformed", f"The body is not an update request; look at: {fields}.") from None


def checked(request: UpdateRequest, event: dict[str, Any]) -> UpdateRequest:
    """Refuse what no retry can fix: the trigger's administrator reads why in Zendesk's log. Raises PayloadRefused."""
    try:
        if not isinstance(request.decider, UpdateRule):
            rules.decide(request.decider, {}, event)
    except MappingFailed as error:
        raise PayloadRefused(error.code, error.sentence) from None
    return request
