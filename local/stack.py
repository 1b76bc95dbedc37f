"""The whole stack on one machine, from the built artefacts to the HTTP front, for as long as a context lasts."""

import contextlib
import json
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from layers.config.compile import Config
from local import artefacts, zendesk_simulator
from local.api_gateway.front import front, served
from local.aws import cloud
from local.aws.invocations import serving as serving_invocations
from local.aws.pipe import carrying
from local.aws.schedule import Schedule, ticking
from local.control import control
from local.partners import partners
from local.runtimes import emulator, worker_process
from local.runtimes.pool import Pool, serving
from local.runtimes.runtime import ACCESS_KEY, REGION, Function, Starter
from ticket_relay.zendesk.auth import SCOPE_WITH_FILES

type RuntimeKind = Literal["emulator", "process"]

DEFAULT_RUNTIME: RuntimeKind = "emulator" if sys.platform == "linux" else "process"

# Shorter than in production, for people who watch: simulated jobs take less than a second.
_IMPATIENT = {"DoubtfulPauseSeconds": "10", "JobForgottenAfterSeconds": "45"}

_CONFIG_LAYER = "ConfigLayer"
"""The artefact that holds the definitions: as `sam build` names it, by the template's logical id."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to run. Seconds for `poll_every`; port 0: any free one; None: the simulator, moto's DynamoDB, and the
    repository's definitions.
    """

    port: int = 8080
    poll_every: float | None = 5.0
    zendesk_url: str | None = None
    zendesk_client_id: str = "ticket-relay"
    zendesk_client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    dynamodb_url: str | None = None
    config: Path | None = None
    concurrency: int = 2
    runtime: RuntimeKind = DEFAULT_RUNTIME
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Of the template, where its defaults are not wanted."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A running stack. `ready` is the line that describes it to callers; `zendesk` is None if a real one is used."""

    ready: dict[str, Any]
    pools: dict[str, Pool]
    schedule: Schedule
    zendesk: zendesk_simulator.Account | None


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[Stack]:
    """Start everything, stop everything. Raises RuntimeError or InitError, the latter in an exception group."""
    async with contextlib.AsyncExitStack() as started:
        folder = await artefacts.build()
        scratch = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="relay-")))
        config = Config(options.config) if options.config else Config()
        layer = artefacts.definitions(config, scratch / _CONFIG_LAYER)
        account = None
        zendesk_url = options.zendesk_url
        if zendesk_url is None:
            account = zendesk_simulator.Account(
                client_id=options.zendesk_client_id, client_secret=options.zendesk_client_secret
            )
            zendesk_url = (await started.enter_async_context(zendesk_simulator.running(account, "127.0.0.1", 0))).url

        known = partners(config)
        webhook_secret = secrets.token_urlsafe(32)
        credentials = {"client_id": options.zendesk_client_id, "client_secret": options.zendesk_client_secret}
        invocations, lambda_url = await started.enter_async_context(serving_invocations())
        made = await cloud.made(
            folder,
            await started.enter_async_context(cloud.moto()),
            options.dynamodb_url,
            parameters={
                "ZendeskBaseUrl": zendesk_url.rstrip("/"),
                "ZendeskScope": SCOPE_WITH_FILES,
                **_IMPATIENT,
                **options.parameters,
            },
            secrets={
                "ZendeskSecret": json.dumps(credentials),
                "PartnerSecrets": json.dumps({name: [partner["secret"]] for name, partner in known.items()}),
                "WebhookSecret": json.dumps({"zendesk": [webhook_secret]}),
            },
            endpoints={"AWS_ENDPOINT_URL_LAMBDA": lambda_url},
        )

        sizes = [
            (_with(layer, function), min(function.reserved or options.concurrency, options.concurrency))
            for function in made.functions.values()
        ]
        start = starter(options.runtime, scratch)
        pools = await started.enter_async_context(serving(sizes, start))
        schedule = await started.enter_async_context(ticking(pools[made.scheduled], options.poll_every))
        if made.pipe:
            await started.enter_async_context(carrying(made.pipe))
        invocations.functions[made.deployed_name] = schedule.run_now
        control_url = await started.enter_async_context(served(control(pools, schedule), 0))
        url = await started.enter_async_context(served(front(made.routes, pools), options.port))
        yield Stack(
            ready={
                "url": url,
                "zendesk_url": zendesk_url,
                "aws_url": made.aws_url,
                "dynamodb_url": made.dynamodb_url,
                "table": made.table,
                "partners": known,
                "zendesk_webhook_secret": webhook_secret,
                "pids": {name: pool.pids for name, pool in pools.items()},
                "zendesk_credentials": credentials,
                "control_url": control_url,
                "aws_region": REGION,
                "aws_access_key_id": ACCESS_KEY,
                "event_bus": made.bus,
            },
            pools=pools,
            schedule=schedule,
            zendesk=account,
        )


def _with(layer: Path, function: Function) -> Function:
    """The function with this layer in place of the built one of the same name."""
    return replace(function, layers=tuple(layer if built.name == layer.name else built for built in function.layers))


def starter(kind: RuntimeKind, folder: Path) -> Starter:
    """What starts a function in such a runtime; `folder` is for what it needs besides."""
    return emulator.starter(folder) if kind == "emulator" else worker_process.started
