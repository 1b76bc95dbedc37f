"""Many events at once under an account's limits, until each has its ticket; beside a client that goes one by one."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

import aiohttp

from local.bench import one_by_one, processors, tally, workload
from local.bench.conditions import Conditions, Engine, client
from local.bench.figures import Figure, Goal, Part
from local.bench.progress import Bars
from local.demo.partner import Event, Partner
from local.stack import Options, running

CONNECTIONS = 50
RUNTIMES = 8
"""Of each function that serves HTTP. Lambda starts as many as there are requests; two processors gain no more."""
PATIENCE_SECONDS = 900.0
_SETTLED_WITHIN = 180.0


@dataclass(frozen=True, slots=True)
class Burst:
    """Seconds from the first event on."""

    accepted: float
    created: float
    calls: int
    refused: int
    broken: tuple[str, ...]
    notes: tuple[str, ...]


async def measured(events: int, conditions: Conditions, engine: Engine, bars: Bars) -> Part:
    """Send so many events through a stack of its own."""
    burst = await _sent(events, conditions, engine, bars)
    peer = one_by_one.measured(events, conditions)
    return Part(
        title="Burst",
        peer="one by one",
        figures=(
            Figure(
                f"until all of {events:,} tickets exist",
                burst.created,
                "{:.0f} s",
                conditions.one_by_one_seconds(events),
                Goal(0.25, of_ratio=True),
            ),
            Figure("until all events were accepted", burst.accepted, "{:.0f} s"),
            Figure("calls a ticket", burst.calls / events, "{:.2f}", peer.calls / events, Goal(0.10)),
            Figure("answers of 429", burst.refused, "{:.0f}", peer.refused, Goal(2)),
        ),
        how=f"""{events:,} events come over {CONNECTIONS} connections as fast as they are accepted, under {conditions}.
            They come just after a run of the poller: unless something starts it, the next begins a minute later. One
            by one is what the limit of creates allows at best; a client that waits as it is told comes to
            {peer.seconds:.0f} s. Each event is then checked to have exactly one ticket. The table is in
            {engine.name}.""",
        limits=burst.notes,
        broken=burst.broken,
    )


async def _sent(events: int, conditions: Conditions, engine: Engine, bars: Bars) -> Burst:
    bars.begin("burst: start", 1)
    options = Options(port=0, poll_every=None, dynamodb_url=engine.url, concurrency=RUNTIMES)
    async with running(options) as stack:
        partner = await workload.warm(stack)
        account = workload.account(stack)
        conditions.put_on(account)
        sent = [partner.event() for _ in range(events)]
        stack.schedule.change(workload.MINUTE)
        in_use, begin = processors.watched(stack.pools), time.perf_counter()
        done = bars.begin("burst: tickets", events)
        sending = asyncio.create_task(_accepted(partner, sent))
        # What is not there by then is lost, and told as such.
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await workload.tickets(stack, events + 1, lambda number: done(number - 1))
        created = time.perf_counter() - begin
        notes = in_use()
        accepted = await sending - begin
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED_WITHIN):
                await workload.settled(client(engine), stack.ready["table"])
        calls = list(account.journal.entries)
        broken = tally.broken([event.external_id for event in sent], account.tickets.all())
        return Burst(accepted, created, len(calls), tally.refused(calls), broken, (notes, tally.kinds(calls)))


async def _accepted(partner: Partner, events: list[Event]) -> float:
    """Deliver all; when the last was accepted."""
    turns = asyncio.Semaphore(CONNECTIONS)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as http:

        async def one(event: Event) -> None:
            async with turns:
                await workload.deliver(partner, http, event)

        await asyncio.gather(*map(one, events))
    return time.perf_counter()
