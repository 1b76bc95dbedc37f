"""One run: send while everything breaks, repair it, wait until nothing is left to do, and judge."""

import asyncio
import contextlib
import random
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Protocol

from local.demo.subscriber import Outcome as Told
from local.zendesk_simulator.audits import comments_of
from tests.e2e.chaos import agents, alerts, incidents, senders, verdict
from tests.e2e.chaos.agents import Watched
from tests.e2e.chaos.alerts import Story
from tests.e2e.chaos.senders import Sent
from tests.e2e.chaos.verdict import Ended, Evidence, Violation
from tests.e2e.chaos.world import EXPORT_LAG, World, broken_world
from tests.e2e.chaos.zendesk import CREATE, CREATE_MANY, UPLOADS

DRAINED_WITHIN = 240.0
"""Seconds: pauses grow while the trouble lasts, and a lease takes twenty of them to end."""
TOLD_WITHIN = 90.0
"""Seconds after the last row has ended."""
FOR_EACH_EVENT = 0.1
"""Seconds more: two of these runs may share a small machine."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to run. `rate` in events a second, `concurrency` of create_ticket, `engine` whose DynamoDB; of Zendesk's
    webhooks a share is dropped.
    """

    events: int
    seed: int
    key_honoured: bool
    rate: float
    concurrency: int
    engine: str
    drop_webhooks: float

    @property
    def name(self) -> str:
        return f"seed {self.seed}, key {'honoured' if self.key_honoured else 'ignored'}, {self.engine}"

    @property
    def canary(self) -> str:
        return f"canary{self.seed}{'honoured' if self.key_honoured else 'ignored'}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it, in figures; `secrets` are those that no log may hold."""

    task: Task
    violations: list[Violation]
    injected: Counter[str]
    answers: Counter[str]
    states: Counter[str]
    watched: Counter[str]
    calls: Counter[str]
    gate: Counter[str]
    secrets: set[str]
    sending: float
    draining: float


class Progress(Protocol):
    """Told of what goes on."""

    def sent(self, number: int) -> None: ...

    def waiting(self, rows: int) -> None: ...


