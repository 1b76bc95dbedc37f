"""Reconciliation: every few minutes the rules with `sweep` are decided for each ticket that has changed, so that no
update depends on a webhook that Zendesk may drop.

    one worker's turn ──▶ a page of what changed ──▶ rows for tickets that a rule is due on ──▶ the cursor moves ──┐
                              ▲                                                                                    │
                              └────────────────── as far as one turn goes, or nothing more has changed ◀───────────┘

The rows are updates like any other: sent by this run, decided again on the ticket as it is then. A run that dies before
the cursor moves repeats its page, and finds the rows there or the tickets changed.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from ticket_relay import observability
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import UpdateRule
from ticket_relay.errors import MappingFailed
from ticket_relay.poll_jobs import dropped_webhooks, swept
from ticket_relay.rate_limits.headers import EXPORT
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import update as update_states
from ticket_relay.storage.dynamodb import ConditionFailed, Item
from ticket_relay.storage.rows import UpdateRow, update_pk
from ticket_relay.zendesk.client import Changed, Ticket
from ticket_relay.zendesk.errors import NotSent, ZendeskError
from ticket_relay.zendesk.request_body import encoded

PK = "sweep"
TURN = 8.0
"""Seconds for a turn's calls of Zendesk; what is due waits for so long."""
MOST_PAGES = 5
"""Of a hundred tickets, in a turn: half of the ten requests a minute are for other tools."""
CATCHING_UP = 60.0
"""Seconds until the next turn where more has changed than one turn reads."""
START_AGE = 120.0
"""Seconds from which on an export can begin at a time: "at least one minute in the past", by Zendesk's clock."""
MOST_A_DAY = 10
"""Updates that sweeps make of one ticket for one rule in a day. More are asked for only where somebody, a trigger say,
undoes each time what the rule does.
"""


@dataclass(frozen=True, slots=True)
class _Turn:
    """This worker's, until another one takes the next: `next_at` names it in each write."""

    services: Services
    item: Item

    @property
    def since(self) -> str | int | None:
        """Where the export goes on: a cursor, or a time; None where that is too young to begin at."""
        if cursor := self.item.get("after_cursor"):
            return str(cursor)
        begun = self.item["start_time"]
        return int(begun) if self.services.now() - begun > START_AGE else None

    def moved(self, **changes: Any) -> "_Turn":
        """Write these down. Raises ConditionFailed where the turn is another worker's by now."""
        sets = ", ".join(f"{name} = :{name}" for name in changes)
        given = {f":{name}": value for name, value in changes.items()} | {":mine": self.item["next_at"]}
        item = self.services.table.update(PK, f"SET {sets}", only_if="next_at = :mine", given=given)
        return _Turn(self.services, item)


def sweep(services: Services) -> None:
    """Take a turn if one is due, and any rule or webhook asks for it.

    Raises StoreUnavailable, and DefinitionError; repeating it is safe.
    """
    settings = services.settings
    rules = [rule for rule in loader.rules().values() if rule.sweep] if settings.sweep_minutes else []
    webhook_ids = settings.zendesk_webhook_ids.split() if settings.sweep_minutes else []
    if not rules and not webhook_ids:
        return
    item = services.table.get(PK) or {}
    if turn := _taken(services, item, begins=bool(rules)):
        item, by = turn.item, Deadline.after(TURN)
        with suppress(ConditionFailed):
            if rules:
                turn = _swept(turn, rules, by)
                item = turn.item
            if webhook_ids:
                _count_dropped(turn, webhook_ids, by)
    if rules:
        age = services.now() - item.get("up_to", services.now())
        observability.measure("SweepAge", MetricUnit.Seconds, max(0.0, age))


