"""All that one run needs, put together: the local stack with a watched Zendesk and a spoiled DynamoDB, and a second
poller that overlaps with the first.
"""

import asyncio
import contextlib
import secrets
import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import yaml

from layers.config.compile import FOLDER
from local import zendesk_simulator
from local.api_gateway.front import served
from local.aws.schedule import ticking
from local.demo.partner import Partner
from local.demo.subscriber import Subscriber
from local.runtimes.pool import serving
from local.runtimes.runtime import ACCESS_KEY, SECRET_KEY
from local.runtimes.worker_process import started
from local.stack import Options, Stack, running
from local.zendesk_simulator import Drop, Fault, JobPlan
from tests.e2e.chaos import agents, alerts
from tests.e2e.chaos.gate_watch import GateWatch
from tests.e2e.chaos.proxy import Proxy
from tests.e2e.chaos.runtimes import Runtimes
from tests.e2e.chaos.traps import Traps
from tests.e2e.chaos.zendesk import watched

type Item = dict[str, Any]

READ_TIMEOUT = 1.5
"""Seconds the relay waits for Zendesk: less than deployed, so that more can go wrong in a minute."""
PARAMETERS = {
    "ZendeskReadTimeoutSeconds": str(READ_TIMEOUT),
    "DoubtfulPauseSeconds": "2",
    "JobForgottenAfterSeconds": "5",
    "SweepMinutes": "0.02",
    "ZendeskWebhookIds": agents.WEBHOOK_ID,
}
PARTNER = "acme"
EXPORT_LAG = 2.0
"""Seconds that an export leaves out, in place of Zendesk's minute."""


@dataclass
class World:
    """`table` is read past the proxy. `planned` and `happened` say what was done to the relay, by name."""

    stack: Stack
    account: zendesk_simulator.Account
    proxy: Proxy
    runtimes: Runtimes
    traps: Traps
    gate_watch: GateWatch
    partner: Partner
    monitoring: Partner
    table: Any
    secrets: set[str]
    subscriber: Subscriber
    planned: dict[str, list[Fault | JobPlan | Drop]] = field(default_factory=lambda: defaultdict(list))
    happened: Counter[str] = field(default_factory=Counter)

    def plan[Planned: (Fault, JobPlan, Drop)](self, name: str, planned: Planned) -> Planned:
        self.planned[name].append(planned)
        if isinstance(planned, Fault):
            # Before what was planned earlier: a spell of slowness must not hide what meets one call.
            self.account.faults.planned.insert(0, planned)
        elif isinstance(planned, Drop):
            self.account.deliveries.drops.append(planned)
        else:
            self.account.jobs.plans.append(planned)
        return planned

    def injected(self) -> Counter[str]:
        """How often each thing has happened so far."""
        struck = Counter({name: sum(plan.happened for plan in plans) for name, plans in self.planned.items()})
        return struck + self.happened + self.proxy.happened + self.traps.sprung

    def repair(self, stuck: float) -> None:
        """Nothing goes wrong any more, and what was stuck for so many seconds goes on."""
        self.account.faults.clear()
        self.account.jobs.plans.clear()
        self.account.deliveries.drops.clear()
        self.proxy.trouble = None
        self.traps.disarm()
        self.account.clock.advance(stuck)
        self.account.settle()

    async def items(self) -> dict[str, Item]:
        """Everything in the table, by key."""
        return await asyncio.to_thread(lambda: {item["pk"]: item for item in _scanned(self.table)})

    async def objects(self) -> dict[str, bytes]:
        """Everything in the bucket of large events, by bucket and key."""
        return await asyncio.to_thread(lambda: dict(_objects(self.stack.ready)))

    async def index(self) -> set[str]:
        """The keys in the index of what is due."""
        return await asyncio.to_thread(lambda: {item["pk"] for item in _scanned(self.table, IndexName="due")})


