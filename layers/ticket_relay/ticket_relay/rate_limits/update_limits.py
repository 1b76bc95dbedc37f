"""When Zendesk's limit of updates of one ticket allows the next one: what is known to be used up is not tried.

Shared through the table. The account's limit of updates is the gate's.
"""

from collections.abc import Iterable
from contextlib import suppress

from ticket_relay.storage.dynamodb import ConditionFailed, Table

KEPT_FOR = 3600
"""Seconds after which TTL may take what is long over."""


class UpdateLimits:
    """Raises StoreUnavailable."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def closed_until(self, ticket_ids: Iterable[int], now: float) -> dict[int, float]:
        """Of these tickets, those that may not be updated now, and until when. One read for a hundred."""
        tickets = {_pk(ticket_id): ticket_id for ticket_id in ticket_ids}
        items = self._table.get_many(tickets)
        return {tickets[item["pk"]]: item["closed_until"] for item in items if item["closed_until"] > now}

    def close(self, ticket_id: int, until: float) -> None:
        """No updates of this ticket until then, or for longer if another worker was told a later time."""
        with suppress(ConditionFailed):
            self._table.update(
                _pk(ticket_id),
                "SET closed_until = :until, expires_at = :gone",
                only_if="attribute_not_exists(closed_until) OR closed_until < :until",
                given={":until": until, ":gone": int(until) + KEPT_FOR},
            )


def _pk(ticket_id: int) -> str:
    return f"limit#updates#{ticket_id}"
