"""Reads the table. Payloads and the token's value are not fetched and then hidden: the queries leave them out."""

import heapq
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from cli.where import Place
from ticket_relay.rate_limits import gate
from ticket_relay.storage.packing import BY_REQUEST, unpacked
from ticket_relay.storage.rows import TicketRow, TicketState, UpdateRow, UpdateState
from ticket_relay.zendesk import auth

type Record = dict[str, Any]
"""A row as the operator sees it: all keys of its kind, None where there is nothing. Times are aware datetimes."""

WORKING = TicketRow.working | UpdateRow.working
PAYLOAD = ("request", "changes", "event", "rest")


def moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)


def _history(steps: Any) -> list[Record]:
    return [
        {
            "state": step["state"],
            "at": moment(step["at"]),
            "attempt": int(step["attempt"]),
            "reason": step.get("reason"),
        }
        for step in steps
    ]


def _uploads(uploads: Any) -> list[str]:
    """What became of each file, without the token: whoever has that may attach the file elsewhere."""
    return [str(upload.get("reason") or ("uploaded" if upload.get("token") else "tried")) for upload in uploads]


type _Fields = dict[str, Callable[[Any], Any]]

_ALL: _Fields = {
    "ticket_id": int,
    "created_at": moment,
    "updated_at": moment,
    "due_at": moment,
    "sent_at": moment,
    "redriven_at": moment,
    "expires_at": moment,
    "version": int,
    "attempt": int,
    "retries": int,
    "files": int,
    "uploads": _uploads,
    "error_code": str,
    "error_sentence": str,
    "history": _history,
}
_TICKET: _Fields = {
    "partner": str,
    "event_id": str,
    "job_id": str,
    "submitted_at": moment,
    "failures": int,
    "candidate_jobs": list,
    "correlation": str,
    "leads": bool,
    "joined_to": str,
}
_UPDATE: _Fields = {
    "invocation_id": str,
    "base": str,
    "job_id": str,
    "submitted_at": moment,
    "conflicts": int,
    "of_event": str,
}

FIELDS: dict[str, _Fields] = {"ticket": _TICKET | _ALL, "update": _UPDATE | _ALL}
"""By kind: the attributes that are read, and the function that converts each for the operator. No payload is among
them."""

NOT_OVER = sorted(WORKING | {TicketState.UNMAPPED, TicketState.FAILED, UpdateState.CONFLICT})
"""The states of rows that wait, and of those that have stopped without a ticket or an update."""

_COUNTED = ("pk", "state", "partner", "created_at")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows to select: all conditions that are given must hold."""

    states: Sequence[str] = ()
    kind: str | None = None
    partner: str | None = None
    before: float | None = None
    """Only rows that were created before this time, in epoch seconds."""
    since: float | None = None
    """Only rows that were created at this time or later, and those that are not over, however old."""
    after: float | None = None
    """Only rows that were created at this time or later, in epoch seconds."""
    correlation: str | None = None
    """Only events about the same thing, by the key that their rows have for it."""
    limit: int | None = None
    """At most this many, the oldest first."""


def get(place: Place, pk: str, *, payload: bool = False) -> Record | None:
    """One row, with its payload as text if `payload` is set. One GetItem, and one of a large event."""
    names = ["pk", "state", *FIELDS[_kind(pk)], *((*PAYLOAD, BY_REQUEST, "event_at") if payload else ())]
    item = _item(place, pk, names)
    if item is None:
        return None
    record = _record(item) | (_payload(item) if payload else {})
    if payload and (at := item.get("event_at")) and (event := place.events.read(at)):
        record["event"] = event.decode(errors="replace")
    return record


def oldest(place: Place, wanted: Wanted) -> tuple[list[Record], int]:
    """The wanted rows, the oldest first, and how many there would be without the limit. Reads the whole table."""
    matched = 0

    def counted() -> Iterator[Record]:
        nonlocal matched
        for item in scan(place, wanted, ("pk", "state", *FIELDS["ticket"], *FIELDS["update"])):
            matched += 1
            yield _record(item)

    return heapq.nsmallest(wanted.limit or sys.maxsize, counted(), key=_came), matched


def stats(place: Place, now: float) -> Record:
    """Counts of rows by kind, partner and state, the oldest unfinished row, the gate and the token. Reads the whole
    table.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    unfinished: tuple[float, str, str] | None = None
    for item in scan(place, Wanted(), _COUNTED):
        pk, state = item["pk"], item.get("state", "")
        counts[_kind(pk), item.get("partner", ""), state] += 1
        if state in WORKING:
            this = (float(item["created_at"]), pk, state)
            unfinished = min(unfinished or this, this)
    return {
        "table": place.table,
        "rows": [
            {"kind": kind, "partner": partner or None, "state": state or None, "count": count}
            for (kind, partner, state), count in sorted(counts.items())
        ],
        "oldest_unfinished": unfinished
        and {"pk": unfinished[1], "state": unfinished[2], "created_at": moment(unfinished[0])},
        "gate": gate_state(place, now),
        "token": _token(_item(place, auth.PK, ["renew_at", "valid_until"])),
    }


