"""How many events the whole stack takes at once, and how long the way from event to ticket is."""

import asyncio
import statistics
import time
import uuid
from dataclasses import dataclass

import aiohttp
import click
from rich.table import Table

from local import artefacts
from local.stack import Options, Stack, running
from ticket_relay.webhooks import signatures
from ticket_relay.webhooks.presets import PRESETS

PARTNER = "acme"
SETTLED_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """What sending many events at once was like. Seconds."""

    answers: list[float]
    accepted_in: float
    created_in: float
    calls: int


async def measured(events: int, connections: int) -> Load:
    """Send the events through a stack of their own, so many of them at once."""
    async with running(Options(port=0, poll_every=1.0)) as stack, aiohttp.ClientSession() as session:
        await _send(stack, session)  # the first event fetches the token
        await _created(stack, 1)
        begin, calls = time.perf_counter(), _calls(stack)
        turns = asyncio.Semaphore(connections)

        async def one() -> float:
            async with turns:
                return await _send(stack, session)

        answers = await asyncio.gather(*(one() for _ in range(events)))
        accepted_in = time.perf_counter() - begin
        await _created(stack, events + 1)
        return Load(answers, accepted_in, time.perf_counter() - begin, _calls(stack) - calls)


async def _send(stack: Stack, session: aiohttp.ClientSession) -> float:
    """Send the partner's sample under a new id; seconds until the answer."""
    partner = stack.ready["partners"][PARTNER]
    body = (artefacts.ROOT / partner["sample"]).read_bytes()
    headers = signatures.sign(
        PRESETS[partner["scheme"]],
        id=f"msg_{uuid.uuid4().hex}",
        timestamp=time.time(),
        body=body,
        secret=partner["secret"],
    )
    begin = time.perf_counter()
    async with session.post(
        f"{stack.ready['url']}/webhooks/{PARTNER}",
        data=body,
        headers={**headers, "content-type": "application/json"},
        timeout=aiohttp.ClientTimeout(30),
    ) as answer:
        await answer.read()
        if answer.status != 202:
            raise click.ClickException(f"an event was answered {answer.status}")
    return time.perf_counter() - begin


async def _created(stack: Stack, number: int) -> None:
    """Wait until so many tickets exist in the simulator."""
    assert stack.zendesk is not None  # noqa: S101 - no other Zendesk was asked for
    async with asyncio.timeout(SETTLED_WITHIN):
        while len(stack.zendesk.tickets.all()) < number:
            await asyncio.sleep(0.05)


def _calls(stack: Stack) -> int:
    assert stack.zendesk is not None  # noqa: S101
    return len(stack.zendesk.journal.entries)


def table(load: Load, events: int) -> Table:
    """Of a load of so many events."""
    shown = Table("what", "figure", title=f"{events} events at once")
    middle, late = statistics.median(load.answers), statistics.quantiles(load.answers, n=20)[-1]
    for name, figure in (
        ("events accepted per second", f"{events / load.accepted_in:.0f}"),
        ("answer, median", f"{middle * 1000:.0f} ms"),
        ("answer, 95th percentile", f"{late * 1000:.0f} ms ({late / middle:.1f} times the median)"),
        ("until every ticket exists", f"{load.created_in:.1f} s"),
        ("calls to Zendesk per ticket", f"{load.calls / events:.2f}"),
    ):
        shown.add_row(name, figure)
    return shown
