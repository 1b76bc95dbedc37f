"""The use cases on real parts: moto's Secrets Manager in this process, the simulated Zendesk in a thread.

DynamoDB is moto's; tests marked `both_engines` run on Amazon's own as well, in a process beside this one.
`relay` has all of it under one `clock` that the tests move; `drive` lets minutes pass, with the poller in each.
"""

import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from layers.config import compile as definitions_compiler
from local.zendesk_simulator import Account, Server, simulator
from tests import builders, fixtures
from tests.fakes import Clock, Dynamo
from ticket_relay.create_ticket import webhook
from ticket_relay.definitions import loader
from ticket_relay.poll_jobs import poller
from ticket_relay.rate_limits.gate import Gate
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.rate_limits.update_limits import UpdateLimits
from ticket_relay.secrets_manager import Secrets
from ticket_relay.services import Services
from ticket_relay.storage.dynamodb import Table
from ticket_relay.storage.rows import TicketRow
from ticket_relay.storage.store import Store
from ticket_relay.zendesk.auth import SCOPE_WITH_FILES, Credentials
from ticket_relay.zendesk.client import Zendesk
from ticket_relay.zendesk.transport import Timeouts, Transport

aws, bucket, counted = fixtures.aws, fixtures.bucket, fixtures.counted
dynamodb_local, lambda_environment, table = fixtures.dynamodb_local, fixtures.lambda_environment, fixtures.table


@pytest.fixture
def dynamo(request: pytest.FixtureRequest, aws: None) -> Iterator[Dynamo]:
    """A client of an engine that holds the table of the template, and no item."""
    if getattr(request, "param", "moto") == "moto":
        client, turn = fixtures.client("dynamodb"), None
    else:
        client, turn = fixtures.client("dynamodb", request.getfixturevalue("dynamodb_local")), contextlib.nullcontext()
    client.create_table(TableName=builders.TABLE, **fixtures.table_properties())
    yield Dynamo(client, turn)
    client.delete_table(TableName=builders.TABLE)


@pytest.fixture(scope="session", autouse=True)
def _built_definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The config layer, built as for the deployment, on the path as Lambda puts it there."""
    layer = tmp_path_factory.mktemp("config-layer")
    assert definitions_compiler.main([str(layer)]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(layer))
        patch.delitem(sys.modules, loader.PACKAGE, raising=False)
        importlib.invalidate_caches()
        loader.partners.cache_clear()
        loader.rules.cache_clear()
        yield
    loader.partners.cache_clear()
    loader.rules.cache_clear()


@pytest.fixture(autouse=True)
def _environment(lambda_environment: None) -> None:
    """That of a function, for all tests here."""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def zendesk(clock: Clock) -> Iterator[Server]:
    """The simulated Zendesk, its control in Python: `zendesk.account`."""
    with simulator(Account("simulated-secret", source=clock)) as server:
        yield server


@pytest.fixture
def secrets(aws: None, zendesk: Server) -> Secrets:
    """Secrets Manager with the OAuth client and every sender's signing secret."""
    client = fixtures.client("secretsmanager")
    values: dict[str, dict[str, Any]] = {
        builders.settings().zendesk_secret_arn: {
            "client_id": zendesk.client_id,
            "client_secret": zendesk.client_secret,
        },
        "signing-secrets": {sender: [secret] for sender, secret in builders.SECRETS.items()},
    }
    for name, value in values.items():
        client.create_secret(Name=name, SecretString=json.dumps(value))
    return Secrets(client)


@pytest.fixture
def other_services(clock: Clock, zendesk: Server, table: Table, secrets: Secrets) -> Callable[[], Services]:
    """Makes relays as of processes of their own: they share the table, the secrets and Zendesk, and nothing else."""

    def make() -> Services:
        settings = builders.settings(zendesk.url)
        timeouts = Timeouts(settings.zendesk_connect_timeout_seconds, settings.zendesk_read_timeout_seconds)
        transport = Transport(settings.zendesk_base_url, timeouts)
        credentials = Credentials(
            lambda: secrets.read(settings.zendesk_secret_arn), table, transport, clock, scope=SCOPE_WITH_FILES
        )
        zendesk_client = Zendesk(transport, credentials)
        update_limits = UpdateLimits(table)
        return Services(
            settings,
            table,
            Store(table),
            Gate(table, update_limits, clock),
            zendesk_client,
            secrets,
            update_limits,
            now=clock,
            sleep=clock.advance,
        )

    return make


@pytest.fixture
def services(other_services: Callable[[], Services]) -> Services:
    return other_services()


@pytest.fixture
def deliver(clock: Clock) -> Callable[..., webhook.Receipt]:
    """A partner sends an event, signed now."""

    def deliver(
        services: Services, event_id: str = "evt_1", content: Any = None, partner: str = "acme", seconds: float = 3
    ) -> webhook.Receipt:
        body = builders.body_of(builders.acme_event() if content is None else content)
        headers = builders.signed(body, sender=partner, id=event_id, at=clock())
        return webhook.receive(services, partner, headers, body, Deadline.after(seconds))

    return deliver


@pytest.fixture
def tickets(zendesk: Server) -> Callable[..., list[dict[str, Any]]]:
    """The tickets that Zendesk holds for a partner's event."""
    return lambda event_id="evt_1": zendesk.account.tickets.with_external_id(f"acme:{event_id}")


@pytest.fixture
def run_poller(clock: Clock, zendesk: Server) -> Callable[[Services], None]:
    """One run of the poller, which takes up to 50 s of the clock and none of ours."""

    def run(services: Services) -> None:
        end = clock() + 50

        def nap(seconds: float) -> None:
            # Longer than was asked for: each look at what is due takes as long as any.
            clock.advance(3 * seconds)
            zendesk.account.settle()

        poller.run(services, lambda: end - clock(), nap)

    return run


@pytest.fixture
def drive(run_poller: Callable[[Services], None], clock: Clock, zendesk: Server) -> Callable[..., None]:
    """Minutes pass, with a run of the poller in each, until nothing is unfinished or so many are over."""

    def drive(services: Services, *, minutes: int = 15) -> None:
        for _ in range(minutes):
            start = clock()
            run_poller(services)
            if not services.store.backlog().unfinished:
                return
            clock.advance(max(0.0, start + 60 - clock()))
            zendesk.account.settle()

    return drive


@pytest.fixture
def stored(services: Services) -> Callable[..., TicketRow]:
    """The row of a partner's event as it is in the table."""

    def read(event_id: str = "evt_1", partner: str = "acme") -> TicketRow:
        row = services.store.get(f"ticket#{partner}#{event_id}")
        assert isinstance(row, TicketRow)
        return row

    return read
