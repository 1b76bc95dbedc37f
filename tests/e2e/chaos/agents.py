"""Agents in Zendesk, whose tickets come to meet a rule's condition while Zendesk drops a part of the webhooks that tell
of it; and what must have become of each ticket.

A ticket of a VIP's is made, or becomes one later; agents tag it as they please, solve some, merge one into another, and
delete one. Each change fires the trigger. A ticket that meets the condition at the end must have the change, and none
may have it twice.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.zendesk_simulator import Account, Trigger
from tests.e2e.chaos.verdict import Ended, Item, Violation
from ticket_relay.poll_jobs.sweep import PK as SWEEP
from ticket_relay.poll_jobs.sweep import START_AGE

RULE = "escalate-vip"
"""Of layers/config/updates: for `vip_customer`, as long as the ticket is new or open, once."""
SUBJECT = "Of an agent's"
COMMENT = "Escalated from "
BODY = json.dumps(
    {
        "rule": RULE,
        "ticket_id": "{{ticket.id}}",
        "updated_at": "{{ticket.updated_at_with_timestamp}}",
        "actor_id": "{{current_user.id}}",
    }
)
WEBHOOK_ID = "01CHAOS"
STEPS = ("tag", "tag", "vip", "vip", "priority", "solve", "merge", "delete")


@dataclass
class Watched:
    """A ticket, and what its agent has tagged it with since."""

    id: int
    tags: set[str] = field(default_factory=set)


def trigger(account: Account, url: str, secret: str) -> None:
    """The webhook of an administrator who knows the rule."""
    made = Trigger(f"{url}/zendesk/ticket-updates", secret, BODY, tag="vip_customer", webhook_id=WEBHOOK_ID)
    account.triggers.rules.append(made)


def begun(now: float) -> dict[str, Any]:
    """The item of a relay whose first sweep was some minutes ago."""
    return {"pk": SWEEP, "start_time": int(now - START_AGE) - 1, "up_to": int(now), "next_at": 0}


async def work(account: Account, number: int, *, seconds: float, canary: str, dice: random.Random) -> list[Watched]:
    """So many tickets, over so many seconds."""
    agent = account.users.agent("dana@example.com")
    watched: list[Watched] = []

    async def follow() -> None:
        await asyncio.sleep(dice.uniform(0, seconds * 0.8))
        tags = ["triage", *(["vip_customer"] if dice.random() < 0.7 else [])]
        changes = {"subject": f"{SUBJECT} {canary}", "comment": {"body": f"It burns {canary}"}, "tags": tags}
        ticket = Watched(account.tickets.create(changes, agent)[0]["id"])
        watched.append(ticket)
        for step in dice.choices(STEPS, k=dice.randint(0, 3)):
            await asyncio.sleep(dice.uniform(0, seconds * 0.2))
            _edit(account, ticket, step, dice, [other for other in watched if other is not ticket])

    async with asyncio.TaskGroup() as group:
        for _ in range(number):
            group.create_task(follow())
    return watched


def _edit(account: Account, ticket: Watched, step: str, dice: random.Random, others: Sequence[Watched]) -> None:
    agent = account.users.agent("dana@example.com")
    open_ones = {it["id"] for it in account.tickets.all() if it["status"] != "closed"}
    into = [other for other in others if other.id in open_ones]
    if ticket.id not in open_ones or (step == "merge" and not into):
        return
    match step:
        case "merge":
            account.tickets.merge(ticket.id, dice.choice(into).id, agent)
            return
        case "delete":
            account.tickets.delete(ticket.id)
            return
        case "tag" | "vip":
            tag = "vip_customer" if step == "vip" else f"theirs{dice.randrange(10**6)}"
            ticket.tags.add(tag)
            changes: dict[str, Any] = {"additional_tags": [tag]}
        case "priority":
            changes = {"priority": dice.choice(("low", "urgent"))}
        case _:
            changes = {"status": "solved"}
    account.tickets.update(ticket.id, changes, agent)


def judged(
    watched: Sequence[Watched],
    tickets: Mapping[int, Mapping[str, Any]],
    items: Mapping[str, Item],
    jobs: Mapping[str, Ended],
) -> list[Violation]:
    """`tickets` are Zendesk's by number, each with its `comments`, the texts in their order."""
    return [
        Violation(f"ticket {ticket.id}", sentence, _rows(ticket.id, items))
        for ticket in watched
        if (found := tickets.get(ticket.id))  # or it was deleted
        for sentence in _faults(ticket, found, items, jobs)
    ]


def told(watched: Sequence[Watched], items: Mapping[str, Item]) -> Counter[str]:
    """How the tickets came to their change, if they did."""
    return Counter(_changed_by(ticket.id, items) for ticket in watched)


def _changed_by(ticket_id: int, items: Mapping[str, Item]) -> str:
    applied = [pk for pk, item in items.items() if pk.startswith(f"update#{ticket_id}#") and item["state"] == "applied"]
    if not applied:
        return "unchanged"
    return "changed by a sweep" if any("#sweep." in pk for pk in applied) else "changed by a webhook"


def _faults(
    ticket: Watched, found: Mapping[str, Any], items: Mapping[str, Item], jobs: Mapping[str, Ended]
) -> Iterator[str]:
    has = "escalated" in found["tags"]
    due = "vip_customer" in found["tags"] and found["status"] in {"new", "open"} and not has
    if due and not _refused(ticket.id, items, jobs):
        yield "meets the rule's condition, and has not its change"
    times = sum(comment.startswith(COMMENT) for comment in found["comments"])
    if times != has:
        yield f"has the rule's comment {times} times, and its tag {'once' if has else 'not at all'}"
    if lost := ticket.tags - {*found["tags"]}:
        yield f"an agent's tags are gone: {', '.join(sorted(lost))}"


def _refused(ticket_id: int, items: Mapping[str, Item], jobs: Mapping[str, Ended]) -> bool:
    """Whether Zendesk refused an update of it for good, as a job of its own says."""
    rows = (item for pk, item in items.items() if pk.startswith(f"update#{ticket_id}#"))
    return any(
        row["state"] == "failed" and (job := jobs.get(str(row.get("job_id")))) and job.error == row["error_code"]
        for row in rows
    )


def _rows(ticket_id: int, items: Mapping[str, Item]) -> str:
    return "\n".join(
        f"{pk}: {item['state']} {item.get('error_code', '')}"
        for pk, item in sorted(items.items())
        if pk.startswith(f"update#{ticket_id}#")
    )
