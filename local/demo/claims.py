"""What the demo claims, checked against the simulator and the table. Pure: evidence in, verdict out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from local.demo.partner import Answer, Event
from local.demo.subscriber import kind_of

type Rows = Mapping[str, Mapping[str, Any]]
"""The relay's rows by their `pk`."""
type Ticket = Mapping[str, Any]


class Claim(NamedTuple):
    """A sentence, whether it was true, and what was seen."""

    sentence: str
    true: bool
    seen: str


def answered_in_time(answers: Sequence[Answer]) -> Claim:
    slowest = max((answer.seconds for answer in answers), default=0.0)
    good = sum(answer.status == 202 and answer.seconds < 5 for answer in answers)
    return Claim(
        "every event was answered 202 within the five seconds that a sender waits",
        bool(answers) and good == len(answers),
        f"{good} of {len(answers)}, the slowest after {slowest:.1f} s",
    )


def one_ticket_each(events: Sequence[Event], tickets: Iterable[Ticket]) -> Claim:
    held = Counter(ticket["external_id"] for ticket in tickets)
    once = sum(held[event.external_id] == 1 for event in events)
    return Claim(
        "Zendesk holds exactly one ticket for each of these events",
        bool(events) and once == len(events),
        f"{once} of {len(events)}",
    )


def rows_name_their_tickets(events: Sequence[Event], rows: Rows, tickets: Iterable[Ticket]) -> Claim:
    numbers = {ticket["external_id"]: ticket["id"] for ticket in tickets}
    right = sum(
        (row := rows.get(event.pk, {})).get("state") == "created"
        and row.get("ticket_id") == numbers.get(event.external_id, "none")
        for event in events
    )
    return Claim(
        "their rows are `created` and name the right ticket",
        bool(events) and right == len(events),
        f"{right} of {len(events)}",
    )


def all_answered_alike(answers: Sequence[Answer], ticket_id: int) -> Claim:
    expected = (202, "created", ticket_id)
    alike = sum((it.status, it.body.get("state"), it.body.get("ticket_id")) == expected for it in answers)
    return Claim(
        "every duplicate was answered 202 with the ticket's number",
        bool(answers) and alike == len(answers),
        f"{alike} of {len(answers)} with #{ticket_id}",
    )


def refused(answers: Sequence[Answer], codes: Sequence[str]) -> Claim:
    """`codes` are those that the answers should have, in their order."""
    said = [(answer.status, answer.body.get("error")) for answer in answers]
    return Claim(
        "every forgery was answered 401 with its reason",
        bool(said) and said == [(401, code) for code in codes],
        ", ".join(f"{status} {code}" for status, code in said),
    )


def nothing_kept(events: Sequence[Event], rows: Rows, tickets: Iterable[Ticket]) -> Claim:
    external_ids = {event.external_id for event in events}
    traces = sum(event.pk in rows for event in events) + sum(it["external_id"] in external_ids for it in tickets)
    return Claim("nothing of them was stored", traces == 0, f"{traces} rows and tickets")


def no_calls(calls: int, when: str) -> Claim:
    return Claim(f"nobody called Zendesk {when}", calls == 0, f"{calls} calls")


def looked_for(events: Sequence[Event], queries: Iterable[str]) -> Claim:
    """`queries` are those of the calls of List Tickets."""
    asked = set(queries)
    found = sum(f"external_id={event.external_id}" in asked for event in events)
    return Claim(
        "a ticket in doubt was looked for before anything was sent again",
        bool(events) and found == len(events),
        f"{found} of {len(events)}",
    )


def all_failed(happened: Sequence[int]) -> Claim:
    """`happened`: how often each fault was applied."""
    return Claim(
        "Zendesk did fail in each of these ways",
        bool(happened) and all(happened),
        f"{sum(map(bool, happened))} of {len(happened)}",
    )


def left_alone(calls: Sequence[float], throttled: Sequence[float], seconds: float) -> Claim:
    """`calls` and `throttled` are the times of all calls and of those that were answered 429."""
    knocks = sum(0 < call - closed < seconds for call in calls for closed in throttled)
    return Claim(
        f"nobody called Zendesk in the {seconds:g} s for which it had asked callers to wait",
        bool(throttled) and knocks == 0,
        f"{knocks} calls",
    )


def agents_change_survived(ticket: Ticket, priority: str, tag: str) -> Claim:
    return Claim(
        "the agent's change survived",
        ticket["priority"] == priority and tag in ticket["tags"],
        f"priority {ticket['priority']}, tags {', '.join(ticket['tags'])}",
    )


