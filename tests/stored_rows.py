"""Rows as each version of the relay stored them, to be read by those that come after it.

`python -m tests.stored_rows` writes those of this version to rows_of_versions/. A version that is released is frozen.
"""

import base64
import json
from pathlib import Path
from typing import Any

from ticket_relay import __version__
from ticket_relay.errors import FileUnavailable, MappingFailed
from ticket_relay.states import files, joining
from ticket_relay.states import ticket as tickets
from ticket_relay.states import update as updates
from ticket_relay.storage.attribute_values import from_wire, to_wire
from ticket_relay.storage.events import Kept
from ticket_relay.storage.packing import packed
from ticket_relay.storage.parts import Joining, Upload
from ticket_relay.storage.rows import Row, TicketRow, UpdateRow, body_digest, correlation_pk, delivery_pk
from ticket_relay.storage.store import _item
from ticket_relay.zendesk.client import Submission
from ticket_relay.zendesk.errors import Conflict, OutcomeUnknown, Rejected

FOLDER = Path(__file__).parent / "rows_of_versions"
NOW = 1_795_300_000.25
KINDS = {"ticket": TicketRow, "update": UpdateRow}

type Item = dict[str, Any]


def examples() -> list[Row]:
    """A row of each state and, of the unfinished ones, of each reason to wait: every attribute is in one of them."""
    return [*_ticket_rows(), *_update_rows()]


def written(row: Row) -> Item:
    """What DynamoDB is given for a row."""
    return to_wire(packed(_item(row)))


def version(name: str) -> dict[str, Any]:
    """`schema` by kind, and `items`, as they are in the table."""
    stored: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    stored["items"] = [_bytes(item) for item in stored["items"]]
    return stored


def as_schema_sees(item: Item) -> Item:
    """An item's attributes in types of JSON."""
    attributes = {name: value for name, value in from_wire(item).items() if name not in {"due_shard", "outcome"}}
    seen: Item = json.loads(json.dumps(attributes, default=lambda value: value.decode("latin-1")))
    return seen


def _ticket_rows() -> list[TicketRow]:
    doubt = OutcomeUnknown("zendesk_timeout", "Zendesk did not answer in time.")
    refused = Rejected(422, "RecordInvalid", "Requester is suspended.")
    request = b'{"ticket":{"brand_id":5,"followers":[{"user_id":1}]}}'
    claimed = tickets.claimed("acme", "msg_1", request, NOW, closed_until=None, digest=body_digest(b"{}"))
    submitted = tickets.submitted(claimed, Submission("V3-1", 7), NOW + 1, index=3, together=True)
    in_doubt = tickets.on_create_error(claimed, doubt, NOW + 3, doubtful_pause=15)
    failed = tickets.failed(submitted, "RecordInvalid", "Requester is suspended.", NOW + 60)
    mapping = MappingFailed("mapping_failed", "object has no property")
    unmapped = tickets.unmapped("acme", "msg_2", Kept(event=b"{}"), mapping, NOW)
    redriven = tickets.redriven(unmapped, NOW + 99)
    return [
        claimed,
        tickets.claimed("acme", "msg_1", b"{}", NOW, closed_until=NOW + 30),
        tickets.claimed("acme", "msg_6", b"{}", NOW, closed_until=NOW + 30, kept=Kept(event=b"{}")),
        tickets.claimed(
            "acme", "msg_7", b"{}", NOW, closed_until=NOW + 30, kept=Kept(delivery=delivery_pk("acme", b"{}"))
        ),
        tickets.claimed(
            "acme", "msg_8", b"{}", NOW, closed_until=NOW + 30, kept=Kept(event_at="bucket/kept/acme/12ab")
        ),
        submitted,
        in_doubt,
        tickets.waiting_for_jobs(tickets.held(in_doubt, NOW + 20), ("V3-2", "V3-3"), NOW + 21),
        tickets.on_batch_error(claimed, refused, NOW + 1, doubtful_pause=15),
        tickets.new_attempt(submitted, "job_killed", "The job was killed.", NOW + 40),
        tickets.created(submitted, 7, NOW + 30),
        failed,
        tickets.redriven(failed, NOW + 99),
        unmapped,
        redriven,
        tickets.ignored(redriven, NOW + 120),
        tickets.split(redriven, NOW + 120),
        *_rows_with_files(),
        *_rows_about_one_thing(),
    ]


