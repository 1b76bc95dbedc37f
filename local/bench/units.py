"""What one ticket costs that is sent at once while nothing else happens: calls to Zendesk, writes to DynamoDB."""

import asyncio
import json
from dataclasses import dataclass

import aiohttp
from mypy_boto3_dynamodb import DynamoDBClient

from local.api_gateway.front import served
from local.bench import workload
from local.bench.conditions import Engine, client
from local.bench.figures import Figure, Goal, Part
from local.bench.metering import Meter
from local.bench.progress import Bars
from local.bench.prose import Prose
from local.demo.partner import Event, Partner
from local.stack import Options, Stack, running

SIZES = {"1 KB": (1024, Goal(10)), "10 KB": (10 * 1024, Goal(20))}
"""Of the request to Zendesk, and how many write units its ticket may cost."""
_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Means of one ticket."""

    size: float
    units: float
    writes: float
    calls: float


@dataclass(frozen=True, slots=True)
class Idle:
    """A stack with nothing to do but the events that it is given one by one."""

    stack: Stack
    meter: Meter
    dynamodb: DynamoDBClient
    partner: Partner
    http: aiohttp.ClientSession

    async def cost(self, events: list[Event]) -> Cost:
        """Of an event, brought to its end before the next one comes."""
        journal, table = workload.account(self.stack).journal, self.stack.ready["table"]
        self.meter.begin(self.dynamodb.describe_table(TableName=table)["Table"])
        journal.entries.clear()
        for event in events:
            there = len(workload.account(self.stack).tickets.all())
            async with asyncio.timeout(_WITHIN):
                await workload.deliver(self.partner, self.http, event)
                await workload.tickets(self.stack, there + 1, lambda _: None)
                await self.stack.schedule.run_now()
                await workload.settled(self.dynamodb, table)
        size = sum(call.size for call in journal.calls("POST", "/api/v2/tickets"))
        costs = (size, self.meter.units, self.meter.writes, len(journal.entries))
        return Cost(*(cost / len(events) for cost in costs))


async def measured(events: int, engine: Engine, bars: Bars) -> Part:
    """Send so many events of each size, one after the other, each to its end."""
    bars.begin("units: start", 1)
    meter = Meter(engine.url)
    async with (
        served(meter.application(), 0) as url,
        running(Options(port=0, poll_every=None, dynamodb_url=url, concurrency=1)) as stack,
        aiohttp.ClientSession() as http,
    ):
        partner = await workload.warm(stack)
        idle = Idle(stack, meter, client(engine), partner, http)
        (first,) = workload.account(stack).journal.calls("POST", "/api/v2/tickets")
        around = first.size - len(json.loads(partner.sample)["incident"]["summary"])
        prose, done, costs = Prose(seed=events), bars.begin("units: tickets", len(SIZES) * events), {}
        for number, (name, (size, _)) in enumerate(SIZES.items()):
            sent = [_event(partner, prose.text(size - around)) for _ in range(events)]
            costs[name] = await idle.cost(sent)
            done((number + 1) * events)
    sizes = " and ".join(f"{cost.size:.0f}" for cost in costs.values())
    uncounted = [f"{operation} is an operation whose units are not counted." for operation in sorted(meter.uncounted)]
    return Part(
        title="Cost of a ticket",
        peer="",
        figures=tuple(
            figure
            for name, (_, goal) in SIZES.items()
            for figure in (
                Figure(f"write units, request of {name}", costs[name].units, "{:.1f}", goal=goal),
                Figure(f"writes, {name}", costs[name].writes, "{:.1f}"),
                Figure(f"calls to Zendesk, {name}", costs[name].calls, "{:.1f}"),
            )
        ),
        how=f"""{events} events of each size, one after the other, each sent at once and then polled to its end. The
            text is prose, Python's own manual; the requests came to {sizes} bytes. Units are counted by DynamoDB's
            documented rules from the items before and after each write, with the indexes. Tests hold these rules to
            what DynamoDB Local answers. The table is in {engine.name}.""",
        limits=("Each change of state is a write of the whole row, and of its entry in the index of what is due.",),
        broken=tuple(uncounted),
    )


def _event(partner: Partner, summary: str) -> Event:
    event = json.loads(partner.sample)
    event["incident"]["summary"] = summary
    return Event(partner.name, json.dumps(event).encode())