def escalated_once(ticket: Ticket, audits: Iterable[Mapping[str, Any]], relay_user: int, priority: str) -> Claim:
    """The rule's note names the `priority` that it found."""
    notes = [
        event["body"]
        for audit in audits
        for event in audit["events"]
        if audit["author_id"] == relay_user and event["type"] == "Comment" and not event["public"]
    ]
    return Claim(
        "the relay's change is there too, once, and was decided on the ticket as the agent had left it",
        "escalated" in ticket["tags"] and len(notes) == 1 and priority in notes[0],
        " / ".join(notes) or "no note",
    )


def collided(statuses: Sequence[int | None]) -> Claim:
    """`statuses` of the relay's updates of the ticket, in their order."""
    return Claim(
        "Zendesk refused the update that was decided on the old ticket (409), and took a later one",
        409 in statuses and statuses.count(200) == 1,
        ", ".join(map(str, statuses)),
    )


def loop_was_cut(outcomes: Sequence[int | str]) -> Claim:
    """`outcomes` of the webhooks that the relay's own changes fired."""
    return Claim(
        "the relay's own change fired the trigger as well, and was answered 200 and ignored",
        bool(outcomes) and set(outcomes) == {200},
        ", ".join(map(str, outcomes)) or "no webhook",
    )


def all_told(rows: Rows, outcomes: Sequence[Mapping[str, str]]) -> Claim:
    """`outcomes` are what a subscriber of the event bus has heard; it may hear the same twice."""
    stored = {
        (pk, str(row["version"]), kind_of(pk, row), str(row.get("ticket_id", "none")))
        for pk, row in rows.items()
        if "due_at" not in row and "of_event" not in row
    }
    told = {(it["id"], it["revision"], it["type"], it["ticket_id"]) for it in outcomes}
    return Claim(
        "the event bus heard how each of them ended, with its ticket, and of nothing that did not happen",
        bool(stored) and told == stored,
        f"{len(told & stored)} of {len(stored)}, and {len(told - stored)} others",
    )


def one_ticket_for_all(events: Sequence[Event], rows: Rows, tickets: Sequence[Ticket]) -> Claim:
    """The rows of all events name the one ticket that there is; the first made it, and the others joined."""
    states = [str(rows.get(event.pk, {}).get("state")) for event in events]
    numbers = {rows.get(event.pk, {}).get("ticket_id") for event in events}
    return Claim(
        "there is one ticket for all of these events, and their rows name it",
        len(tickets) == 1
        and numbers == {tickets[0]["id"]}
        and states[:1] == ["created"]
        and set(states[1:]) == {"joined"},
        f"{len(tickets)} tickets; {', '.join(states)}",
    )


def solved_and_reopened(statuses: Sequence[str]) -> Claim:
    """`statuses` of the ticket after each event."""
    return Claim(
        "it was solved when the alert had resolved, and is open again",
        statuses[-2:] == ["solved", "open"],
        ", ".join(statuses),
    )


def each_said_once(ids: Sequence[str], audits: Iterable[Mapping[str, Any]]) -> Claim:
    """`ids` of the events, each of whose comments holds it, or the time in it."""
    bodies = [event["body"] for audit in audits for event in audit["events"] if event["type"] == "Comment"]
    said = [[event_id for event_id in ids if _told(event_id, body)] for body in bodies]
    return Claim(
        "each event left its comment there once, in their order",
        bool(ids) and said == [[event_id] for event_id in ids],
        f"{len(bodies)} comments on {len(ids)} events",
    )


def _told(event_id: str, body: str) -> bool:
    """A resolution leaves its time only."""
    _, at = event_id.removesuffix("-firing").removesuffix("-resolved").split("-", 1)
    return event_id in body if event_id.endswith("-firing") else f"Resolved at {at}." in body


def nothing_waits(rows: Rows) -> Claim:
    waiting = sum("due_at" in row for row in rows.values())
    return Claim("no work is left over", bool(rows) and waiting == 0, f"{waiting} of {len(rows)} rows")


def no_ticket_too_many(events: Sequence[Event], tickets: Sequence[Ticket]) -> Claim:
    return Claim(
        "in all, there are as many tickets as authentic events",
        len(events) == len(tickets),
        f"{len(tickets)} tickets, {len(events)} events",
    )
