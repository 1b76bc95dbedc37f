import json

import pytest

from cli import main
from cli.redriving import again
from tests.builders import NOW, ticket_row
from tests.fakes import THROTTLED, Outage
from ticket_relay.errors import MappingFailed, StoreUnavailable
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.storage.events import Kept
from ticket_relay.storage.rows import TicketState, UpdateState, update_pk


@pytest.fixture
def failed(store):
    def put(event_id="evt_1", now=NOW, **changes):
        row = ticket_row(event_id, now=now, state=TicketState.FAILED, due_at=None, error_code="e", **changes)
        assert store.claim(row) is None
        return row

    return put


@pytest.fixture
def unmapped(store):
    def put(event_id):
        row = ticket_states.unmapped("acme", event_id, Kept(event=b"{}"), MappingFailed("code", "Sentence."), NOW)
        assert store.claim(row) is None
        return row

    return put


def outcomes(result):
    return [line.split("\t")[:4] for line in result.stdout.splitlines()[1:]]


def test_one_row_is_redriven_without_a_question(run, store, failed):
    row = failed()
    result = run("redrive", "acme", "evt_1")
    assert outcomes(result) == [["redriven", row.pk, "accepted", "2"]]
    assert result.exit_code == 0
    now = store.get(row.pk)
    assert (now.state, now.attempt, now.version) == (TicketState.ACCEPTED, 2, row.version + 1)


def test_an_update_is_redriven_by_its_key(run, store):
    claimed = update_states.claimed(update_pk(35, "inv_1"), 35, "inv_1", b"{}", NOW, closed_until=None)
    store.claim(update_states.failed(claimed, "e", "No.", NOW))
    assert run("redrive", claimed.pk).exit_code == 0
    assert store.get(claimed.pk).state is UpdateState.ACCEPTED


def test_a_row_on_its_way_is_refused_and_left_alone(run, store):
    row = ticket_row()
    store.claim(row)
    result = run("redrive", "acme", "evt_1")
    assert result.exit_code == 1
    assert outcomes(result) == [["refused", row.pk, "accepted", "1"]]
    assert store.get(row.pk) == row


def test_a_row_that_is_not_there_is_reported(run, dynamo):
    result = run("redrive", "acme", "evt_1")
    assert (result.exit_code, outcomes(result)) == (1, [["gone", "ticket#acme#evt_1", "-", "-"]])


def test_an_item_that_is_no_row_of_ours_is_refused(run, table):
    table.put({"pk": "ticket#acme#evt_1", "state": "from the future"}, only_if="attribute_not_exists(pk)")
    result = run("redrive", "acme", "evt_1")
    assert (result.exit_code, outcomes(result)[0][0]) == (1, "refused")


def test_many_are_redriven_after_a_yes(run, store, failed, unmapped):
    rows = [failed(f"evt_{number}", NOW + number) for number in range(2)]
    unmapped("evt_9")
    result = run("redrive", "--state", "failed", typed="y\n")
    assert "Redrive 2 of 2 failed rows in relay?" in result.stderr
    assert outcomes(result)[-2:] == [["redriven", row.pk, "accepted", "2"] for row in rows]
    assert store.get("ticket#acme#evt_9").state is TicketState.UNMAPPED


@pytest.mark.parametrize("typed", ["n\n", ""])
def test_many_are_left_alone_without_a_yes(run, store, failed, typed):
    rows = [failed("evt_1"), failed("evt_2")]
    assert run("redrive", "--state", "failed", typed=typed).exit_code == 1
    assert [store.get(row.pk) for row in rows] == rows


def test_nobody_is_asked_who_said_yes_before(run, unmapped):
    unmapped("evt_1")
    unmapped("evt_2")
    result = run("redrive", "--state", "unmapped", "--yes")
    assert (result.exit_code, result.stderr, len(outcomes(result))) == (0, "", 2)


def test_a_single_row_in_a_state_needs_no_question(run, failed):
    failed()
    assert run("redrive", "--state", "failed").exit_code == 0


def test_nothing_in_a_state_is_nothing_to_do(run, dynamo):
    result = run("redrive", "--state", "failed", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"rows": []})


def test_many_are_chosen_as_for_the_list(run, failed):
    failed("evt_1", NOW)
    failed("evt_2", NOW - 1)
    failed("evt_3", NOW, pk="ticket#globex#evt_3", partner="globex")
    result = run("redrive", "--state", "failed", "--partner", "acme", "--limit", "1")
    assert [line[1] for line in outcomes(result)] == ["ticket#acme#evt_2"]


def test_a_row_that_moved_while_it_was_redriven_is_reported_and_not_forced(dynamo, store, failed):
    row = failed()
    faster = ticket_states.redriven(row, NOW)

    def come_in_between(operation, _request):
        if operation == "put_item":
            dynamo.before = lambda *_: None
            store.move(row, faster)

    dynamo.before = come_in_between
    assert again(store, row.pk, NOW).outcome == "moved"
    assert store.get(row.pk) == faster


def test_a_row_that_left_the_state_since_it_was_listed_is_reported_and_not_forced(store, unmapped):
    row = unmapped("evt_1")
    outcome = again(store, row.pk, NOW, "failed")
    assert (outcome.outcome, outcome.state) == ("moved", "unmapped")
    assert store.get(row.pk) == row


def test_one_row_that_moved_does_not_stop_the_others(run, store, failed, monkeypatch):
    rows = [failed(f"evt_{number}", NOW + number) for number in range(3)]

    def asked(*_words, **_options):
        store.move(rows[1], ticket_states.redriven(rows[1], NOW))

    monkeypatch.setattr(main.click, "confirm", asked)
    result = run("redrive", "--state", "failed", "--json")
    assert result.exit_code == 1
    assert [row["outcome"] for row in json.loads(result.stdout)["rows"]] == ["redriven", "moved", "redriven"]


def test_what_was_done_is_told_even_if_the_table_fails_then(run, failed, monkeypatch):
    rows = [failed(f"evt_{number}", NOW + number) for number in range(2)]

    def failing(store, pk, *rest, **how):
        if pk == rows[1].pk:
            raise StoreUnavailable("DynamoDB answered ThrottlingException.")
        return again(store, pk, *rest, **how)

    monkeypatch.setattr(main, "again", failing)
    result = run("redrive", "--state", "failed", "--yes")
    assert (result.exit_code, outcomes(result)) == (1, [["redriven", rows[0].pk, "accepted", "2"]])
    assert result.stderr == "Error: DynamoDB answered ThrottlingException.\n"


def test_a_table_out_of_order_is_nothing_that_is_known_of_a_row(dynamo, store, failed):
    row = failed()
    dynamo.outages.append(Outage(("put_item",), THROTTLED))
    with pytest.raises(StoreUnavailable):
        again(store, row.pk, NOW)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["acme", "evt_1", "--dry-run"],
        ["acme", "evt_1", "--state", "failed"],
        ["acme", "evt_1", "--older-than", "1h"],
        ["--state", "created"],
    ],
)
def test_it_must_be_clear_what_to_redrive(run, words):
    assert run("redrive", *words).exit_code == 2
