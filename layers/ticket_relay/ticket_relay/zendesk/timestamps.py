"""Zendesk's moments: what a trigger's placeholder may say, and what a safe update must be sent.

`{{ticket.updated_at_with_timestamp}}` is documented to the minute (`2013-12-12T05:35Z`), its sibling for the due date
with an offset (`+0100`); event subscriptions show nine digits of fraction; the API keeps whole seconds, in UTC.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_ISO = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ](?P<minute>[0-9]{2}:[0-9]{2})"
    r"(?P<second>:[0-9]{2})?(?P<fraction>[.,][0-9]{1,32})?(?P<zone>[Zz]|[+-][0-9]{2}(:?[0-9]{2})?)"
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment in UTC. If not `precise`, it is the beginning of the minute that was meant; the seconds are unknown."""

    instant: datetime
    precise: bool


def parse(text: object) -> Stamp | None:
    """Read any rendering of a moment; None for garbage, which includes a time without a zone."""
    match = _ISO.fullmatch(text) if isinstance(text, str) else None
    if match is None or (match["fraction"] and not match["second"]):
        return None
    fraction = (match["fraction"] or "")[:7]
    try:
        # OverflowError: a zone can push the first and the last day out of the calendar.
        moment = datetime.fromisoformat(
            f"{match['day']}T{match['minute']}{match['second'] or ''}{fraction}{match['zone'].upper()}"
        ).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return Stamp(moment, precise=match["second"] is not None)


def exact(stamp: Stamp) -> str:
    """The stamp as `updated_stamp` takes it: whole seconds, UTC; if it is not precise, the minute's first second."""
    return f"{stamp.instant.replace(tzinfo=None, microsecond=0).isoformat()}Z"


def covers(stamp: Stamp, updated_at: object) -> bool:
    """Whether a ticket last updated at `updated_at` (the API's text) is still the ticket that was stamped.

    To the second where the stamp has seconds, else anywhere in its minute: two updates within that span cannot be told
    apart. A later `updated_at`, or one that cannot be read, is a conflict already.
    """
    current = parse(updated_at)
    if current is None:
        return False
    span = timedelta(seconds=1) if stamp.precise else timedelta(minutes=1)
    return current.instant < stamp.instant.replace(microsecond=0) + span
