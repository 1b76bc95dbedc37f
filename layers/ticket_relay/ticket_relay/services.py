"""What the use cases work with, put together once for each process."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

from ticket_relay import config, poller_start
from ticket_relay.config import Settings
from ticket_relay.rate_limits.gate import Gate
from ticket_relay.rate_limits.pressure import Pace
from ticket_relay.rate_limits.update_limits import UpdateLimits
from ticket_relay.secrets_manager import Secrets
from ticket_relay.storage.dynamodb import Table
from ticket_relay.storage.events import Events
from ticket_relay.storage.store import Store, count_and_log
from ticket_relay.zendesk.auth import Credentials
from ticket_relay.zendesk.client import Zendesk
from ticket_relay.zendesk.transport import Timeouts, Transport

FAST_EVENTS, FAST_SECONDS = 5, 5.0
"""So many events in so many seconds, in one process, are a burst."""


@dataclass(frozen=True, slots=True)
class Services:
    """`now` is the wall clock in epoch seconds, `sleep` lets seconds pass; tests give others."""

    settings: Settings
    table: Table
    store: Store
    gate: Gate
    zendesk: Zendesk
    secrets: Secrets
    update_limits: UpdateLimits
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    known_properties: set[str] = field(default_factory=set)
    """Of tickets, custom fields by id among them: this process has seen that the account has them."""

    @property
    def events(self) -> Events:
        """The raw events."""
        return Events(self.table, self.settings.event_bucket)

    def signing_secrets(self, sender: str) -> Sequence[str]:
        """The secrets that may sign for a sender. Raises SecretsUnavailable."""
        arn = self.settings.signing_secrets_arn
        return self.secrets.signing(arn, sender) if arn else []

    def download_headers(self, partner: str, host: str) -> dict[str, str]:
        """The headers that a partner's host wants to see before it gives a file. Raises SecretsUnavailable."""
        arn = self.settings.download_secrets_arn
        return self.secrets.headers(arn, partner, host) if arn else {}

    def in_parallel(self, each: Callable[..., Iterable[Any]]) -> "Services":
        """The same, with calls of the table that do not depend on each other made by an executor's `map`."""
        return replace(self, store=self.store.in_parallel(each))


@cache
def services() -> Services:
    """The relay of this process, from its environment."""
    settings = config.settings()
    table = Table(settings.table_name, read_timeout=settings.table_read_timeout_seconds)
    secrets = Secrets()
    transport = Transport(
        settings.zendesk_base_url,
        Timeouts(settings.zendesk_connect_timeout_seconds, settings.zendesk_read_timeout_seconds),
    )
    credentials = Credentials(
        lambda: secrets.read(settings.zendesk_secret_arn), table, transport, scope=settings.zendesk_scope
    )
    zendesk = Zendesk(transport, credentials)
    update_limits = UpdateLimits(table)
    poller = settings.poller_function_name
    gate = Gate(
        table,
        update_limits,
        left_to_others=settings.requests_left_to_others,
        pace=Pace(FAST_EVENTS, FAST_SECONDS),
        on_pressure=partial(poller_start.start, poller) if poller else lambda: None,
    )
    store = Store(table, partial(count_and_log, by_partner=settings.metrics_by_partner))
    return Services(settings, table, store, gate, zendesk, secrets, update_limits)
