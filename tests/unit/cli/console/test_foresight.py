import json

import pytest

from cli.console.foresight import foresee
from cli.reading import FIELDS
from layers.config.compile import Config
from tests.builders import ROOT
from ticket_relay.storage.rows import external_id

EVENT = (ROOT / "events" / "acme-incident-opened.json").read_text()


def record(kind="ticket", **given):
    """As `reading.get` gives it, with its payload."""
    names = ("pk", "state", "request", "changes", "event", "rest", *FIELDS[kind])
    ids = {"partner": "acme", "event_id": "evt_1", "attempt": 1}
    return dict.fromkeys(names) | {"kind": kind} | ids | given


def test_an_event_that_fits_by_now_is_shown_as_what_it_becomes():
    seen = foresee(record(state="unmapped", event=EVENT), Config())
    (preview,) = seen.previews
    assert preview.requests[0]["body"]["ticket"]["subject"].startswith("[CRITICAL]")
    assert seen.doubts == []


@pytest.mark.parametrize(
    ("given", "doubt"),
    [
        ({"event": "{}"}, "The definition in layers/config does not fit it: ticket.subject: object has no property"),
        ({"event": "no JSON"}, "JSON"),
        ({"event": None}, "`relay redrive --remap --dry-run` shows what becomes of it"),
        ({"event": EVENT, "partner": "gone"}, "There is no partner gone in layers/config."),
    ],
)
def test_why_an_event_may_stay_unmapped(given, doubt):
    seen = foresee(record(state="unmapped", **given), Config())
    assert doubt in seen.doubts[0]


def test_a_failed_event_is_looked_for_and_then_sent_as_it_was():
    sent = {"ticket": {"subject": "x"}}
    seen = foresee(record(state="failed", attempt=3, request=json.dumps(sent), error_code="RecordInvalid"), Config())
    assert external_id("acme", "evt_1") in seen.steps[0]
    assert "attempt 4" in seen.steps[2]
    assert [request["body"] for request in seen.requests] == [sent]
    assert seen.doubts == ["It stopped with RecordInvalid: no reason is known."]


def test_an_event_about_a_thing_may_join_its_ticket():
    seen = foresee(record(state="failed", request="{}", correlation="correlation#acme#x"), Config())
    assert "joins it" in seen.steps[0]


def test_an_unmapped_event_about_a_thing_goes_to_its_ticket_or_waits():
    seen = foresee(record(state="unmapped", event=EVENT, correlation="correlation#acme#x"), Config())
    assert "waits for it again" in seen.steps[-1]


def test_an_update_that_an_event_asks_for_is_better_left_to_that():
    row = record("update", state="failed", ticket_id=7, of_event="ticket#acme#evt_1")
    assert "redrive that one instead, ticket#acme#evt_1" in foresee(row, Config()).doubts[-1]


@pytest.mark.parametrize(
    ("event", "what"),
    [({"rule": "escalate-vip"}, "the rule escalate-vip"), ({"changes": {"priority": "high"}}, "the changes")],
)
def test_an_update_is_decided_again(event, what):
    row = record("update", state="conflict", ticket_id=7, event=json.dumps(event), error_code="conflict")
    assert foresee(row, Config()).steps[0].startswith(f"The poller reads ticket 7 as it is then, and decides {what}")