async def run(task: Task, upstream: str, progress: Progress, starting: asyncio.Lock) -> Outcome:
    """`starting` is held while the stack comes up: runtimes of several stacks would starve each other of their init."""
    async with contextlib.AsyncExitStack() as opened:
        async with starting:
            world = await opened.enter_async_context(
                broken_world(upstream, key_honoured=task.key_honoured, seed=task.seed, concurrency=task.concurrency)
            )
        began = time.monotonic()
        stories = alerts.stories(max(3, task.events // 20), _dice(f"{task.seed}, stories"))
        incidents.drop_webhooks(world, task.drop_webhooks, task.seed)
        sent, watched = await _send(world, task, stories, progress)
        mended = time.monotonic()
        world.repair(incidents.STUCK)
        slow = asyncio.create_task(incidents.catching_up(world))
        await _swept(world, DRAINED_WITHIN)
        await _drain(world, progress, DRAINED_WITHIN + FOR_EACH_EVENT * task.events)
        slow.cancel()
        drained = time.monotonic()
        outcomes = await _heard(world, TOLD_WITHIN)
        evidence = _evidence(sent, world, await world.items(), await world.index(), outcomes)
        tickets = _tickets(world)
        evidence = replace(evidence, objects=await world.objects())
        late_calls = [
            Violation("gate", f"called although Zendesk asked callers to wait: {it}")
            for it in world.gate_watch.late_calls
        ]
        return Outcome(
            task=task,
            violations=[
                *verdict.judged(evidence),
                *alerts.judged(stories, evidence.items, tickets),
                *agents.judged(watched, {it["id"]: it for it in tickets}, evidence.items, evidence.jobs),
                *late_calls,
            ],
            injected=world.injected(),
            answers=Counter(str(answer) for it in [*sent, *_alerts(stories)] for answer in it.answers),
            states=Counter(
                str(evidence.items.get(pk, {}).get("state", "not taken"))
                for pk in [*(it.event.pk for it in sent), *(it.pk for it in _alerts(stories))]
            ),
            watched=agents.told(watched, evidence.items),
            calls=_calls(world),
            gate=world.gate_watch.seen,
            secrets=world.secrets,
            sending=mended - began,
            draining=drained - mended,
        )


async def _send(world: World, task: Task, stories: list[Story], progress: Progress) -> tuple[list[Sent], list[Watched]]:
    seconds = max(incidents.LEAST_SECONDS, task.events / task.rate)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        progress.sent(done)

    async with asyncio.TaskGroup() as group:
        sending = group.create_task(
            senders.send(
                world.partner,
                task.events,
                rush_at=incidents.BEGINNING,
                seconds=seconds,
                canary=task.canary,
                dice=_dice(f"{task.seed}, senders"),
                done=count,
            )
        )
        group.create_task(
            alerts.send(
                world.monitoring, stories, seconds=seconds, canary=task.canary, dice=_dice(f"{task.seed}, alerts")
            )
        )
        working = group.create_task(
            agents.work(
                world.account,
                max(8, task.events // 5),
                seconds=seconds,
                canary=task.canary,
                dice=_dice(f"{task.seed}, agents"),
            )
        )
        group.create_task(incidents.trouble(world, _dice(f"{task.seed}, incidents"), seconds))
    return sending.result(), working.result()


def _dice(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311 - a lottery that can be repeated


async def _swept(world: World, within: float) -> None:
    """Wait until a sweep has seen all that has changed by now: its rows are there then."""
    now = time.time()
    while time.time() < now + within:
        item = (await world.items()).get(agents.SWEEP, {})
        if item.get("up_to", 0) > now + EXPORT_LAG + 1:
            return
        await asyncio.sleep(0.5)


async def _drain(world: World, progress: Progress, within: float) -> None:
    """Wait until no row is at work, but not for ever: whatever is left is for the verdict to tell."""
    end = time.monotonic() + within
    while time.monotonic() < end:
        left = sum(item.get("state") in verdict.WORKING for item in (await world.items()).values())
        progress.waiting(left)
        if not left:
            return
        await asyncio.sleep(0.5)


async def _heard(world: World, within: float) -> list[Told]:
    """What the subscriber knows when it knows all, or when the time is over."""
    end = time.monotonic() + within
    while True:
        heard = await asyncio.to_thread(world.subscriber.heard)
        if not verdict.untold(await world.items(), heard) or time.monotonic() > end:
            return heard
        await asyncio.sleep(0.5)


def _alerts(stories: list[Story]) -> list[alerts.Alert]:
    return [alert for story in stories for alert in story.alerts]


def _tickets(world: World) -> list[dict[str, Any]]:
    """With their comments."""
    tickets = world.account.tickets
    return [
        ticket | {"comments": [comment["body"] for comment in comments_of(tickets.audits(ticket["id"]))]}
        for ticket in tickets.all()
    ]


def _evidence(
    sent: list[Sent], world: World, items: dict[str, Any], indexed: set[str], outcomes: list[Told]
) -> Evidence:
    tickets: dict[str, list[int]] = defaultdict(list)
    for ticket in world.account.tickets.all():
        external_id = ticket["external_id"]
        if external_id is None or external_id.startswith(f"{alerts.PARTNER}:"):
            continue  # They are judged by what they are about, and agents' tickets by theirs.
        tickets[str(ticket["external_id"])].append(ticket["id"])
    jobs = {}
    for job in world.account.jobs:
        row = job.results[0] if isinstance(job.results, list) and job.results else {}
        jobs[job.id] = Ended(job.status, row.get("error"), row.get("details"))
    refusals = {
        entry.idempotency_key: incidents.UNPROCESSABLE
        for entry in world.account.journal.calls("POST", CREATE, 422)
        if entry.idempotency_key
    }
    comments = {ticket["id"]: _comments(world, ticket["id"]) for ticket in world.account.tickets.all()}
    return Evidence(
        sent,
        items,
        indexed,
        tickets,
        jobs,
        refusals,
        outcomes,
        time.time(),
        attached={id: [it["file_name"] for one in of for it in one["attachments"]] for id, of in comments.items()},
        noted={id: [one["body"] for one in of if not one["public"]] for id, of in comments.items()},
    )


def _comments(world: World, ticket_id: int) -> list[dict[str, Any]]:
    return comments_of(world.account.tickets.audits(ticket_id))


_KINDS = {
    f"POST {CREATE}": "creates",
    f"POST {CREATE_MANY}": "creates of many",
    f"POST {UPLOADS}": "uploads",
    f"GET {CREATE}": "look-ups by external_id",
    "PUT *": "updates",
    "GET /api/v2/incremental/*": "sweeps",
    "GET /api/v2/webhooks/*": "sweeps",
    "GET */audits": "looks at audits",
    f"GET {CREATE}/*": "look-ups by id",
    "GET /api/v2/job_statuses*": "looks at jobs",
}
"""The first pattern that fits a call of Zendesk says what it is for; any other is for a token."""


def _calls(world: World) -> Counter[str]:
    """Calls of Zendesk by what they are for."""
    calls: Counter[str] = Counter()
    keys: set[str | None] = set()
    for entry in world.account.journal.entries:
        call = f"{entry.method} {entry.path}"
        kind = next((kind for pattern, kind in _KINDS.items() if fnmatchcase(call, pattern)), "tokens")
        calls[kind] += 1
        if kind == "creates":
            row = (entry.idempotency_key or "").rpartition("-")[0]
            calls["creates repeated"] += row in keys
            keys.add(row)
    return calls
