"""The result of a check."""

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    """Good today, but it will not stay so."""
    WRONG = "wrong"
    UNCHECKED = "unchecked"
    """Cannot be checked from here, or not before something else is fixed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the output: sentences that hold no secret. `advice` says what to do."""

    check: str
    status: Status
    finding: str
    advice: str | None = None


class NotGood(Exception):
    """A check's finding, if it is not good."""

    def __init__(self, status: Status, finding: str, advice: str | None = None) -> None:
        super().__init__(finding)
        self.status = status
        self.finding = finding
        self.advice = advice


def wrong(finding: str, advice: str | None = None) -> NotGood:
    return NotGood(Status.WRONG, finding, advice)


def unchecked(finding: str) -> NotGood:
    return NotGood(Status.UNCHECKED, finding)
