"""The board follows the table: read once, and then by its stream."""

import json
import threading
import time
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from cli.console.board import ATTRIBUTES, Filter
from cli.console.stream import Behind, NoStream, Tail
from cli.console.watch import Phase, Watch
from tests import builders, fixtures
from tests.fixtures import both_engines
from tests.waiting import eventually
from ticket_relay.storage.rows import PAYLOAD

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
EXPIRED = ClientError({"Error": {"Code": "ExpiredIteratorException", "Message": ""}}, "GetRecords")


@pytest.fixture
def streamed(parts):
    """The table with the stream that the template gives it."""
    parts.place.client.update_table(TableName=builders.TABLE, StreamSpecification=STREAM)
    return parts


def shown(parts):
    rows, _ = parts.board.select(Filter(), 0, 100)
    return {row.name: row.state for row in rows}


def test_what_comes_and_changes_after_the_reading_is_told_by_the_stream(streamed, services, deliver, drive):
    deliver(services, "evt_1")
    tail = Tail(streamed.place, fixtures.client("dynamodbstreams"))
    streamed.watch.load()
    assert shown(streamed) == {"evt_1": "submitted"}
    deliver(services, "evt_2", content={})
    streamed.watch.take(tail)
    assert shown(streamed) == {"evt_1": "submitted", "evt_2": "unmapped"}
    drive(services)
    streamed.watch.take(tail)
    assert shown(streamed) == {"evt_1": "created", "evt_2": "unmapped"}
    version = streamed.board.version
    streamed.watch.take(tail)
    assert streamed.board.version == version


def test_a_row_whose_time_is_over_goes(streamed, services, deliver):
    deliver(services, content={})
    tail = Tail(streamed.place, fixtures.client("dynamodbstreams"))
    streamed.watch.load()
    streamed.place.client.delete_item(TableName=builders.TABLE, Key={"pk": {"S": "ticket#acme#evt_1"}})
    streamed.watch.take(tail)
    assert shown(streamed) == {}


def test_a_row_that_went_unseen_goes_with_the_next_reading(parts, services, deliver):
    deliver(services, content={})
    parts.watch.load()
    parts.place.client.delete_item(TableName=builders.TABLE, Key={"pk": {"S": "ticket#acme#evt_1"}})
    parts.watch.load()
    assert shown(parts) == {}


def test_of_old_rows_only_those_that_are_not_over_are_read(parts, services, deliver, drive, clock):
    clock.time = time.time() - 8 * 24 * 3600
    deliver(services, "stopped", content={})
    parts.place.client.put_item(
        TableName=builders.TABLE,
        Item={
            "pk": {"S": "ticket#acme#over"},
            "state": {"S": "created"},
            "created_at": {"N": f"{clock():.3f}"},
        },
    )
    parts.watch.load()
    assert shown(parts) == {"stopped": "unmapped"}


def test_the_payload_is_not_asked_for(parts, services, deliver):
    deliver(services, content={"incident": builders.CANARY})
    asked = []
    events = parts.place.client.meta.events
    events.register("before-call.dynamodb.Scan", lambda params, **_: asked.append(params["body"]), unique_id="asked")
    parts.watch.load()
    events.unregister("before-call.dynamodb.Scan", unique_id="asked")
    (request,) = map(json.loads, asked)
    assert set(request["ExpressionAttributeNames"].values()) == set(ATTRIBUTES)
    assert not set(ATTRIBUTES) & (PAYLOAD | {"history"})


def test_a_table_without_a_stream_is_read_and_said_to_stand_still(parts, services, deliver):
    with pytest.raises(NoStream):
        Tail(parts.place, fixtures.client("dynamodbstreams"))
    deliver(services)
    parts.watch.start()
    assert eventually(lambda: parts.watch.trouble, within=10) == (
        "The table has no stream, so nothing tells of its changes."
    )
    assert shown(parts) == {"evt_1": "submitted"}
    deliver(services, "evt_2")
    parts.watch.read_again()
    assert eventually(lambda: len(parts.board) == 2, within=10)


def test_a_stream_that_tells_only_keys_is_of_no_use(parts):
    keys = STREAM | {"StreamViewType": "KEYS_ONLY"}
    parts.place.client.update_table(TableName=builders.TABLE, StreamSpecification=keys)
    with pytest.raises(NoStream):
        Tail(parts.place, fixtures.client("dynamodbstreams"))


