"""Rate limits as Zendesk's answers tell them (rate-limits page; Tickets reference).

Zendesk-RateLimit-tickets-update: total=100; remaining=99; resets=41
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

CREATE = "ticket-request-create-by-user-and-ip"
"""Create Ticket, by user and address: 300 a minute (recorded in 2024; the reference does not name it)."""
INDEX = "tickets-index"
"""List Tickets, which looking for a ticket by its external_id uses, too: 100 a minute."""
UPDATES = "tickets-update"
"""Update Ticket, by the account: 100 a minute, less in a sandbox."""
UPDATES_OF_TICKET = "per-ticket-updates"
"""Update Ticket, by user and ticket: 30 in ten minutes."""
EXPORT = "incremental-exports"
"""Incremental exports: 10 a minute (Incremental Exports). The header of those by cursor has `-cursor` behind it."""

ACCOUNT = "account"
"""All requests of the account: 200 to 2,500 a minute. Its headers have names of their own (rate limits)."""

DEFAULT_RETRY_AFTER = 10.0
"""Where a 429 does not say: what Zendesk's own Ruby client waits."""
LONGEST_RETRY_AFTER = 3600.0
"""Seconds; a larger value is no duration."""

_NAME = re.compile(r"zendesk-rate-?limit-(?P<name>[a-z-]+)", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,9}")
_VALUE = re.compile(r"total=(?P<total>\d{1,9}); ?remaining=(?P<remaining>\d{1,9}); ?resets=(?P<resets>\d{1,15})")


@dataclass(frozen=True, slots=True)
class Limit:
    """How many of `total` calls are left, and in how many seconds there are more."""

    name: str
    total: int
    remaining: int
    resets: float


def limits(headers: Mapping[str, str]) -> tuple[Limit, ...]:
    """What an answer says of the limits that its call counted towards."""
    return (*_of_account(headers), *_of_endpoints(headers))


def _of_account(headers: Mapping[str, str]) -> Iterator[Limit]:
    total, remaining, resets = (headers.get(f"ratelimit-{name}", "") for name in ("limit", "remaining", "reset"))
    if _NUMBER.fullmatch(total) and _NUMBER.fullmatch(remaining) and _NUMBER.fullmatch(resets):
        yield Limit(ACCOUNT, int(total), int(remaining), min(float(resets), LONGEST_RETRY_AFTER))


def _of_endpoints(headers: Mapping[str, str]) -> Iterator[Limit]:
    for name, value in headers.items():
        named, said = _NAME.fullmatch(name), _VALUE.match(value)
        if named and said:
            resets = min(float(said["resets"]), LONGEST_RETRY_AFTER)
            yield Limit(_known(named["name"].lower()), int(said["total"]), int(said["remaining"]), resets)


def _known(name: str) -> str:
    return EXPORT if name.startswith(EXPORT) else name


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait; the header may also be an HTTP date (RFC 9110)."""
    given = headers.get("Retry-After", "")
    try:
        seconds = float(given)
    except ValueError:
        moment = http_date(given)
        seconds = math.nan if moment is None else moment - time.time()
    return DEFAULT_RETRY_AFTER if math.isnan(seconds) else min(max(seconds, 1.0), LONGEST_RETRY_AFTER)


def http_date(text: str) -> float | None:
    """The moment in epoch seconds; None for garbage."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None
