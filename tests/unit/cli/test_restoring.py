import json

import pytest

from tests.builders import NOW, TABLE, ticket_row
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.storage.dynamodb import Table
from ticket_relay.storage.rows import TicketState, Work, update_pk
from ticket_relay.storage.store import Store
from ticket_relay.zendesk.client import Submission

COPY = "relay-copy"


@pytest.fixture
def copy(dynamo):
    """A copy of the table, as point-in-time recovery makes it: with the indexes, under another name."""
    described = dynamo.describe_table(TableName=TABLE)["Table"]
    dynamo.create_table(
        TableName=COPY,
        KeySchema=described["KeySchema"],
        AttributeDefinitions=described["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {name: index[name] for name in ("IndexName", "KeySchema", "Projection")}
            for index in described["GlobalSecondaryIndexes"]
        ],
    )
    yield Store(Table(COPY, dynamo), report=lambda *_: None)
    dynamo.delete_table(TableName=COPY)


def counted(result):
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_only_rows_that_the_table_lacks_are_put(run, store, copy):
    kept, lost = ticket_row("evt_kept"), ticket_row("evt_lost")
    store.claim(ticket_states.created(kept, 7, NOW))
    for row in (kept, ticket_states.created(lost, 8, NOW)):
        copy.claim(row)
    assert counted(run("restore", COPY, "--yes", "--json")) == {"there": 1, "restored": 1}
    assert store.get(kept.pk).ticket_id == 7
    assert (store.get(lost.pk).state, store.get(lost.pk).ticket_id) == (TicketState.CREATED, 8)
    assert counted(run("restore", COPY, "--yes", "--json")) == {"there": 2}


def test_what_the_copy_calls_unsent_is_looked_for_before_it_is_sent(run, store, copy):
    waiting = ticket_states.claimed("acme", "evt_1", b"{}", NOW, closed_until=NOW + 60)
    update = update_states.claimed(update_pk(7, "inv_1"), 7, "inv_1", b"{}", NOW, closed_until=NOW + 60)
    for row in (waiting, update):
        assert not row.in_doubt
        copy.claim(row)
    counted(run("restore", COPY, "--yes", "--json"))
    for row in (waiting, update):
        restored = store.get(row.pk)
        assert (restored.work, restored.error_code) == (Work.DOUBT, "restored")
        assert restored.created_at == row.created_at


def test_a_job_goes_on_being_asked_after(run, store, copy):
    held = ticket_states.claimed("acme", "evt_1", b"{}", NOW, closed_until=None)
    copy.claim(ticket_states.submitted(held, Submission("V3-1", 7), NOW))
    counted(run("restore", COPY, "--yes", "--json"))
    restored = store.get(held.pk)
    assert (restored.state, restored.work, restored.job_id) == (TicketState.SUBMITTED, Work.JOB, "V3-1")


def test_an_item_that_is_no_row_of_this_version_is_counted(run, store, copy, dynamo):
    dynamo.put_item(TableName=COPY, Item={"pk": {"S": "ticket#acme#evt_1"}, "state": {"S": "unheard-of"}})
    result = run("restore", COPY, "--yes", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, {"unreadable": 1})
    assert store.get("ticket#acme#evt_1") is None


def test_it_asks_first(run, store, copy):
    copy.claim(ticket_row())
    assert run("restore", COPY, typed="n\n").exit_code == 1
    assert store.get(ticket_row().pk) is None