def _rows_with_files() -> list[TicketRow]:
    row = tickets.claimed("acme", "msg_6", b"{}", NOW, closed_until=None, files=2)
    reserved = files.reserved(row, 0, NOW)
    uploaded = files.tried(reserved, 0, Upload(token="t-1", expires_at=NOW + 3600), NOW + 1)
    missing = files.not_had(
        uploaded, 1, FileUnavailable("too_large", "it is larger than 20 MB"), NOW + 2, required=False
    )
    return [row, *(each for each in (reserved, uploaded, missing) if isinstance(each, TicketRow))]


def _rows_about_one_thing() -> list[TicketRow]:
    correlation = correlation_pk("acme", "incident 7")

    def about(event_id: str, wanted: Joining, changes: bytes | None = None) -> TicketRow:
        row = tickets.claimed("acme", event_id, b"{}", NOW, closed_until=NOW + 30)
        return tickets.about(row, correlation, wanted, changes)

    first = joining.leading(about("msg_3", Joining(do="create")), NOW + 1)
    second = about("msg_4", Joining(do="update"), b'{"priority": "high"}')
    last = about("msg_5", Joining(do="solve", wait=60.0))
    return [
        first,
        joining.waiting(second, joining.WAITS_FOR_TICKET, NOW + 1),
        joining.joined(second, 7, first.pk, None, NOW + 9),
        joining.joined(last, 7, first.pk, None, NOW + 99),
    ]


def _update_rows() -> list[UpdateRow]:
    conflict = Conflict(409, "UpdateConflict", "Safe Update prevented the update.")
    claimed = updates.claimed("update#7#inv_1", 7, "inv_1", b"{}", NOW, closed_until=None)
    held = updates.held(claimed.based_on("2026-11-22T00:00:00Z"), NOW + 1, rest=b"{}")
    submitted = updates.submitted(claimed, "V3-1", 2, NOW + 1)
    refused = Rejected(422, "RecordInvalid", "Priority is invalid.")
    failed = updates.failed(claimed, "RecordInvalid", "Priority is invalid.", NOW + 2)
    return [
        claimed,
        held,
        updates.half_applied(held, NOW + 2),
        submitted,
        updates.on_update_error(claimed, conflict, NOW + 2, conflicts=3),
        updates.refused_together(claimed, refused, NOW + 2),
        updates.applied(submitted, NOW + 9),
        updates.applied(
            updates.claimed("update#7#msg_4", 7, "msg_4", b"{}", NOW, closed_until=None, of_event="ticket#acme#msg_4"),
            NOW + 8,
        ),
        updates.skipped(claimed, NOW + 2, *updates.TICKET_CHANGED),
        updates.conflict(claimed, ["priority"], NOW + 2),
        failed,
        updates.redriven(failed, NOW + 99),
        _update_with_a_file(),
    ]


def _update_with_a_file() -> UpdateRow:
    row = updates.claimed(
        "update#7#msg_7", 7, "msg_7", b"{}", NOW, closed_until=NOW, of_event="ticket#acme#msg_7", files=1
    )
    tried = files.tried(row, 0, Upload(token="t-2", expires_at=NOW + 3600), NOW + 1)
    assert isinstance(tried, UpdateRow)
    return tried


def _bytes(item: Item) -> Item:
    return {name: {"B": base64.b64decode(value["B"])} if "B" in value else value for name, value in item.items()}


def write() -> Path:
    """The rows of this version, and what it takes as a row."""
    file = FOLDER / f"{__version__}.json"
    stored = {
        "schema": {kind: row.model_json_schema() for kind, row in KINDS.items()},
        "items": [written(row) for row in examples()],
    }
    text = json.dumps(stored, indent=1, sort_keys=True, default=lambda value: base64.b64encode(value).decode())
    file.write_text(text + "\n", encoding="utf-8")
    return file


if __name__ == "__main__":
    write()
