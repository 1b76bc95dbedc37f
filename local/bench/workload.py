"""What every part of the bench does with a running stack: warm it up, send events, and wait until all is over."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import click

from local import zendesk_simulator
from local.demo.partner import Event, Partner
from local.stack import Stack

PARTNER = "acme"
MINUTE = 60.0
"""Between two runs of the poller, as deployed."""

_TRIES = 30
_PAUSE_SECONDS = 1.0
_LOOK_SECONDS = 0.1


def account(stack: Stack) -> zendesk_simulator.Account:
    """The stack's simulated Zendesk."""
    assert stack.zendesk is not None  # noqa: S101 - no other Zendesk was asked for
    return stack.zendesk


async def deliver(partner: Partner, http: aiohttp.ClientSession, event: Event) -> float:
    """Deliver until the answer is 202, as partners do; seconds that this answer took.

    Raises ClickException if it never is.
    """
    for _ in range(_TRIES):
        answer = await partner.deliver(http, event)
        if answer.status == 202:
            return answer.seconds
        await asyncio.sleep(_PAUSE_SECONDS)
    raise click.ClickException(f"an event was answered {answer.status}, {_TRIES} times")


async def warm(stack: Stack) -> Partner:
    """Send one event to its end: it fetches the token, and fills caches."""
    partner = Partner.of(PARTNER, stack.ready)
    async with aiohttp.ClientSession() as http:
        await deliver(partner, http, partner.event())
    async with asyncio.timeout(MINUTE):
        await tickets(stack, 1, lambda _: None)
        await stack.schedule.run_now()
    return partner


async def tickets(stack: Stack, number: int, done: Callable[[int], object]) -> None:
    """Wait until so many tickets exist; `done` hears how many there are."""
    made = account(stack).tickets
    while (there := len(made.all())) < number:
        done(there)
        await asyncio.sleep(_LOOK_SECONDS)
    done(number)


async def settled(dynamodb: Any, table: str) -> None:
    """Wait until no row has work left: the index of what is due is empty."""
    while await asyncio.to_thread(lambda: dynamodb.scan(TableName=table, IndexName="due", Limit=1)["Count"]):
        await asyncio.sleep(_LOOK_SECONDS)
