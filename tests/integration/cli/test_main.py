"""The operator's command line on rows that the relay itself has made, and over HTTP as against the local stack."""

import json

import boto3
import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer

from cli.main import main
from cli.where import Place, Where
from local.processes import free_port
from local.runtimes.runtime import ACCESS_KEY, REGION, SECRET_KEY
from local.zendesk_simulator import Fault
from tests import builders, fixtures
from tests.fixtures import both_engines
from ticket_relay.definitions import loader
from ticket_relay.storage.dynamodb import Table
from ticket_relay.storage.rows import TicketState
from ticket_relay.storage.store import Store

REFUSAL = {"kind": "status", "status": 422, "body": '{"error":"RecordInvalid","description":"Requester: is suspended"}'}


def run(*words):
    return CliRunner(mix_stderr=False).invoke(main, words)


@pytest.fixture
def answer(dynamo, monkeypatch):
    """What a command answers in JSON, all being well, about the table of whichever engine."""
    monkeypatch.setattr(Where, "place", lambda _: Place(builders.TABLE, dynamo._client, lambda: fixtures.client("s3")))

    def read(*words):
        result = run(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return read


@both_engines
def test_a_failed_event_is_found_redriven_and_becomes_a_ticket(answer, services, zendesk, deliver, drive, tickets):
    zendesk.account.faults.add(Fault(**REFUSAL, method="POST", path="/api/v2/tickets"))
    deliver(services)
    (row,) = answer("list", "--state", "failed")["rows"]
    assert row["error_code"] == "RecordInvalid"

    assert answer("redrive", row["partner"], row["event_id"])["rows"][0]["outcome"] == "redriven"
    drive(services)
    told = answer("show", row["pk"])
    (ticket,) = tickets()
    assert (told["state"], told["ticket_id"]) == ("created", ticket["id"])
    states = [step["state"] for step in told["history"]]
    assert (states[0], states[1], states[2], states[-1]) == ("accepted", "failed", "accepted", "created")
    assert builders.CANARY not in json.dumps(told)


def test_an_event_that_still_cannot_be_mapped_is_unmapped_again(answer, services, deliver, drive, stored):
    deliver(services, content={"incident": {}})
    assert [row["outcome"] for row in answer("redrive", "--state", "unmapped")["rows"]] == ["redriven"]
    drive(services)
    assert stored().state is TicketState.UNMAPPED
    assert [step["state"] for step in answer("show", "acme", "evt_1")["history"]] == [
        "unmapped",
        "accepted",
        "unmapped",
    ]


def test_a_redriven_event_that_its_partner_does_not_want_is_ignored_and_costs_no_call(
    answer, services, zendesk, deliver, drive, stored, monkeypatch
):
    deliver(services, content={"kind": "paid"})
    definition = loader.partner("acme")
    fixed = definition.model_copy(update={"when": "event.kind == 'disputed'"})
    monkeypatch.setattr(loader, "partners", lambda: {"acme": fixed})
    answer("redrive", "--state", "unmapped")
    calls = len(zendesk.account.journal.calls())
    drive(services)
    row = stored()
    assert (row.state, row.due_at, row.error_code) == (TicketState.IGNORED, None, None)
    assert row.event == builders.body_of({"kind": "paid"})
    assert len(zendesk.account.journal.calls()) == calls
    assert [step["state"] for step in answer("show", "acme", "evt_1")["history"]] == ["unmapped", "accepted", "ignored"]
    assert answer("status", "acme", "evt_1")["state"] == "ignored"
    assert deliver(services, content={"kind": "paid"}).state == "ignored"
    assert run("redrive", "acme", "evt_1").exit_code == 1


def test_the_stats_tell_of_the_token_without_its_value(answer, services, deliver, table):
    deliver(services)
    value = table.get("token")["access_token"]
    stats = answer("stats")
    assert stats["token"]["fetched_at"] < stats["token"]["renew_at"] < stats["token"]["valid_until"]
    assert stats["oldest_unfinished"]["pk"] == "ticket#acme#evt_1"
    assert value not in json.dumps(stats)
    assert value not in run("stats").output


@pytest.fixture
def endpoint(aws):
    """A DynamoDB with an address, as the local stack has one, and what makes tables there."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )

    def make(name):
        client.create_table(TableName=name, **fixtures.table_properties())
        return Store(Table(name, client))

    yield url, make
    server.stop()


def test_the_only_table_at_an_endpoint_is_the_one(endpoint, monkeypatch):
    url, make = endpoint
    make("ticket-relay-Table-X").claim(builders.ticket_row())
    monkeypatch.setenv("RELAY_ENDPOINT_URL", url)
    assert run("status", "acme", "evt_1").stdout.splitlines()[1].startswith("accepted\t")


def test_of_several_tables_at_an_endpoint_one_must_be_named(endpoint):
    url, make = endpoint
    make("one")
    make("two").claim(builders.ticket_row())
    refused = run("stats", "--endpoint-url", url)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Name the table with --table" in refused.stderr
    assert run("status", "acme", "evt_1", "--endpoint-url", url, "--table", "two").exit_code == 0


def test_an_endpoint_where_nobody_listens_is_an_error():
    result = run("stats", "--endpoint-url", f"http://127.0.0.1:{free_port()}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: Could not connect to the endpoint URL")