def gate_state(place: Place, now: float) -> Record:
    """`probe_due`: the time is over, and the next worker makes the half-open trial. One GetItem."""
    item = _item(place, gate.PK, ["closed_until"])
    if not item or "closed_until" not in item:
        return {"state": "open", "closed_until": None}
    until = float(item["closed_until"])
    return {"state": "closed" if until > now else "probe_due", "closed_until": moment(until)}


def _token(item: Mapping[str, Any] | None) -> Record | None:
    """The token's times. None where there is none: it was never fetched, or the secret holds an API token."""
    if not item or "valid_until" not in item:
        return None
    renew_at, valid_until = float(item["renew_at"]), float(item["valid_until"])
    # It is renewed after a known share of its life, so when it was fetched follows from the other two times.
    life = (valid_until - renew_at) / (1 - auth.EARLY)
    return {
        "fetched_at": moment(round(valid_until - life, 3)),
        "renew_at": moment(renew_at),
        "valid_until": moment(valid_until),
    }


def _record(item: Mapping[str, Any]) -> Record:
    kind = _kind(item["pk"])
    record: Record = {"pk": item["pk"], "kind": kind, "state": item.get("state"), "since": None}
    record |= {name: make(item[name]) if name in item else None for name, make in FIELDS[kind].items()}
    record["history"] = record["history"] or []
    record["since"] = _since(record)
    return record


def _since(record: Record) -> datetime | None:
    """When the row came into its state. Other changes within a state are in its history too."""
    since: datetime | None = record["updated_at"]
    for step in reversed(record["history"]):
        if step["state"] != record["state"]:
            break
        since = step["at"]
    return since


def _came(record: Record) -> tuple[datetime, str]:
    return record["created_at"] or moment(0), record["pk"]


def _kind(pk: str) -> str:
    return pk.partition("#")[0]


def _item(place: Place, pk: str, names: Iterable[str]) -> dict[str, Any] | None:
    item = place.client.get_item(TableName=place.table, Key={"pk": {"S": pk}}, ConsistentRead=True, **_only(names))
    return plain(item["Item"]) if "Item" in item else None


def scan(place: Place, wanted: Wanted, names: Iterable[str], *, consistent: bool = False) -> Iterator[dict[str, Any]]:
    """These attributes of the wanted rows, page by page and in no order. `consistent` reads cost twice as much.

    The filter does not lower the cost: DynamoDB reads, and bills, the items that it then leaves out (developer
    guide, "Filter expressions for scan").
    """
    kinds = [wanted.kind] if wanted.kind else list(FIELDS)
    values = {f":kind{number}": f"{kind}#" for number, kind in enumerate(kinds)}
    conditions = [" OR ".join(f"begins_with(#pk, {name})" for name in values)]
    if wanted.states:
        states = {f":state{number}": state for number, state in enumerate(wanted.states)}
        conditions.append(f"#state IN ({', '.join(states)})")
        values |= states
    if wanted.partner:
        conditions.append("#partner = :partner")
        values |= {":partner": wanted.partner}
    if wanted.correlation:
        conditions.append("#correlation = :correlation")
        values |= {":correlation": wanted.correlation}
    given: dict[str, Any] = {name: {"S": value} for name, value in values.items()}
    if wanted.before is not None:
        conditions.append("#created_at < :before")
        given[":before"] = {"N": f"{wanted.before:.3f}"}
    if wanted.since is not None:
        open_states = {f":open{number}": state for number, state in enumerate(NOT_OVER)}
        conditions.append(f"#created_at >= :since OR #state IN ({', '.join(open_states)})")
        given |= {":since": {"N": f"{wanted.since:.3f}"}}
        given |= {name: {"S": state} for name, state in open_states.items()}
    if wanted.after is not None:
        conditions.append("#created_at >= :after")
        given[":after"] = {"N": f"{wanted.after:.3f}"}
    pages = place.client.get_paginator("scan").paginate(
        TableName=place.table,
        ConsistentRead=consistent,
        FilterExpression=" AND ".join(f"({condition})" for condition in conditions),
        ExpressionAttributeValues=given,
        **_only(names),
    )
    for page in pages:
        yield from map(plain, page["Items"])


def _only(names: Iterable[str]) -> Any:
    """A projection. Each name is replaced, because `state` and others are reserved words of DynamoDB."""
    unique = dict.fromkeys(names)
    return {
        "ProjectionExpression": ", ".join(f"#{name}" for name in unique),
        "ExpressionAttributeNames": {f"#{name}": name for name in unique},
    }


def plain(item: Mapping[str, Any]) -> dict[str, Any]:
    """As DynamoDB writes an item, in Python's own types."""
    read = TypeDeserializer().deserialize
    return {name: read(value) for name, value in item.items()}


def _payload(item: Mapping[str, Any]) -> Record:
    stored = unpacked({name: bytes(item[name].value) for name in (*PAYLOAD, BY_REQUEST) if name in item})
    return {name: stored[name].decode(errors="replace") if name in stored else None for name in PAYLOAD}
