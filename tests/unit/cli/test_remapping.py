"""`relay redrive --remap`: with --dry-run it shows what would differ, and changes nothing."""

import json

import pytest

from cli import definitions
from tests.builders import NOW, ROOT, acme_event, body_of
from ticket_relay.create_ticket import mapping
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.events import Events, Kept
from ticket_relay.storage.parts import Joining
from ticket_relay.storage.rows import TicketState, correlation_pk

DRY_RUN = ("redrive", "--remap", "--dry-run")
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


@pytest.fixture
def refused(run):
    """The one row that cannot be mapped again: the answer in JSON, and in text."""

    def read(*words):
        result, text = run(*DRY_RUN, *words, "--json"), run(*DRY_RUN, *words)
        assert (result.exit_code, text.exit_code) == (1, 1)
        assert "differ" not in text.stdout
        (row,) = json.loads(result.stdout)["rows"]
        assert row["outcome"] == "refused"
        return row

    return read


@pytest.fixture
def define(monkeypatch):
    """The partner's definition in the checkout."""

    def define(**parts):
        ticket = {"subject": "Fire", "requester": {"email": "a@acme.example.com"}, "comment": {"body": "It burns."}}
        given = {"partner": "acme", "scheme": "standard-webhooks", "sample": "e.json", "ticket": ticket} | parts
        definition = PartnerDefinition.model_validate(given)
        monkeypatch.setattr(definitions, "partners", lambda _: {"acme": definition})

    return define


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
    assert "Nothing would differ." in run("redrive", "--remap", "--dry-run", "acme", "evt_1").stdout


def test_that_it_is_about_something_now_differs(run, store, define, monkeypatch):
    request = b'{"ticket": {"subject": "Fire"}}'

    def difference(event_id, **joins):
        row = ticket_states.claimed("acme", event_id, request, NOW, closed_until=NOW, kept=Kept(event=BODY))
        store.claim(ticket_states.failed(row.model_copy(update=joins), "e", "No.", NOW))
        result = run("redrive", "--remap", "--dry-run", "acme", event_id)
        return [line for line in result.stdout.splitlines() if line.startswith(("+ ", "- ", "Nothing"))]

    def creates(thing, **policies):
        return {"correlation": correlation_pk("acme", thing), "joining": Joining(do="create", **policies)}

    monkeypatch.setattr(mapping, "written", lambda *_: (request, None))
    define(correlate="disk")
    assert f'+  "correlation": "{correlation_pk("acme", "disk")}",' in difference("alone")
    assert f'-  "correlation": "{correlation_pk("acme", "fan")}",' in difference("other", **creates("fan"))
    assert '-  "on_solved": "create",' in difference("policies", **creates("disk", on_solved="create"))
    assert difference("same", **creates("disk")) == ["Nothing would differ."]


@pytest.mark.parametrize(("event", "reason"), [(b"{}", "object has no property"), (b"[]", "not an object")])
def test_why_it_would_get_no_ticket_is_said(answer, failed, event, reason):
    failed(event=event)
    (row,) = answer("redrive", "--remap", "--dry-run", "acme", "evt_1")["rows"]
    assert row["outcome"] == "unmapped"
    assert reason in row["reason"]


def test_an_event_that_was_not_kept_is_refused(refused, failed):
    failed(event=None)
    assert "was not kept" in refused("acme", "evt_1")["reason"]


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
def test_what_is_no_event_is_refused(refused, dynamo, pk):
    assert refused(pk)["reason"] == "There is no event of this key."


def test_an_item_that_is_no_row_is_refused_beside_others(run, table, failed):
    row = failed()
    table.put(
        {"pk": "ticket#acme#odd", "state": "failed", "created_at": 0, "updated_at": 0},
        only_if="attribute_not_exists(pk)",
    )
    result = run("redrive", "--remap", "--dry-run", "--state", "failed", "--json")
    assert result.exit_code == 1
    outcomes = {each["pk"]: each["outcome"] for each in json.loads(result.stdout)["rows"]}
    assert outcomes == {"ticket#acme#odd": "refused", row.pk: "create"}


def test_what_has_its_ticket_is_refused(refused, store):
    row = ticket_states.claimed("acme", "evt_1", OLD, NOW, closed_until=NOW, kept=Kept(event=BODY))
    store.claim(ticket_states.created(row, 7, NOW))
    assert refused("acme", "evt_1")["reason"].startswith("The row is created:")


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
