"""What comes of a check."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    """Good today, and not for ever."""
    WRONG = "wrong"
    UNCHECKED = "unchecked"
    """Not to be learned here, or not before something else is mended."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer: sentences that hold no secret. `advice` is what to do about it."""

    check: str
    status: Status
    finding: str
    advice: str | None = None


class NotGood(Exception):
    """A check's finding, if it is not a good one."""

    def __init__(self, status: Status, finding: str, advice: str | None = None) -> None:
        super().__init__(finding)
        self.status = status
        self.finding = finding
        self.advice = advice


def wrong(finding: str, advice: str | None = None) -> NotGood:
    return NotGood(Status.WRONG, finding, advice)


def unchecked(finding: str) -> NotGood:
    return NotGood(Status.UNCHECKED, finding)