def _taken(services: Services, item: Item, *, begins: bool) -> _Turn | None:
    """None where no turn is due, or another worker takes it. The first one `begins` with what changes from now on."""
    now, read = services.now(), item.get("next_at", 0)
    if read > now:
        return None
    change, given = "SET next_at = :next", {":next": now + 60 * services.settings.sweep_minutes, ":read": read}
    if begins:
        change += ", start_time = if_not_exists(start_time, :now), up_to = if_not_exists(up_to, :now)"
        given[":now"] = now
    try:
        taken = services.table.update(
            PK, change, only_if="attribute_not_exists(next_at) OR next_at = :read", given=given
        )
    except ConditionFailed:
        return None
    return _Turn(services, taken)


def _swept(turn: _Turn, rules: Sequence[UpdateRule], by: Deadline) -> _Turn:
    """The turn after the pages that it had time for. Raises ConditionFailed."""
    services = turn.services
    with services.gate.permit(by, EXPORT) as permit:
        for _ in range(MOST_PAGES):
            asked_at, since = services.now(), turn.since
            if permit.closed_until is not None or since is None:
                return turn
            try:
                page = services.zendesk.changed_tickets(since, permit)
                for rule, ticket in _due(page, rules, by):
                    _claim(services, rule, ticket["id"])
            except ZendeskError as error:
                observability.logger().warning("sweep not finished", extra={"reason": error.code})
                return turn
            reached = {"after_cursor": page.cursor} if page.cursor else {}
            if not page.more:
                return turn.moved(**reached, up_to=asked_at)
            if not reached:
                return turn  # It would be the same page again.
            turn = turn.moved(**reached)
    return turn.moved(next_at=min(turn.item["next_at"], services.now() + CATCHING_UP))


def _due(page: Changed, rules: Sequence[UpdateRule], by: Deadline) -> Iterator[tuple[UpdateRule, Ticket]]:
    """Which rules are due on which tickets. Raises NotSent: rows that are due are not to wait for slow rules."""
    for ticket in page.tickets:
        if by.left <= 0:
            raise NotSent("no_time_left", "There was no time left for all tickets of a page.")
        for rule in rules:
            try:
                if swept.is_due(rule, ticket):
                    yield rule, ticket
            except MappingFailed as error:
                _undecided(rule, ticket["id"], error.code)
            # A bug that one ticket meets must not keep the cursor from all that come after it.
            except Exception as error:  # noqa: BLE001
                observability.unexpected(error)
                _undecided(rule, ticket["id"], "unexpected_error")


def _claim(services: Services, rule: UpdateRule, ticket_id: int) -> None:
    """A row for the update, unless one is under way: that will be decided on the ticket as it is then."""
    now = services.now()
    day = datetime.fromtimestamp(now, UTC).date()
    event = encoded(swept.event_of(rule, ticket_id))
    for number in range(1, MOST_A_DAY + 1):
        name = f"sweep.{rule.rule}.{day}.{number}"
        row = update_states.claimed(update_pk(ticket_id, name), ticket_id, name, event, now, closed_until=now)
        there = services.store.claim(row)
        if there is None:
            observability.count("SweepFound")
        if there is None or there.state in UpdateRow.working:
            return
    _undecided(rule, ticket_id, "sweep_goes_in_circles")


def _undecided(rule: UpdateRule, ticket_id: int, reason: str) -> None:
    observability.count("SweepUndecided")
    about = {"rule": rule.rule, "ticket_id": ticket_id, "reason": reason}
    observability.logger().warning("ticket not swept", extra=about)


def _count_dropped(turn: _Turn, webhook_ids: Sequence[str], by: Deadline) -> None:
    """Count what Zendesk has dropped since the last turn. Until when is written down first, so that nothing counts
    twice. Raises ConditionFailed.
    """
    known = turn.item.get("webhooks", {})
    told = dropped_webhooks.told_since(turn.services, webhook_ids, known, by)
    turn.moved(webhooks={**known, **told.until})
    for status, number in told.statuses.items():
        observability.count("WebhookDropped", number)
        observability.count("WebhookDropped", number, status=status)
