"""What Zendesk says that it did not deliver. Its answer tells how many webhooks there were, and never what they said:
only a sweep makes up for them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from ticket_relay import observability
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.services import Services
from ticket_relay.zendesk.client import DROPPED, INVOCATION_PAGE
from ticket_relay.zendesk.errors import ZendeskError

MOST = 3 * INVOCATION_PAGE
"""Invocations of a webhook that are read at a time: so many are three calls, and what is beyond them is not counted."""


@dataclass(slots=True)
class Told:
    """How many were dropped, by status; and by webhook until when that is known (epoch seconds)."""

    statuses: Counter[str] = field(default_factory=Counter)
    until: dict[str, float] = field(default_factory=dict)


def told_since(services: Services, webhook_ids: Iterable[str], known: Mapping[str, float], by: Deadline) -> Told:
    """What was dropped of each webhook after the time until which it is known; of a new one nothing, to begin with.

    What Zendesk does not answer is asked the next time. Raises StoreUnavailable.
    """
    told = Told()
    with services.gate.permit(by) as permit:
        if permit.closed_until is not None:
            return told
        for webhook_id in webhook_ids:
            try:
                _add(told, services, webhook_id, known.get(webhook_id), permit)
            except ZendeskError as error:
                extra = {"webhook_id": webhook_id, "reason": error.code}
                observability.logger().warning("invocations not known", extra=extra)
    return told


def _add(told: Told, services: Services, webhook_id: str, known: float | None, permit: Permit) -> None:
    if known is None:
        told.until[webhook_id] = services.now()
        return
    until, statuses = known, Counter[str]()
    for invocation in islice(services.zendesk.invocations(webhook_id, permit), MOST):
        if invocation.at is None:
            continue  # It is under way.
        if invocation.at <= known:
            break
        until = max(until, invocation.at)
        if invocation.status in DROPPED:
            statuses[invocation.status] += 1
    told.statuses += statuses
    told.until[webhook_id] = until
