"""What happens, in order. Each scene acts, waits, and claims."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from local.demo import claims
from local.demo.partner import Answer, Event, Partner
from local.demo.screen import Line
from local.demo.stage import Stage
from local.zendesk_simulator import Fault, Trigger

_CREATE = "/api/v2/tickets"
_WEBHOOK = {
    "rule": "escalate-vip",
    "ticket_id": "{{ticket.id}}",
    "updated_at": "{{ticket.updated_at_with_timestamp}}",
    "actor_id": "{{current_user.id}}",
}


async def play(stage: Stage) -> None:
    """All scenes; the claims are in the stage afterwards."""
    # Long enough to be seen, over before the relay asks for the first time.
    stage.account.settings.job_queued_seconds = 0.8
    stage.account.settings.job_working_seconds = 0.9
    acme, globex = await events_become_tickets(stage)
    if not await stage.created([acme, globex], within=0):
        return  # the other scenes go on from these tickets
    await duplicates_change_nothing(stage, acme)
    await forgeries_are_refused(stage)
    await an_outage_is_survived(stage)
    await an_agents_edit_is_kept(stage, globex)
    await an_alert_has_one_ticket(stage)
    await everybody_has_heard(stage)
    stage.claims["In the end"] = [
        claims.nothing_waits(stage.rows),
        claims.no_ticket_too_many(stage.events, stage.tickets),
    ]


async def events_become_tickets(stage: Stage) -> tuple[Event, Event]:
    """Two events of each partner; one of each is returned."""
    stage.scene(
        "1. Two partners send signed events",
        "Each is stored before it is answered; Zendesk makes the ticket in a job, which the relay polls.",
    )
    events = {f"{name} {number}": stage.partners[name].event() for number in (1, 2) for name in ("acme", "globex")}
    answers: dict[str, Answer] = {}

    async def send(what: str, event: Event) -> None:
        answers[what] = await stage.partners[event.partner].deliver(stage.http, event)

    async with stage.watched(lambda: _lines(stage, events, answers)):
        await asyncio.gather(*(send(*pair) for pair in events.items()))
        await stage.created(events.values(), within=20)
    _claim_tickets(stage, list(events.values()), list(answers.values()))
    return events["acme 1"], events["globex 1"]


async def duplicates_change_nothing(stage: Stage, event: Event) -> None:
    stage.scene(
        "2. The same event again, three times at once",
        "Senders repeat what they are unsure of. The row is known, so all get its result; nothing is sent.",
    )
    before = stage.calls
    events = {f"acme 1, again ({number})": event for number in (1, 2, 3)}
    answers: dict[str, Answer] = {}
    async with stage.watched(lambda: _lines(stage, events, answers)):
        delivered = await asyncio.gather(*(stage.partners["acme"].deliver(stage.http, event) for _ in events))
        answers |= zip(events, delivered, strict=True)
    stage.claim(
        claims.all_answered_alike(delivered, stage.ticket_id(event)),
        claims.no_calls(stage.calls - before, "because of a duplicate"),
    )


async def forgeries_are_refused(stage: Stage) -> None:
    stage.scene(
        "3. Forged, altered and replayed requests",
        "The signature is over the raw bytes and the time; what it does not prove never gets as far as the table.",
    )
    acme = stage.partners["acme"]
    forger = replace(acme, secret=stage.partners["globex"].secret)
    before = stage.calls
    events = {what: acme.event() for what in ("signed with another's key", "altered on its way", "an hour old")}
    wrong_key, altered, old = events.values()
    answers: dict[str, Answer] = {}
    async with stage.watched(lambda: _lines(stage, events, answers)):
        delivered = [
            await forger.deliver(stage.http, wrong_key),
            await acme.deliver(stage.http, altered, body=altered.body.replace(b"critical", b"minor")),
            await acme.deliver(stage.http, old, ago=3600),
        ]
        answers |= zip(events, delivered, strict=True)
    expected = ["wrong_signature", "wrong_signature", "stale_timestamp"]
    stage.claim(
        claims.refused(delivered, expected),
        claims.nothing_kept(list(events.values()), stage.rows, stage.tickets),
        claims.no_calls(stage.calls - before, "because of a forgery"),
    )


async def an_outage_is_survived(stage: Stage) -> None:
    stage.scene(
        "4. Zendesk fails in many ways, then asks callers to wait",
        "A lost answer may hide a ticket. The relay waits 15 s, looks for it, and only then sends it again.",
    )
    fails = partial(Fault, method="POST", path=_CREATE)
    unclear = {
        "connection cut, job queued": fails(kind="drop", effect="before"),
        "time-out, job queued": fails(kind="delay", delay=3.5),
        "time-out, nothing done": fails(kind="status", status=504, delay=3.5),
        "500": fails(kind="status", status=500),
        "502, a page in HTML": fails(kind="html"),
    }
    throttled = {"429, wait 3 s": fails(kind="status", status=429, headers={"Retry-After": "3"})}
    gated = "sent while it waits"
    events = {what: stage.partners["globex"].event() for what in (*unclear, *throttled, gated)}
    answers: dict[str, Answer] = {}

    async def send(what: str) -> None:
        answers[what] = await stage.partners["globex"].deliver(stage.http, events[what])

    async def each_meets(faults: Mapping[str, Fault]) -> None:
        """One event into each fault: the next is sent when the fault before has struck."""
        async with asyncio.TaskGroup() as sending:
            for what, fault in faults.items():
                stage.account.faults.add(fault)
                sending.create_task(send(what))
                await stage.until(_struck(fault), within=10)

    async with stage.watched(lambda: _lines(stage, events, answers)):
        noted = stage.calls + len(unclear)
        await each_meets(unclear)
        # The journal notes a delayed call when it ends, which would look like a call through a closed gate.
        await stage.until(lambda: stage.calls >= noted, within=5)
        await each_meets(throttled)
        await send(gated)
        await stage.created(events.values(), within=60)
    _claim_tickets(stage, list(events.values()), list(answers.values()))
    journal = stage.account.journal
    stage.claim(
        claims.all_failed([fault.happened for fault in (*unclear.values(), *throttled.values())]),
        claims.looked_for([events[what] for what in unclear], [call.query for call in journal.calls("GET", _CREATE)]),
        claims.left_alone(
            [call.at for call in journal.entries], [call.at for call in journal.calls(status=429)], seconds=3
        ),
    )


async def an_agents_edit_is_kept(stage: Stage, event: Event) -> None:
    stage.scene(
        "5. An agent edits a ticket while the relay is updating it",
        "A tag fires Zendesk's trigger, and the rule escalate-vip decides. Its update is held up on the way,",
        "the agent sets the priority: 409, and the rule decides again, on the ticket as it is now.",
    )
    account = stage.account
    ticket_id = stage.ticket_id(event)
    path = f"{_CREATE}/{ticket_id}"
    agent = account.users.agent("dana@example.com")
    held_up = Fault(kind="delay", method="PUT", path=path, delay=0.8, effect="after")
    account.faults.add(held_up)
    account.triggers.rules.append(
        Trigger(
            url=f"{stage.url}/zendesk/ticket-updates",
            secret=stage.webhook_secret,
            body=json.dumps(_WEBHOOK),
            on="update",
            tag="vip_customer",
        )
    )

    def puts() -> list[int | None]:
        return [call.status for call in account.journal.calls("PUT", path)]

    def over() -> bool:
        rows = [row for pk, row in stage.rows.items() if pk.startswith(f"update#{ticket_id}#")]
        delivered = all(invocation.state == "delivered" for invocation in account.deliveries.invocations)
        return len(rows) == 2 and delivered and not any("due_at" in row for row in rows)

    async with stage.watched(lambda: _update_lines(stage, puts())):
        account.tickets.update(ticket_id, {"additional_tags": ["vip_customer"]}, agent)
        await stage.until(_struck(held_up), within=10)
        account.tickets.update(ticket_id, {"priority": "urgent", "additional_tags": ["called_back"]}, agent)
        await stage.until(over, within=30)
    ticket = account.tickets.get(ticket_id)
    stage.claim(
        claims.collided(puts()),
        claims.agents_change_survived(ticket, "urgent", "called_back"),
        claims.escalated_once(ticket, account.tickets.audits(ticket_id), account.relay.id, "urgent"),
        claims.loop_was_cut(
            [
                invocation.attempts[-1].outcome
                for invocation in account.deliveries.invocations
                if json.loads(invocation.body)["actor_id"] == str(account.relay.id) and invocation.attempts
            ]
        ),
    )


async def an_alert_has_one_ticket(stage: Stage) -> None:
    stage.scene(
        "6. An alert fires twice, resolves, and fires again",
        "Its definition says what the events are about, so that they share a ticket: the first makes it, the next is",
        "a comment on it, then it is solved, and reopened.",
    )
    hooli = stage.partners["hooli"]
    steps = {"fires": "firing", "fires again": "firing", "resolves": "resolved", "fires once more": "firing"}
    events = {
        what: _alert(hooli, status, f"2026-11-20T0{hour}:00:00.000Z")
        for hour, (what, status) in enumerate(steps.items(), start=1)
    }
    answers: dict[str, Answer] = {}
    statuses: list[str] = []
    async with stage.watched(lambda: _lines(stage, events, answers)):
        for what, event in events.items():
            answers[what] = await hooli.deliver(stage.http, event)
            await stage.until(partial(_over, stage, event), within=20)
            statuses += [ticket["status"] for ticket in _about(stage.tickets, events)]
    stage.events.append(events["fires"])
    tickets = _about(stage.tickets, events)
    audits = [audit for ticket in tickets for audit in stage.account.tickets.audits(ticket["id"])]
    stage.claim(
        claims.answered_in_time(list(answers.values())),
        claims.one_ticket_for_all(list(events.values()), stage.rows, tickets),
        claims.solved_and_reopened(statuses),
        claims.each_said_once([event.id for event in events.values()], audits),
    )


def _alert(hooli: Partner, status: str, at: str) -> Event:
    """The first alert of the sample, alone; the definition makes its id of these three."""
    content = json.loads(hooli.sample)
    alert = content["alerts"][0] | {"status": status, "startsAt": at, "endsAt": at}
    event_id = f"{alert['fingerprint']}-{at}-{status}"
    alert["annotations"] = {"summary": f"The disk of db-1 is nearly full. ({event_id})"}
    body = json.dumps(content | {"status": status, "alerts": [alert]}).encode()
    return Event(hooli.name, body, event_id, sent_as=f"msg_{status}_{at[:13]}")


def _over(stage: Stage, event: Event) -> bool:
    return stage.rows.get(event.pk, {}).get("state") in {"created", "joined"}


def _about(tickets: Iterable[Mapping[str, Any]], events: Mapping[str, Event]) -> list[Mapping[str, Any]]:
    external_ids = {event.external_id for event in events.values()}
    return [ticket for ticket in tickets if ticket["external_id"] in external_ids]


async def everybody_has_heard(stage: Stage) -> None:
    stage.scene(
        "7. Others hear how each event and update ended",
        "Each row holds its outcome. The table's stream and a pipe tell it to an event bus, as template.yaml has them;",
        "a queue listens there, as docs/events/to-sqs.yaml makes it.",
    )

    def lines() -> Iterator[Line]:
        for kind, count in Counter(outcome["type"] for outcome in stage.outcomes).items():
            yield Line(kind, told=f"{count} so far")

    async with stage.watched(lines):
        await stage.until(lambda: claims.all_told(stage.rows, stage.outcomes).true, within=10)
    stage.claim(claims.all_told(stage.rows, stage.outcomes))


def _struck(fault: Fault) -> Callable[[], bool]:
    return lambda: fault.happened > 0


def _claim_tickets(stage: Stage, events: list[Event], answers: list[Answer]) -> None:
    stage.events += events
    stage.claim(
        claims.answered_in_time(answers),
        claims.one_ticket_each(events, stage.tickets),
        claims.rows_name_their_tickets(events, stage.rows, stage.tickets),
    )


def _lines(stage: Stage, events: Mapping[str, Event], answers: Mapping[str, Answer]) -> Iterator[Line]:
    for what, event in events.items():
        row = stage.rows.get(event.pk, {})
        answer = answers.get(what)
        said = f"{answer.status} {answer.body.get('state') or answer.body.get('error')}" if answer else ""
        ticket = f"#{row['ticket_id']}" if row.get("state") in {"created", "joined"} else ""
        yield Line(what, said, str(row.get("state", "")), stage.job(row), ticket, stage.told(event.pk))


def _update_lines(stage: Stage, puts: list[int | None]) -> Iterator[Line]:
    for number, invocation in enumerate(stage.account.deliveries.invocations, 1):
        pk = f"update#{invocation.ticket_id}#{invocation.id}"
        state = str(stage.rows.get(pk, {}).get("state", ""))
        said = ", ".join(str(attempt.outcome) for attempt in invocation.attempts)
        yield Line(f"webhook {number}", said, state, "", f"#{invocation.ticket_id}", stage.told(pk))
    yield Line("the relay's updates", zendesk=", ".join(map(str, puts)))
