"""`relay redrive --remap`: with --dry-run it shows what would differ, and changes nothing."""

import pytest

from tests.builders import NOW, ROOT, acme_event, body_of
from ticket_relay.create_ticket import mapping
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.events import Events, Kept
from ticket_relay.storage.rows import TicketState

OLD = b'{"ticket": {"subject": "An older subject", "external_id": "acme:evt_1"}}'
BODY = body_of(acme_event(title="Fire"))


@pytest.fixture
def failed(store):
    """An event whose ticket failed, with a request that no definition makes any more."""

    def put(event_id="evt_1", partner="acme", **given):
        row = ticket_states.claimed(
            partner, event_id, OLD, NOW, closed_until=NOW, kept=Kept(**({"event": BODY} | given))
        )
        row = ticket_states.failed(row, "RecordInvalid", "Requester is suspended.", NOW)
        assert store.claim(row) is None
        return row

    return put


def test_the_difference_between_the_requests_is_shown_and_nothing_changed(run, store, failed):
    row = failed()
    result = run("redrive", "--remap", "--dry-run", "acme", "evt_1")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == ["row\tticket#acme#evt_1", "outcome\tcreate"]
    assert '-      "subject": "An older subject",' in lines
    assert any(line.startswith("+") and "Fire" in line for line in lines)
    assert store.get(row.pk) == row


def test_in_json_both_requests_are_whole(answer, failed):
    failed()
    (row,) = answer("redrive", "--remap", "--dry-run", "--state", "failed")["rows"]
    assert row["before"][0]["body"]["ticket"]["subject"] == "An older subject"
    assert row["after"][0]["path"] == "/api/v2/tickets?async=true"
    assert "Fire" in row["after"][0]["body"]["ticket"]["subject"]


def test_what_is_mapped_as_before_does_not_differ(run, store, monkeypatch):
    monkeypatch.setattr(mapping, "written", lambda *_: (OLD, None))
    row = ticket_states.claimed("acme", "evt_1", OLD, NOW, closed_until=NOW, kept=Kept(event=BODY))
    store.claim(ticket_states.failed(row, "e", "No.", NOW))
    assert "No request would differ." in run("redrive", "--remap", "--dry-run", "acme", "evt_1").stdout


@pytest.mark.parametrize(
    ("event", "outcome", "reason"),
    [
        (b"{}", "unmapped", "object has no property"),
        (b"[]", "unmapped", "not an object"),
        (None, "refused", "was not kept"),
    ],
)
def test_why_it_would_get_no_ticket_is_said(answer, failed, event, outcome, reason):
    failed(event=event)
    (row,) = answer("redrive", "--remap", "--dry-run", "acme", "evt_1")["rows"]
    assert row["outcome"] == outcome
    assert reason in row["reason"]


def test_an_event_of_a_partner_that_is_gone_has_no_definition(answer, failed):
    failed(partner="initech")
    (row,) = answer("redrive", "--remap", "--dry-run", "initech", "evt_1")["rows"]
    assert (row["outcome"], row["reason"]) == ("unmapped", "No definition has the name of this partner.")


def test_an_event_of_a_split_delivery_is_shown_alone(answer, table, failed):
    body = (ROOT / "events/hooli-alerts-firing.json").read_bytes()
    kept = Events(table, None).keep_delivery("hooli", "dlv_1", body, NOW).delivery
    failed("c07e4d51b6a8f912-2026-11-20T08:15:00.000Z-firing", "hooli", event=None, delivery=kept)
    failed("nobody", "hooli", event=None, delivery=kept)
    rows = answer("redrive", "--remap", "--dry-run", "--state", "failed")["rows"]
    assert sorted((row["outcome"], len(row["after"])) for row in rows) == [("create", 1), ("unmapped", 0)]


@pytest.mark.parametrize("pk", ["ticket#acme#evt_9", "update#7#inv_1"])
def test_what_is_no_event_is_refused(answer, dynamo, pk):
    (row,) = answer("redrive", "--remap", "--dry-run", pk)["rows"]
    assert row["outcome"] == "refused"


def test_what_has_its_ticket_is_refused(answer, store):
    row = ticket_states.claimed("acme", "evt_1", OLD, NOW, closed_until=NOW, kept=Kept(event=BODY))
    store.claim(ticket_states.created(row, 7, NOW))
    (row,) = answer("redrive", "--remap", "--dry-run", "acme", "evt_1")["rows"]
    assert (row["outcome"], row["reason"][:19]) == ("refused", "The row is created:")


def test_a_remapped_row_forgets_what_its_event_became_and_keeps_the_event(run, store, failed):
    row = failed()
    assert run("redrive", "--remap", "acme", "evt_1").exit_code == 0
    new = store.get(row.pk)
    assert (new.state, new.attempt, new.request, new.event) == (TicketState.ACCEPTED, 2, None, BODY)


def test_without_its_event_a_row_is_refused_and_left_alone(run, store, failed):
    row = failed(event=None)
    result = run("redrive", "--remap", "acme", "evt_1")
    assert (result.exit_code, result.stdout.splitlines()[1].split("\t")[0]) == (1, "refused")
    assert store.get(row.pk) == row
