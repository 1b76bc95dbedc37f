"""How long the intake takes for an event, without Zendesk's share; beside a plain handler that puts one item."""

import contextlib
import json
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import click
from aiohttp import web
from aiohttp.typedefs import Handler

from local import zendesk_simulator
from local.api_gateway import events
from local.api_gateway.front import served
from local.bench.conditions import Engine
from local.bench.figures import Figure, Part
from local.bench.progress import Bars
from local.bench.workload import PARTNER
from local.demo.partner import Event, Partner, signed
from local.runtimes.runtime import Function, Runtime
from local.stack import Options, Stack, running, starter

_PEER = Path(__file__).parent / "peers" / "put_one"
_ROUTE = events.Route("POST /webhooks/{partner}", "create_ticket")
_WARM_UP = 30
_NO_LIMIT = 1_000_000


class Stopwatch:
    """Seconds that Zendesk had requests for: from the first of their bytes to the last of their answers."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @web.middleware
    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        begin = time.perf_counter()
        try:
            return await handler(request)
        finally:
            self.seconds += time.perf_counter() - begin


@dataclass(slots=True)
class Times:
    """Seconds of each invocation, less those of Zendesk."""

    own: list[float] = field(default_factory=list)
    zendesk: list[float] = field(default_factory=list)

    def percentile(self, number: int) -> float:
        """Milliseconds."""
        return statistics.quantiles(self.own, n=100)[number - 1] * 1000


async def measured(number: int, engine: Engine, bars: Bars) -> Part:
    """Give the relay and the peer so many events, by turns."""
    bars.begin("intake: start", 1)
    watch = Stopwatch()
    async with contextlib.AsyncExitStack() as started:
        stack = await started.enter_async_context(_stack(watch, engine))
        partner = Partner.of(PARTNER, stack.ready)
        start = starter(Options().runtime, Path(started.enter_context(tempfile.TemporaryDirectory(prefix="relay-"))))
        function = stack.pools["create_ticket"].function
        runtimes = [await started.enter_async_context(start(each)) for each in (function, _peer(function))]
        relay, peer = Times(), Times()
        done = bars.begin("intake: events", number)
        for turn in range(-_WARM_UP, number):
            event = partner.event()
            pairs = list(zip((relay, peer), runtimes, strict=True))
            for times, runtime in pairs[:: -1 if turn % 2 else 1]:
                watch.seconds = 0.0
                seconds = await _invoked(runtime, partner, event)
                if turn >= 0:
                    times.own.append(seconds - watch.seconds)
                    times.zendesk.append(watch.seconds)
            done(max(turn + 1, 0))
    return _part(relay, peer, engine)


def _part(relay: Times, peer: Times, engine: Engine) -> Part:
    zendesk = statistics.median(relay.zendesk) * 1000
    return Part(
        title="Intake",
        peer="puts one item",
        figures=tuple(
            Figure(f"one event, p{number}", relay.percentile(number), "{:.1f} ms", peer.percentile(number))
            for number in (50, 99)
        ),
        how=f"""{len(relay.own):,} events, one after the other. Each is given to `create_ticket` and to a plain
            Powertools handler (local/bench/peers) by turns, both warm, in the same runtime, past the HTTP API. What
            the simulated Zendesk takes to answer is measured at its end and left out ({zendesk:.1f} ms at the median);
            what the relay takes to ask it is in. The table is in {engine.name}.""",
        limits=(
            """The peer puts one item and checks nothing. The relay verifies a signature, maps, reads the gate, claims
            the row, asks Zendesk, and writes down the job.""",
            "The 99th percentile of either is the machine's as well: others run on it.",
        ),
    )


@contextlib.asynccontextmanager
async def _stack(watch: Stopwatch, engine: Engine) -> AsyncIterator[Stack]:
    """A stack whose Zendesk answers at once, knows no limits, and is watched."""
    account = zendesk_simulator.Account(secrets.token_urlsafe(24))
    account.settings.limit_account = account.settings.limit_create = _NO_LIMIT
    simulated = zendesk_simulator.application(account)
    simulated.middlewares.append(watch.around)
    async with (
        served(simulated, 0) as zendesk_url,
        running(
            Options(
                port=0,
                poll_every=None,
                zendesk_url=zendesk_url,
                zendesk_client_secret=account.client_secret,
                dynamodb_url=engine.url,
                concurrency=1,
            )
        ) as stack,
    ):
        yield stack


def _peer(function: Function) -> Function:
    """In the surroundings of ours, and with the same layers."""
    return replace(function, name="put_one", folder=_PEER)


async def _invoked(runtime: Runtime, partner: Partner, event: Event) -> float:
    """Seconds of one invocation."""
    headers = signed(partner.secret, event.id, event.body, time.time())
    received = events.Request("POST", f"/webhooks/{partner.name}", list(headers.items()), event.body)
    payload = json.dumps(events.event(received, _ROUTE, {"partner": partner.name})).encode()
    begin = time.perf_counter()
    answer = await runtime.invoke(payload)
    seconds = time.perf_counter() - begin
    if not isinstance(answer, dict) or answer.get("statusCode") != 202:
        raise click.ClickException(f"an event was not accepted: {answer}")
    return seconds
