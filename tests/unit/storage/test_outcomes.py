import json

import pytest

from tests import stored_rows
from tests.builders import CANARY, NOW, ticket_row
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.attribute_values import from_wire
from ticket_relay.storage.outcomes import outcome
from ticket_relay.storage.rows import TicketRow
from ticket_relay.storage.store import _row

OF_EVENT = "update#7#msg_4"
"""By which a partner's event joined a ticket: its own row tells of it."""
SOLVED = "ticket#acme#msg_5"
"""Joined a ticket to solve it."""


@pytest.mark.parametrize("row", stored_rows.examples(), ids=lambda row: f"{row.pk}-{row.state}-{row.version}")
def test_exactly_a_row_that_is_at_an_end_tells_how(row):
    told = outcome(row)
    assert (told is None) == (row.state in row.working or row.pk == OF_EVENT)
    assert ("outcome" in stored_rows.written(row)) == (told is not None)
    if told:
        kind = "ticket" if isinstance(row, TicketRow) else "update"
        assert told["type"] == ("ticket.solved" if row.pk == SOLVED else f"{kind}.{row.state}")
        # A template of EventBridge Pipes can only copy, and a text that is empty is not stored.
        assert all(isinstance(value, str) and value for value in told.values())


def test_it_holds_ids_and_codes_and_nothing_else():
    request = json.dumps({"ticket": {"subject": CANARY}}).encode()
    row = ticket_states.failed(
        ticket_row(request=request, ticket_id=7), "RecordInvalid", f"About {CANARY}.", NOW + 0.25
    )
    assert outcome(row) == {
        "type": "ticket.failed",
        "at": "2026-11-21T22:26:40.250Z",
        "sender": "acme",
        "event_id": "evt_1",
        "ticket_id": "none",
        "reason": "RecordInvalid",
    }


def test_a_row_that_is_started_again_has_no_outcome_from_before():
    failed = ticket_states.failed(ticket_row(), "RecordInvalid", "No.", NOW)
    read = _row(from_wire(stored_rows.written(failed)))
    assert "outcome" not in stored_rows.written(ticket_states.redriven(read, NOW + 1))