@contextlib.asynccontextmanager
async def broken_world(upstream: str, *, key_honoured: bool, seed: int, concurrency: int) -> AsyncIterator[World]:
    """A stack whose table is in the DynamoDB at `upstream`, in the world where idempotency keys work, or do not."""
    runtimes, gate_watch = Runtimes(), GateWatch()
    traps = Traps(runtimes)
    proxy = Proxy(upstream, runtimes, traps, gate_watch, seed)
    account = zendesk_simulator.Account(secrets.token_urlsafe(24))
    # The limits of an account are a fault among others, and storms are dealt like cards: see incidents.
    account.settings.limit_account = account.settings.limit_create = account.settings.limit_index = 1_000_000
    account.settings.limit_export = account.settings.limit_update = 1_000_000
    account.settings.export_lag_seconds = EXPORT_LAG
    account.settings.key_with_async = key_honoured
    # Zendesk's clock leaps when what is stuck goes on, and the relay's does not: it could not know of uploads that
    # expired meanwhile. So they live as long as in the recordings.
    account.settings.upload_seconds = 3 * 24 * 3600
    hidden = {account.client_secret}
    async with (
        _definitions() as definitions,
        served(proxy.application(), 0) as dynamodb_url,
        served(watched(account, runtimes, traps, gate_watch, hidden), 0) as zendesk_url,
        running(
            Options(
                port=0,
                poll_every=1.0,
                zendesk_url=zendesk_url,
                zendesk_client_secret=account.client_secret,
                dynamodb_url=dynamodb_url,
                concurrency=concurrency,
                parameters=PARAMETERS,
                config=definitions,
            )
        ) as stack,
        serving([(stack.pools["poll_jobs"].function, 1)], started) as second,
        ticking(second["poll_jobs"], 1.0),
    ):
        runtimes.add(stack.pools)
        runtimes.add(second)
        partners: Mapping[str, Any] = stack.ready["partners"]
        hidden |= {partner["secret"] for partner in partners.values()} | {stack.ready["zendesk_webhook_secret"]}
        table = _table(upstream, stack.ready)
        await asyncio.to_thread(table.put_item, Item=agents.begun(time.time()))
        agents.trigger(account, stack.ready["url"], stack.ready["zendesk_webhook_secret"])
        yield World(
            stack=stack,
            account=account,
            proxy=proxy,
            runtimes=runtimes,
            traps=traps,
            gate_watch=gate_watch,
            partner=Partner.of(PARTNER, stack.ready),
            monitoring=Partner.of(alerts.PARTNER, stack.ready),
            table=table,
            secrets=hidden,
            subscriber=await asyncio.to_thread(Subscriber, stack.ready),
        )


@contextlib.asynccontextmanager
async def _definitions() -> AsyncIterator[Path]:
    """The repository's definitions, but that the partner's events may bring files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(FOLDER, folder, dirs_exist_ok=True)
        shutil.copytree(FOLDER.parents[1] / "events", folder / "events")
        file = folder / "partners" / f"{PARTNER}.yaml"
        definition = yaml.safe_load(file.read_text())
        definition["attachments"] = {"types": ["text/csv"]}
        definition["ticket"]["comment"]["attachments"] = {
            "$if": "'files' in event.incident",
            "then": {"$eval": "event.incident.files"},
            "else": [],
        }
        file.write_text(yaml.safe_dump(definition))
        yield folder


def _table(upstream: str, ready: Mapping[str, Any]) -> Any:
    dynamodb = boto3.resource(
        "dynamodb",
        endpoint_url=upstream,
        region_name=ready["aws_region"],
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    return dynamodb.Table(ready["table"])


def _objects(ready: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    s3 = boto3.resource(
        "s3",
        endpoint_url=ready["aws_url"],
        region_name=ready["aws_region"],
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    for bucket in s3.buckets.all():
        for found in bucket.objects.all():
            yield f"{bucket.name}/{found.key}", found.get()["Body"].read()


def _scanned(table: Any, **where: Any) -> list[Item]:
    answer = table.scan(**where)
    items: list[Item] = answer["Items"]
    while "LastEvaluatedKey" in answer:
        answer = table.scan(ExclusiveStartKey=answer["LastEvaluatedKey"], **where)
        items += answer["Items"]
    return items
