"""What goes wrong, each under the name that the report gives it, and the scheduler that lets it happen.

A seed decides what comes when. Nothing here knows what the relay does about it.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from local.zendesk_simulator import Drop, Fault, JobPlan
from tests.e2e.chaos.proxy import Trouble
from tests.e2e.chaos.traps import Moment
from tests.e2e.chaos.world import READ_TIMEOUT, World
from tests.e2e.chaos.zendesk import CREATE, CREATE_MANY, TOKENS, UPLOADS

LATE = READ_TIMEOUT + 0.3
"""Seconds: the relay no longer waits, and yet it is soon."""
STUCK = 3600.0
"""Seconds a stuck job is queued: the simulated clock makes the hour pass when the faults are over."""
BEGINNING = 2.0
"""Seconds in which nothing goes wrong; then a rush of events meets an outage."""
CATCHING_UP = 20.0

GAP = 0.35
"""Seconds between two incidents, on average."""

UNPROCESSABLE = "Requester is suspended."
REFUSAL = f'{{"error": "RecordInvalid", "description": "{UNPROCESSABLE}"}}'

type Incident = Callable[[World, random.Random], Coroutine[Any, Any, None]]

_CREATION: dict[str, Any] = {"method": "POST", "path": f"{CREATE}*"}
"""Of one ticket or of many."""
_CALLS: tuple[dict[str, Any], ...] = (
    _CREATION,
    {"method": "GET", "path": CREATE},
    {"method": "GET", "path": "/api/v2/job_statuses*"},
    {"method": "POST", "path": UPLOADS},
    {"method": "PUT", "path": f"{CREATE}/*"},
    {"method": "GET", "path": f"{CREATE}/*"},
    {"method": "GET", "path": "/api/v2/incremental/*"},
)


async def _call_fails(name: str, world: World, dice: random.Random, **fault: Any) -> None:
    """The next call or two of some kind; mostly of the creation, since nothing else can do harm."""
    (where,) = dice.choices(_CALLS, weights=(6, 3, 2, 2, 3, 1, 1))
    world.plan(name, Fault(**where, times=dice.randint(1, 2), **fault))


async def _refused(name: str, world: World, _: random.Random, *, path: str) -> None:
    """Zendesk's final no. To one creation: its event must end as `failed`, with these words. To many in one request
    it says nothing about any of them.
    """
    refusal: dict[str, Any] = {"status": 422, "body": REFUSAL, "content_type": "application/json"}
    world.plan(name, Fault("status", method="POST", path=path, **refusal))


async def _job_fails(name: str, world: World, dice: random.Random, **plan: Any) -> None:
    world.plan(name, JobPlan(times=dice.randint(1, 2), **plan))


async def _storm(name: str, world: World, dice: random.Random, **fault: Any) -> None:
    """Every call is refused until it is over, and each is told how long that will be."""
    seconds = dice.choice((1, 2, 3))
    headers = {"Retry-After": str(seconds)}
    await _lasting(name, world, Fault("status", path="/*", times=None, headers=headers, **fault), seconds)


async def _outage(name: str, world: World, dice: random.Random, **fault: Any) -> None:
    await _lasting(name, world, Fault(path="/*", times=None, **fault), dice.uniform(1, 2))


async def _lasting(name: str, world: World, fault: Fault, seconds: float) -> None:
    world.plan(name, fault)
    try:
        await asyncio.sleep(seconds)
    finally:
        world.account.faults.planned.remove(fault)


async def _token_endpoint_fails(name: str, world: World, dice: random.Random, **fault: Any) -> None:
    world.account.oauth.revoke_all()
    world.plan(name, Fault(method="POST", path=TOKENS, times=dice.randint(1, 3), **fault))


async def _token_revoked(name: str, world: World, _: random.Random) -> None:
    world.account.oauth.revoke_all()
    world.happened[name] += 1


async def _dynamodb_ails(world: World, dice: random.Random, *, kind: Any, rate: float) -> None:
    world.proxy.trouble = Trouble(kind, rate)
    try:
        await asyncio.sleep(dice.uniform(0.5, 2))
    finally:
        world.proxy.trouble = None


async def _killed(name: str, world: World, dice: random.Random, *, function: str) -> None:
    pids = world.runtimes.pids(function)
    if pids:
        world.runtimes.kill(dice.choice(pids))
        world.happened[name] += 1


async def _trapped(world: World, _: random.Random, *, moment: Moment) -> None:
    world.traps.arm(moment)
    if moment is Moment.RENEWING:
        world.account.oauth.revoke_all()


def _named(happen: Callable[..., Coroutine[Any, Any, None]], kinds: dict[str, dict[str, Any]]) -> list[Incident]:
    return [partial(happen, name, **kind) for name, kind in kinds.items()]


NARROW: list[Incident] = [
    *_named(
        _call_fails,
        {
            "time-out without effect": {"kind": "drop", "delay": LATE},
            "time-out with effect": {"kind": "delay", "delay": LATE},
            "time-out, effect afterwards": {"kind": "delay", "delay": LATE, "effect": "after"},
            "slow answer": {"kind": "delay", "delay": READ_TIMEOUT / 2},
            "slow effect": {"kind": "delay", "delay": READ_TIMEOUT / 2, "effect": "after"},
            "reset without effect": {"kind": "drop"},
            "reset after effect": {"kind": "drop", "effect": "before"},
            "500": {"kind": "status", "status": 500},
            "500 after effect": {"kind": "status", "status": 500, "effect": "before"},
            "503": {"kind": "status", "status": 503},
            "503 with Retry-After after effect": {
                "kind": "status",
                "status": 503,
                "effect": "before",
                "headers": {"Retry-After": "2"},
            },
            "409 after effect": {"kind": "status", "status": 409, "effect": "before"},
            "HTML error page": {"kind": "html"},
            "HTML that says 200 after effect": {"kind": "html", "status": 200, "effect": "before"},
            "malformed JSON": {"kind": "malformed"},
            "401": {"kind": "status", "status": 401},
        },
    ),
    *_named(_refused, {"422": {"path": CREATE}, "422 for many": {"path": CREATE_MANY}}),
    *_named(
        _job_fails,
        {
            "job failed for a passing reason": {
                "outcome": "failed",
                "error": "DatabaseTimeout",
                "details": "Try again",
            },
            "job failed by the ticket's fault": {"outcome": "failed"},
            "job failed without results": {"outcome": "failed_without_results"},
            "job failed although the ticket is there": {
                "outcome": "failed",
                "effect": True,
                "error": "DatabaseTimeout",
            },
            "job killed": {"outcome": "killed"},
            "job killed although the ticket is there": {"outcome": "killed", "effect": True},
            "job stuck": {"queued_seconds": STUCK},
            "job slow": {"queued_seconds": 4.0},
            "job forgotten": {"outcome": "forgotten"},
            "job forgotten without effect": {"outcome": "forgotten", "effect": False},
            "job hidden while young": {"hidden_seconds": 3.0},
            "job completed with a failed row": {
                "outcome": "failed_row",
                "error": "DatabaseTimeout",
                "details": "Again",
            },
            "job results null": {"outcome": "results_null"},
            "job results an object": {"outcome": "results_object"},
            "job results without our row": {"outcome": "row_missing"},
            "job results out of order": {"outcome": "rows_shuffled"},
        },
    ),
    *_named(
        _killed,
        {
            "killed at random: create_ticket": {"function": "create_ticket"},
            "killed at random: poll_jobs": {"function": "poll_jobs"},
            "killed at random: update_ticket": {"function": "update_ticket"},
        },
    ),
    *(partial(_trapped, moment=moment) for moment in (Moment.AFTER_CLAIM, Moment.AFTER_POST, Moment.BEFORE_UPDATE)),
]
"""What meets one event."""

WIDE: list[Incident] = [
    *_named(_storm, {"429 storm": {"status": 429}, "503 storm": {"status": 503}}),
    *_named(_outage, {"outage, 500": {"kind": "status", "status": 500}, "outage, resets": {"kind": "drop"}}),
    *_named(
        _token_endpoint_fails,
        {
            "token endpoint 500": {"kind": "status", "status": 500},
            "token endpoint reset": {"kind": "drop"},
            "token endpoint HTML": {"kind": "html"},
        },
    ),
    *_named(_token_revoked, {"token revoked": {}}),
    *_named(_call_fails, {"429 that names no time": {"kind": "status", "status": 429}}),
    *(
        partial(_dynamodb_ails, kind=kind, rate=rate)
        for kind, rate in (("throttled", 0.6), ("broken", 0.8), ("unreachable", 1.0), ("lost", 0.4), ("slow", 0.3))
    ),
    *(partial(_trapped, moment=moment) for moment in (Moment.RENEWING, Moment.ASKING_FIRST)),
]
"""What everything stands still for, and so would hide whatever else happens at the same time."""

LEAST_SECONDS = BEGINNING + GAP * len(NARROW) + 8.0
"""So long it takes until each of the narrow ones has been dealt once, and some of the wide ones."""


async def trouble(world: World, dice: random.Random, seconds: float) -> None:
    """Deal the incidents like cards, for so long, and let each one end: the narrow ones beside one another, the wide
    ones one after another. It begins with an outage of what has just begun to work, so that there is always something
    to catch up on.
    """
    await asyncio.sleep(BEGINNING)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds - BEGINNING), asyncio.TaskGroup() as happening:
            happening.create_task(_outage("outage, 500", world, dice, kind="status", status=500))
            while True:
                for card in dice.sample(NARROW, len(NARROW)):
                    happening.create_task(card(world, dice))
                    await asyncio.sleep(_gap(dice))
                for card in dice.sample(WIDE, len(WIDE)):
                    await card(world, dice)
                    await asyncio.sleep(_gap(dice))


async def catching_up(world: World) -> None:
    """When all is well again and everything that has waited is sent, Zendesk takes a while to do a thing, as it does
    after a bad time: a worker that takes a row which another has, sends it twice.
    """
    slow = Fault("delay", **_CREATION, times=None, delay=READ_TIMEOUT / 2, effect="after")
    await _lasting("slow while all is caught up", world, slow, CATCHING_UP)


def drop_webhooks(world: World, share: float, seed: int) -> None:
    """A part of Zendesk's webhooks is not sent, for one of two reasons, until all is well again."""
    for status, rate in (("throttled", share / 2), ("circuit broken", share / (2 - share) if share else 0.0)):
        world.plan(f"webhook {status}", Drop(times=None, rate=rate, seed=seed, status=status))


def _gap(dice: random.Random) -> float:
    return min(dice.expovariate(1 / GAP), 3 * GAP)
