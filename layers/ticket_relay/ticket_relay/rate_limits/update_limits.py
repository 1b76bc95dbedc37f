"""When Zendesk's limits of updates allow the next one: of one ticket, and of the account.

What is known to be used up is not tried. Shared through the table, like the gate, which closes for everything; these
let creates and other tickets go on.
"""

from collections.abc import Iterable
from contextlib import suppress

from ticket_relay.rate_limits.headers import UPDATES, UPDATES_OF_TICKET, Limit
from ticket_relay.storage.dynamodb import ConditionFailed, Table

_OF_THE_ACCOUNT = "limit#updates"
KEPT_FOR = 3600
"""Seconds after which TTL may take what is long over."""


class UpdateLimits:
    """Raises StoreUnavailable."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def closed_until(self, ticket_ids: Iterable[int], now: float) -> dict[int, float]:
        """Of these tickets, those that may not be updated now, and until when. One read for a hundred."""
        pks = {ticket_id: _of(ticket_id) for ticket_id in ticket_ids}
        items = self._table.get_many([_OF_THE_ACCOUNT, *pks.values()])
        closed = {item["pk"]: item["closed_until"] for item in items if item["closed_until"] > now}
        until = {ticket_id: max(closed.get(pk, now), closed.get(_OF_THE_ACCOUNT, now)) for ticket_id, pk in pks.items()}
        return {ticket_id: moment for ticket_id, moment in until.items() if moment > now}

    def record_throttling(self, ticket_ids: Iterable[int], exhausted: Iterable[Limit], now: float) -> None:
        """Remember what the updates of these tickets used up, or for longer if somebody else was told a later time."""
        for limit in exhausted:
            if limit.name == UPDATES:
                self._close(_OF_THE_ACCOUNT, now + limit.resets)
            elif limit.name == UPDATES_OF_TICKET:
                for ticket_id in ticket_ids:
                    self._close(_of(ticket_id), now + limit.resets)

    def _close(self, pk: str, until: float) -> None:
        with suppress(ConditionFailed):
            self._table.update(
                pk,
                "SET closed_until = :until, expires_at = :gone",
                only_if="attribute_not_exists(closed_until) OR closed_until < :until",
                given={":until": until, ":gone": int(until) + KEPT_FOR},
            )


def _of(ticket_id: int) -> str:
    return f"limit#updates#{ticket_id}"
