"""The pipe between a real stream and a real bus, as far as moto and Amazon's own engine are."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse

from local.artefacts import ROOT
from local.aws.pipe import Definition, Pipe, PipeError
from tests import fixtures, stored_rows
from tests.fixtures import both_engines
from ticket_relay.storage.outcomes import outcome
from ticket_relay.storage.rows import TicketState

BUS = "ticket-relay"
dynamodb_local = fixtures.dynamodb_local


def definition() -> Definition:
    template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    properties = template["Resources"]["OutcomePipe"]["Properties"]
    return Definition.of(properties)


class Bus:
    """Remembers what it was told, after failing as often as it was told to."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.fails = 0

    def put_events(self, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - boto3's name
        (entry,) = Entries
        if self.fails:
            self.fails -= 1
            return {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}
        self.told.append(json.loads(entry["Detail"]))
        return {"FailedEntryCount": 0, "Entries": [{}]}


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def stream(dynamo: Any) -> Iterator[tuple[str, Any, Callable[..., None]]]:
    """The stream of a new table, its client, and what writes items into it."""
    client = dynamo._client if hasattr(dynamo, "_client") else dynamo
    name = "relay-with-stream"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
    )
    arn = client.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    url = client.meta.endpoint_url
    streams = fixtures.client("dynamodbstreams", url if "127.0.0.1" in url else None)

    def write(*rows: Any) -> None:
        for row in rows:
            client.put_item(TableName=name, Item=stored_rows.written(row))

    yield arn, streams, write
    client.delete_table(TableName=name)


@both_engines
def test_each_finished_row_is_told_in_the_order_of_the_writes(stream: Any, bus: Bus) -> None:
    arn, streams, write = stream
    pipe = Pipe(definition(), arn, BUS, streams, bus)
    rows = stored_rows.examples()
    write(*rows)
    pipe.carry_once()
    finished = [row.pk for row in rows if outcome(row) is not None]
    assert [it["id"] for it in bus.told] == finished


@both_engines
def test_only_what_is_new_is_told_the_next_time(stream: Any, bus: Bus) -> None:
    arn, streams, write = stream
    pipe = Pipe(definition(), arn, BUS, streams, bus)
    (created,) = [row for row in stored_rows.examples() if row.state == TicketState.CREATED]
    write(created)
    pipe.carry_once()
    write(created.model_copy(update={"pk": "ticket#acme#msg_9", "event_id": "msg_9"}))
    pipe.carry_once()
    pipe.carry_once()
    assert [it["event_id"] for it in bus.told] == ["msg_1", "msg_9"]


def test_what_the_bus_does_not_take_is_told_again_and_nothing_is_left_out(stream: Any, bus: Bus) -> None:
    arn, streams, write = stream
    pipe = Pipe(definition(), arn, BUS, streams, bus)
    (created,) = [row for row in stored_rows.examples() if row.state == TicketState.CREATED]
    write(created, created.model_copy(update={"pk": "ticket#acme#msg_9", "event_id": "msg_9"}))
    bus.fails = 1
    with pytest.raises(PipeError, match="ThrottlingException"):
        pipe.carry_once()
    pipe.carry_once()
    assert [it["event_id"] for it in bus.told] == ["msg_1", "msg_9"]


def test_an_iterator_that_is_no_good_is_replaced_where_it_failed(
    stream: Any, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    arn, streams, write = stream
    pipe = Pipe(definition(), arn, BUS, streams, bus)
    (created,) = [row for row in stored_rows.examples() if row.state == TicketState.CREATED]
    write(created)
    pipe.carry_once()
    write(created.model_copy(update={"pk": "ticket#acme#msg_9", "event_id": "msg_9"}))

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "TrimmedDataAccessException", "Message": ""}}, "GetRecords")

    with monkeypatch.context() as once:
        once.setattr(streams, "get_records", refuse)
        with pytest.raises(ClientError):
            pipe.carry_once()
    pipe.carry_once()
    assert [it["event_id"] for it in bus.told] == ["msg_1", "msg_9"]


def test_a_stream_that_is_gone_is_an_error_of_botocore(bus: Bus, stream: Any) -> None:
    _, streams, _ = stream
    gone = "arn:aws:dynamodb:eu-central-1:123456789012:table/none/stream/2026-11-22T00:00:00.000"
    with pytest.raises(ClientError):
        Pipe(definition(), gone, BUS, streams, bus).carry_once()
