"""Two versions of the relay share a table: for the ten minutes of a canary, and after each release for good."""

import re

import pytest
from jsonschema import Draft202012Validator

from local.artefacts import ROOT
from tests import stored_rows
from ticket_relay import __version__
from ticket_relay.storage.attribute_values import from_wire
from ticket_relay.storage.rows import TicketRow, TicketState, UpdateRow, UpdateState
from ticket_relay.storage.store import _row

VERSIONS = sorted(file.stem for file in stored_rows.FOLDER.glob("*.json"))
RELEASED = re.findall(r"^## \[([\d.]+)\] - \d{4}-", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def unreadable(schema, items):
    """Why a version that takes rows of this schema cannot read these items."""
    return [
        f"{item['pk']['S']}, {item['state']['S']}: {error.message}"
        for item in items
        for error in Draft202012Validator(schema[item["pk"]["S"].partition("#")[0]]).iter_errors(
            stored_rows.as_schema_sees(item)
        )
    ]


def test_every_version_that_was_released_has_left_its_rows():
    assert set(RELEASED) - set(VERSIONS) == set()
    assert __version__ in VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_row_of_any_version_is_read_and_kept_whole(version):
    for item in stored_rows.version(version)["items"]:
        row = _row(from_wire(item))
        again = stored_rows.written(row)
        assert item.keys() - again.keys() == set(), row.pk
        assert _row(from_wire(again)) == row


@pytest.mark.parametrize("version", [*RELEASED, __version__])
def test_a_row_of_this_version_is_read_by_those_before_it(version):
    """In a canary the version before takes up rows that this one wrote. A new state, or another type of an attribute,
    takes two releases: one that reads it, then one that writes it. What is not released yet is written anew:
    `python -m tests.stored_rows`.
    """
    items = [stored_rows.written(row) for row in stored_rows.examples()]
    assert unreadable(stored_rows.version(version)["schema"], items) == []


def test_a_version_that_lacks_a_state_cannot_read_it():
    stored = stored_rows.version(__version__)
    stored["schema"]["ticket"]["$defs"]["TicketState"]["enum"].remove("split")
    items = [stored_rows.written(row) for row in stored_rows.examples()]
    (reason,) = unreadable(stored["schema"], items)
    assert reason.startswith("ticket#acme#msg_2, split: 'split' is not one of ")


def test_the_examples_show_every_state_and_every_attribute():
    rows = stored_rows.examples()
    for kind, states in ((TicketRow, TicketState), (UpdateRow, UpdateState)):
        of_kind = [row for row in rows if isinstance(row, kind)]
        assert {row.state for row in of_kind} == set(states)
        shown = {name for row in of_kind for name, value in row if value not in (None, "", ())}
        assert set(kind.model_fields) - shown == set()