def test_who_may_not_read_the_stream_sees_the_table_as_it_was_read(streamed, services, deliver):
    class Forbidden:
        def describe_stream(self, **_):
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "DescribeStream")

    deliver(services)
    watch = Watch(streamed.place, Forbidden(), streamed.board, days=7)
    watch.start()
    trouble = eventually(lambda: watch.phase == Phase.STILL and watch.trouble, within=10)
    watch.stop()
    assert trouble.startswith("The table's stream cannot be read: These credentials are not allowed to do that.")
    assert shown(streamed) == {"evt_1": "submitted"}


def test_a_table_that_cannot_be_read_is_told_and_tried_again(parts, services, deliver):
    watch = Watch(replace(parts.place, table="nowhere"), fixtures.client("dynamodbstreams"), parts.board, days=7)
    watch.start()
    trouble = eventually(lambda: watch.trouble, within=10)
    watch.stop()
    assert "There is no such table" in trouble


def test_its_end_does_not_wait_for_a_call_that_hangs(streamed, monkeypatch):
    asked, over, answered = threading.Event(), threading.Event(), threading.Event()

    class Hanging:
        def describe_stream(self, **_):
            asked.set()
            over.wait(10)
            answered.set()
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "DescribeStream")

    watch = Watch(streamed.place, Hanging(), streamed.board, days=7)
    watch.start()
    assert asked.wait(10)
    with monkeypatch.context() as patch:
        patch.setattr("cli.console.watch.STOP_SECONDS", 0.1)
        watch.stop()
    assert not answered.is_set()
    over.set()
    watch.stop()
    assert answered.is_set()


def test_what_changes_is_seen_within_seconds(streamed, services, deliver):
    streamed.watch.start()
    assert eventually(lambda: streamed.watch.phase == Phase.FOLLOWING, within=10)
    deliver(services)
    assert eventually(lambda: len(streamed.board), within=10)


class Streams:
    """A stream whose first shard ends, with the records in its child."""

    def __init__(self):
        self.shards = [{"ShardId": "parent", "SequenceNumberRange": {}}]
        self.records = {}
        self.failing = None

    def describe_stream(self, **_):
        return {"StreamDescription": {"Shards": list(self.shards)}}

    def get_shard_iterator(self, *, ShardId, ShardIteratorType, **_):  # noqa: N803 - the API's own names
        return {"ShardIterator": f"{ShardId} {ShardIteratorType}"}

    def get_records(self, *, ShardIterator):  # noqa: N803
        if self.failing:
            raise self.failing
        return self.records.pop(ShardIterator, {"Records": [], "NextShardIterator": ShardIterator})


def put(pk):
    return {"dynamodb": {"Keys": {"pk": {"S": pk}}, "NewImage": {"pk": {"S": pk}}}}


def test_the_children_of_a_shard_that_ends_are_read_from_their_beginning(streamed):
    streams = Streams()
    tail = Tail(streamed.place, streams)
    assert list(tail.changes()) == []
    streams.shards.append({"ShardId": "child", "ParentShardId": "parent", "SequenceNumberRange": {}})
    streams.records = {
        "parent LATEST": {"Records": [put("a")]},
        "child TRIM_HORIZON": {"Records": [put("b")], "NextShardIterator": "later"},
    }
    assert [pk for pk, _ in tail.changes()] == ["a"]
    assert [pk for pk, _ in tail.changes()] == ["b"]
    assert list(tail.changes()) == []


def test_a_failure_loses_nothing(streamed):
    streams = Streams()
    tail = Tail(streamed.place, streams)
    streams.records = {"parent LATEST": {"Records": [put("a")], "NextShardIterator": "later"}}
    streams.failing = ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "GetRecords")
    with pytest.raises(ClientError):
        list(tail.changes())
    streams.failing = None
    assert [pk for pk, _ in tail.changes()] == ["a"]


def test_a_stream_that_was_not_read_for_too_long_is_not_guessed_at(streamed):
    streams = Streams()
    tail = Tail(streamed.place, streams)
    streams.failing = EXPIRED
    with pytest.raises(Behind):
        list(tail.changes())


@both_engines
def test_the_table_is_read_alike_on_both_engines(parts, services, deliver, dynamo):
    deliver(services, content={})
    parts.watch._place = type(parts.place)(builders.TABLE, dynamo._client, parts.place.s3)
    parts.watch.load()
    assert shown(parts) == {"evt_1": "unmapped"}
