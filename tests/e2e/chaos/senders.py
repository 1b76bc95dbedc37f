"""Partners that send: the same event several times at once and again later, over several connections, and again after
whatever is not 2xx, up to a point.
"""

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp

from local.demo.partner import Event, Partner

CONNECTIONS = 8
UNMAPPABLE = 0.04
"""The share of events that no definition fits."""
UNFIT = 0.2
"""The share of events with files of which one is not allowed."""
LARGE = 0.05
"""The share of events that no row can hold."""
IMPATIENT = 0.1
"""The share of deliveries that are not tried again."""
PATIENCE = 6
RUSH = 16
"""So many events at most come nearly at once."""


@dataclass
class Sent:
    """One event, whether a ticket can be made of it, and what its deliveries were answered (or why they were not)."""

    event: Event
    maps: bool
    files: tuple[str, ...] = ()
    """The names of those that it brings, and its ticket must have."""
    unfit: tuple[str, ...] = ()
    """The names of those that no definition allows, and a note of its ticket must tell."""
    answers: list[int | str] = field(default_factory=list)

    @property
    def taken(self) -> bool:
        return any(isinstance(answer, int) and 200 <= answer < 300 for answer in self.answers)


@dataclass(frozen=True)
class _Plan:
    sent: Sent
    at: float
    at_once: int
    later: tuple[float, ...]


async def send(
    partner: Partner,
    number: int,
    *,
    rush_at: float,
    seconds: float,
    canary: str,
    dice: random.Random,
    done: Callable[[], None],
) -> list[Sent]:
    """Send `number` events, spread over `seconds` but for a rush. `done` is called after each. The canary is all over
    the bodies.
    """
    rush = min(RUSH, number // 3)
    times = [(rush_at, rush_at + 1.0)] * rush + [(0.0, seconds)] * (number - rush)
    plans = [_plan(partner, dice.uniform(*between), canary, dice) for between in times]
    async with contextlib.AsyncExitStack() as opened:
        connections = [
            await opened.enter_async_context(aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)))
            for _ in range(CONNECTIONS)
        ]

        async def follow(plan: _Plan) -> None:
            await asyncio.sleep(plan.at)
            await asyncio.gather(*(_deliver(partner, dice, connections, plan.sent) for _ in range(plan.at_once)))
            for pause in plan.later:
                await asyncio.sleep(pause)
                await _deliver(partner, dice, connections, plan.sent)
            done()

        await asyncio.gather(*map(follow, plans))
    return [plan.sent for plan in plans]


def _plan(partner: Partner, at: float, canary: str, dice: random.Random) -> _Plan:
    maps = dice.random() >= UNMAPPABLE
    names = [f"{canary}-{number}.csv" for number in range(dice.choices((0, 1, 3), weights=(6, 3, 1))[0])]
    unfit = [f"{canary}.html"] if names and dice.random() < UNFIT else []
    log = _log(canary, dice) if dice.random() < LARGE else ""
    body = _body(partner.sample, canary, [*names, *unfit], maps=maps, log=log)
    return _Plan(
        sent=Sent(Event(partner.name, body, f"msg_{dice.randbytes(8).hex()}"), maps, tuple(names), tuple(unfit)),
        at=at,
        at_once=dice.choices((1, 2, 5), weights=(7, 2, 1))[0],
        later=tuple(dice.uniform(0.2, 4) for _ in range(dice.choices((0, 1, 2), weights=(7, 2, 1))[0])),
    )


def _log(canary: str, dice: random.Random) -> str:
    """Up to 2 MB that no compression makes much less."""
    return f"{canary} {dice.randbytes(dice.randrange(50_000, 1_000_000)).hex()}"


def _body(sample: bytes, canary: str, files: list[str], *, maps: bool, log: str) -> bytes:
    event = json.loads(sample)
    event["incident"] |= {"title": f"It burns {canary}", "summary": f"Smoke {canary}", "service": canary}
    event["reporter"] = {"name": f"Marta {canary}", "email": f"{canary}@acme.example.com"}
    event["incident"]["files"] = [
        {
            "base64": base64.b64encode(canary.encode()).decode(),
            "filename": name,
            "content_type": "text/csv" if name.endswith(".csv") else "text/html",
        }
        for name in files
    ]
    if log:
        event["log"] = log
    if not maps:
        del event["incident"]["title"]
    return json.dumps(event).encode()


async def _deliver(partner: Partner, dice: random.Random, connections: list[aiohttp.ClientSession], sent: Sent) -> None:
    for _ in range(1 if dice.random() < IMPATIENT else PATIENCE):
        try:
            answer: int | str = (await partner.deliver(dice.choice(connections), sent.event)).status
        except (aiohttp.ClientError, TimeoutError) as error:
            answer = type(error).__name__
        sent.answers.append(answer)
        if answer == 202:
            return
        await asyncio.sleep(dice.uniform(0.3, 2))
