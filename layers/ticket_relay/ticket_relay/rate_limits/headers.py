"""The limits of single endpoints, as Zendesk's answers tell them (Tickets reference; the account's own are the gate's).

Zendesk-RateLimit-tickets-update: total=100; remaining=99; resets=41
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

UPDATES = "tickets-update"
"""Update Ticket, by the account: 100 a minute, less in a sandbox."""
UPDATES_OF_TICKET = "per-ticket-updates"
"""Update Ticket, by user and ticket: 30 in ten minutes."""

LONGEST_RETRY_AFTER = 3600.0
"""Seconds; whoever says more does not mean a duration."""

_NAME = re.compile(r"zendesk-rate-?limit-(?P<name>[a-z-]+)", re.IGNORECASE)
_VALUE = re.compile(r"total=\d+; ?remaining=(?P<remaining>\d{1,9}); ?resets=(?P<resets>\d{1,15})")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many calls are left, and in how many seconds there are more."""

    name: str
    remaining: int
    resets: float


def exhausted(headers: Mapping[str, str]) -> tuple[Limit, ...]:
    """The limits of which nothing is left."""
    return tuple(limit for limit in _read(headers) if not limit.remaining)


def _read(headers: Mapping[str, str]) -> Iterator[Limit]:
    for name, value in headers.items():
        named, said = _NAME.fullmatch(name), _VALUE.match(value)
        if named and said:
            yield Limit(named["name"].lower(), int(said["remaining"]), min(float(said["resets"]), LONGEST_RETRY_AFTER))
