"""A monitoring system whose alerts fire, repeat, resolve and fire again; and what must have become of each thing.

It sends about one thing after the other, each alert until it is answered 2xx, as Alertmanager does; some twice at once,
and some together with all that it has sent about the thing before. A resolution may come before anything has fired.
"""

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import aiohttp

from local.demo.partner import Event, Partner
from tests.e2e.chaos.verdict import Item, Violation

PARTNER = "hooli"
PATIENCE = 60
"""Attempts to deliver an alert."""
SETTLED = frozenset({"created", "joined"})


@dataclass
class Alert:
    """`number` tells it apart from the others about its thing; its text is somewhere in the comment that it leaves."""

    thing: str
    number: int
    status: Literal["firing", "resolved"]
    answers: list[int | str] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.thing}-{self.number}-{self.status}"

    @property
    def pk(self) -> str:
        return f"ticket#{PARTNER}#{self.id}"

    @property
    def text(self) -> str:
        return f"[{self.id}]"

    def content(self, canary: str) -> dict[str, Any]:
        return {
            "status": self.status,
            "fingerprint": self.thing,
            "startsAt": str(self.number),
            "endsAt": self.text,
            "labels": {"alertname": self.thing, "instance": canary},
            "annotations": {"summary": f"{self.text} {canary}"},
            "generatorURL": "https://prometheus.hooli.example.com/",
        }


@dataclass
class Story:
    """All about one thing, in order. What comes behind an alert that was never taken is not sent."""

    thing: str
    alerts: list[Alert]

    @property
    def taken(self) -> list[Alert]:
        return [alert for alert in self.alerts if alert.answers and alert.answers[-1] == 202]


def stories(number: int, dice: random.Random) -> list[Story]:
    made = []
    for thing in (f"alert{each}" for each in range(number)):
        kinds = dice.choices(("firing", "resolved"), k=dice.randint(2, 6))
        kinds = [*kinds, "firing", *(["resolved"] if dice.random() < 0.4 else [])]
        made.append(Story(thing, [Alert(thing, each, kind) for each, kind in enumerate(kinds)]))
    return made


async def send(partner: Partner, told: Sequence[Story], *, seconds: float, canary: str, dice: random.Random) -> None:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as http, asyncio.TaskGroup() as group:
        for story in told:
            group.create_task(_tell(partner, http, story, seconds, canary, dice))


async def _tell(
    partner: Partner, http: aiohttp.ClientSession, story: Story, seconds: float, canary: str, dice: random.Random
) -> None:
    for alert in story.alerts:
        await asyncio.sleep(dice.uniform(0, 2 * seconds / len(story.alerts)))
        before = story.alerts[: alert.number] if dice.random() < 0.3 else []
        body = json.dumps({"alerts": [each.content(canary) for each in (*before, alert)]}).encode()
        copies = dice.choices((1, 2), weights=(4, 1))[0]
        await asyncio.gather(*(_deliver(partner, http, alert, body, dice) for _ in range(copies)))
        if alert.answers[-1] != 202:
            return


async def _deliver(
    partner: Partner, http: aiohttp.ClientSession, alert: Alert, body: bytes, dice: random.Random
) -> None:
    event = Event(PARTNER, body, f"dlv_{dice.randbytes(8).hex()}")
    for _ in range(PATIENCE):
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            answer = await partner.deliver(http, event)
            alert.answers.append(answer.status)
            if answer.status == 202:
                return
        await asyncio.sleep(dice.uniform(0.3, 1.5))
    alert.answers.append("given up")


def judged(told: Sequence[Story], items: Mapping[str, Item], tickets: Sequence[Mapping[str, Any]]) -> list[Violation]:
    """`tickets` are Zendesk's, each with its `comments`, the texts in their order."""
    return [
        Violation(story.thing, sentence, _rows(story, items))
        for story in told
        for sentence in _faults(story, items, _of(story, tickets))
    ]


def _faults(story: Story, items: Mapping[str, Item], tickets: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    rows = {alert.id: items.get(alert.pk, {}) for alert in story.taken}
    lost = [alert for alert in rows if rows[alert].get("state") not in {*SETTLED, "failed"}]
    if lost:
        yield f"neither joined, created nor failed: {', '.join(lost)}"
        return
    told = [alert for alert in story.taken if rows[alert.id]["state"] in SETTLED]
    comments = [comment for ticket in tickets for comment in ticket["comments"]]
    seen = [alert for comment in comments for alert in story.alerts if alert.text in comment]
    if len(seen) != len(comments):
        yield "a comment that nobody wrote"
    if sorted(alert.number for alert in seen) != [alert.number for alert in told]:
        yield f"comments of {_numbers(seen)}, and not of {_numbers(told)}"
    failed = len(told) < len(story.taken)
    if not failed and seen != _expected(told):
        yield f"comments in the order {_numbers(seen)}, and not {_numbers(_expected(told))}"
    still_open = [ticket["id"] for ticket in tickets if ticket["status"] not in {"solved", "closed"}]
    wanted = 1 if seen and seen[-1].status == "firing" else 0
    if len(still_open) != wanted:
        yield f"{len(still_open)} open tickets, and not {wanted}"


def _expected(told: Sequence[Alert]) -> list[Alert]:
    """What resolved before anything had fired waits for the first that fires."""
    first = next((alert for alert in told if alert.status == "firing"), None)
    return [*([first] if first else []), *(alert for alert in told if alert is not first)]


def _of(story: Story, tickets: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    mine = [ticket for ticket in tickets if str(ticket["subject"]).startswith(f"{story.thing} on ")]
    return sorted(mine, key=lambda ticket: ticket["id"])


def _numbers(alerts: Sequence[Alert]) -> str:
    return " ".join(f"{alert.number}{alert.status[0]}" for alert in alerts) or "none"


def _rows(story: Story, items: Mapping[str, Item]) -> str:
    return "\n".join(
        f"{alert.id}: {items.get(alert.pk, {}).get('state')} {items.get(alert.pk, {}).get('error_code', '')} "
        f"#{items.get(alert.pk, {}).get('ticket_id', '')}, answers {' '.join(map(str, alert.answers))}"
        for alert in story.alerts
    )
