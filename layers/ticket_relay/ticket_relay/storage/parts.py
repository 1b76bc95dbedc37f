"""What rows have several of, or may have: the lines of their history, their files, and what they want of a ticket."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Step(BaseModel):
    """One line of a row's history: what it came to, when (epoch seconds), and why."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    state: str
    at: float
    attempt: int = 1
    reason: str | None = None


class Upload(BaseModel):
    """One file of the comment: Zendesk has it under the `token` until `expires_at` (epoch seconds), or it is not to be
    had for this `reason`, a code, which the `sentence` tells people; or it is still being tried.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, defer_build=True, extra="ignore")

    token: str | None = None
    expires_at: float = 0.0
    reason: str | None = None
    sentence: str | None = None
    tries: int = 0
    """How often a worker took it up, and it did not come: in vain, or for a reason that nobody lived to write down."""
    faults: int = 0
    """How often Zendesk did not say whether it took it."""

    @property
    def over(self) -> bool:
        """It was uploaded, be it that the token has expired since, or given up."""
        return self.token is not None or self.reason is not None


class Joining(BaseModel):
    """What an event wants of the ticket of its correlation: its case's `do` and policies (definitions/models.py)."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore")

    do: Literal["create", "update", "solve"]
    again: Literal["comment", "update", "ignore", "create"] = "comment"
    on_solved: Literal["reopen", "create", "follow_up"] = "reopen"
    on_closed: Literal["follow_up", "create", "ignore"] = "follow_up"
    missing: Literal["create", "ignore", "unmapped"] = "unmapped"
    wait: float = 0.0
    """Seconds for which an update waits for a ticket, before it is missing."""
