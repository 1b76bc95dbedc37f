"""What must be true when all is over, judged by what is in the simulator, the table and the logs. Pure."""

import hashlib
import re
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from local.demo.subscriber import kind_of
from tests.e2e.chaos.senders import Sent
from ticket_relay.storage.packing import BY_REQUEST, unpacked
from ticket_relay.storage.rows import PAYLOAD

type Item = Mapping[str, Any]

WORKING = frozenset({"accepted", "submitted"})
_GIVEN_UP = re.compile(r"Given up after (\d+) jobs\.")
_EMAIL = re.compile(r"[\w.+-]+@[\w.-]+\.[A-Za-z]{2,}\b")  # not the chi@v5.0.8 of a Go stack trace


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: by which event, if by one, and what is known of its row."""

    about: str
    sentence: str
    row: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A job as the simulator has it: `error` and `details` of its one row, if that failed."""

    status: str
    error: str | None
    details: str | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """`items` is the whole table, `indexed` what its index of due rows holds. `tickets` are numbers by external id,
    `jobs` by id, `refusals` Zendesk's final words by idempotency key. `outcomes` is what a subscriber of the event bus
    has heard. `attached` are the names of the files at a ticket, and `noted` its internal notes, by its number.
    """

    sent: Sequence[Sent]
    items: Mapping[str, Item]
    indexed: Collection[str]
    tickets: Mapping[str, Sequence[int]]
    jobs: Mapping[str, Ended]
    refusals: Mapping[str, str]
    outcomes: Sequence[Mapping[str, str]]
    now: float
    attached: Mapping[int, Sequence[str]] = field(default_factory=dict)
    noted: Mapping[int, Sequence[str]] = field(default_factory=dict)
    objects: Mapping[str, bytes] = field(default_factory=dict)
    """What the bucket of large events holds, by bucket and key."""


def judged(seen: Evidence) -> list[Violation]:
    """Nothing lost, nothing twice, nothing stuck, no lease left, and all of it told."""
    return [*_events(seen), *_strangers(seen), *_left_over(seen), *untold(seen.items, seen.outcomes)]


def untold(items: Mapping[str, Item], outcomes: Sequence[Mapping[str, str]]) -> list[Violation]:
    """The bus hears how each row ended, at least once, and nothing else. No row is started again here."""
    ended = {
        (pk, str(item.get("version")), kind_of(pk, item))
        for pk, item in items.items()
        if "state" in item and item["state"] not in WORKING and "of_event" not in item
    }
    heard = {(it["id"], it["revision"], it["type"]) for it in outcomes}
    return [
        *(Violation(pk, f"nobody was told of {kind}") for pk, _, kind in sorted(ended - heard)),
        *(Violation(pk, f"others were told of {kind}, which did not happen") for pk, _, kind in sorted(heard - ended)),
    ]


def leaks(log: Iterable[str], secrets: Collection[str], canary: str) -> list[Violation]:
    """What no log may hold. The line itself is not repeated."""
    found = set()
    for line in log:
        if canary in line:
            found.add("a payload is in the logs")
        if _EMAIL.search(line):
            found.add("an e-mail address is in the logs")
        if any(secret in line for secret in secrets):
            found.add("a secret is in the logs")
    return [Violation("logs", sentence) for sentence in sorted(found)]


def _events(seen: Evidence) -> Iterator[Violation]:
    for sent in seen.sent:
        row = seen.items.get(sent.event.pk)
        tickets = seen.tickets.get(sent.event.external_id, ())
        for sentence in _faults(sent, row, tickets, seen):
            yield Violation(sent.event.external_id, sentence, told(row, sent))


def _faults(sent: Sent, row: Item | None, tickets: Sequence[int], seen: Evidence) -> Iterator[str]:
    if len(tickets) > 1:
        yield f"{len(tickets)} tickets: {', '.join(map(str, tickets))}"
    if row is None:
        if sent.taken or tickets:
            yield "no row, although it was answered 2xx or has a ticket"
        return
    match row["state"]:
        case "created":
            right = sent.maps and [row.get("ticket_id")] == list(tickets)
        case "failed":
            right = sent.maps and not tickets and _true_reason(row, seen)
        case "unmapped":
            right = not (sent.maps or tickets) and "error_code" in row
        case _:
            right = False
    for ticket_id in tickets:
        yield from _missing_files(sent, seen.attached.get(ticket_id, ()), seen.noted.get(ticket_id, ()))
    if not right:
        late = f", due {seen.now - float(row['due_at']):.0f} s ago" if "due_at" in row else ""
        yield f"{row['state']}{late}, and that is not so: Zendesk has {list(tickets) or 'no ticket'}"
    if _event(row, seen) != sent.event.body:
        yield "its event is not kept as it was sent"


def _event(row: Item, seen: Evidence) -> bytes | None:
    """The raw event, in the row or in the bucket."""
    if at := row.get("event_at"):
        return zlib.decompress(seen.objects[at]) if at in seen.objects else None
    return unpacked({name: bytes(row[name]) for name in (*PAYLOAD, BY_REQUEST) if name in row}).get("event")


def _missing_files(sent: Sent, attached: Sequence[str], noted: Sequence[str]) -> Iterator[str]:
    """Each file once; and one note, of those that are not to be had."""
    if sorted(attached) != sorted(sent.files):
        yield f"{len(attached)} files at the ticket, not the {len(sent.files)} of the event"
    told = [name for note in noted for name in sent.unfit if f"- {name}: " in note]
    if len(noted) != bool(sent.unfit) or told != list(sent.unfit):
        yield f"{len(noted)} notes of missing files, where {len(sent.unfit)} are missing"


def _true_reason(row: Item, seen: Evidence) -> bool:
    sentence = str(row.get("error_sentence"))
    key = f"{hashlib.sha256(row['pk'].encode()).hexdigest()}-{row['attempt']}"
    if key in seen.refusals:
        return sentence == seen.refusals[key]
    job = seen.jobs.get(str(row.get("job_id")))
    if job is None:
        return False
    if given_up := _GIVEN_UP.match(sentence):
        return bool(row["attempt"] >= int(given_up[1]))
    return (job.error, job.details) == (row["error_code"], sentence)


def _strangers(seen: Evidence) -> Iterator[Violation]:
    for external_id in seen.tickets.keys() - {sent.event.external_id for sent in seen.sent}:
        yield Violation(external_id, "a ticket that nobody asked for")


def _left_over(seen: Evidence) -> Iterator[Violation]:
    for pk in seen.indexed:
        if seen.items.get(pk, {}).get("state") not in WORKING:
            yield Violation(pk, "still in the index of what is due")
    for pk, lease in (("gate", "closed_until"), ("token", "renewing_until")):
        if seen.items.get(pk, {}).get(lease, 0) > seen.now:
            yield Violation(pk, f"{lease} is still to come, and nobody is at work")


def told(row: Item | None, sent: Sent) -> str:
    """What happened to an event: its answers, its row, and the row's own history."""
    answers = " ".join(map(str, sent.answers))
    if row is None:
        return f"answers {answers}"
    kept = (
        "version",
        "attempt",
        "retries",
        "failures",
        "job_id",
        "ticket_id",
        "error_code",
        "error_sentence",
        "due_at",
    )
    steps = [" ".join(f"{key}={value}" for key, value in step.items()) for step in row.get("history", ())]
    facts = [f"{name}={row[name]}" for name in kept if name in row]
    return "\n".join([f"answers {answers}", f"state={row['state']} " + " ".join(facts), *steps])
