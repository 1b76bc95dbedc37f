"""The pipe of the template: what EventBridge Pipes does with the table's stream, at least once and in order.

Facts of the user guide: filters are event patterns; a placeholder of the input template is a path into the record, and
a text that it leads to brings its own quotes; a parameter of the target may be such a path as well. What becomes of a
path that leads nowhere is not documented, so here it is an error: no template may depend on it.
"""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError
from moto.events.models import EventPattern

from local.processes import log

LOOK_SECONDS = 0.25
_PLACEHOLDER = re.compile(r'(?P<quote>"?)<(?P<path>\$[^>]+)>')

_FROM_THE_BEGINNING = {"ShardIteratorType": "TRIM_HORIZON"}

type Json = dict[str, Any]


class PipeError(Exception):
    """The definition does not fit the record."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What the template says of a pipe from a stream to a bus."""

    patterns: tuple[EventPattern, ...]
    template: str
    parameters: Mapping[str, str]
    """Of the target: `Source`, `DetailType`, `Time`."""

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> Self:
        """From the properties of an `AWS::Pipes::Pipe`."""
        target = properties["TargetParameters"]
        filters = properties["SourceParameters"]["FilterCriteria"]["Filters"]
        return cls(
            patterns=tuple(EventPattern.load(it["Pattern"]) for it in filters),
            template=target["InputTemplate"],
            parameters=target["EventBridgeEventBusParameters"],
        )

    def entry(self, record: Any) -> Json | None:
        """What goes to the bus (an entry of PutEvents, without the bus) for a record; None where no filter takes it.

        Raises PipeError.
        """
        if not any(pattern.matches_event(record) for pattern in self.patterns):
            return None
        detail = _PLACEHOLDER.sub(lambda found: _filled(found, record), self.template)
        told = {
            name: _at(record, value) if value.startswith("$.") else value for name, value in self.parameters.items()
        }
        if "Time" in told:
            told["Time"] = datetime.fromisoformat(told["Time"])
        return told | {"Detail": json.dumps(json.loads(detail))}


def _filled(found: re.Match[str], record: Json) -> str:
    if found["quote"]:
        raise PipeError(f"{found['path']} stands in quotes, and a text brings its own")
    return json.dumps(_at(record, found["path"]))


def _at(record: Json, path: str) -> Any:
    value: Any = record
    for name in path.removeprefix("$.").split("."):
        if not isinstance(value, dict) or name not in value:
            raise PipeError(f"{path} leads nowhere")
        value = value[name]
    return value


class Pipe:
    """Reads all shards of a stream from its beginning, children after their parents, and tells a bus."""

    def __init__(self, definition: Definition, stream_arn: str, bus: str, streams: Any, events: Any) -> None:
        """`streams` and `events` are clients of DynamoDB Streams and of EventBridge."""
        self._definition = definition
        self._stream_arn = stream_arn
        self._bus = bus
        self._streams = streams
        self._events = events
        self._places: dict[str, str | None] = {}
        """By shard: the iterator from which to go on; None once it is read to its end."""
        self._told: dict[str, str] = {}
        """By shard: the number of the last record that was told of."""

    async def carry(self) -> None:
        """Go on for ever. What fails is logged, and tried again from where it failed."""
        while True:
            try:
                await asyncio.to_thread(self.carry_once)
            except (PipeError, BotoCoreError, ClientError) as error:
                log("pipe", f"{type(error).__name__}: {error}")
            await asyncio.sleep(LOOK_SECONDS)

    def carry_once(self) -> None:
        """Tell of what has come since. Raises PipeError and botocore's errors; then the same records come again."""
        shards = self._streams.describe_stream(StreamArn=self._stream_arn)["StreamDescription"]["Shards"]
        known = {shard["ShardId"] for shard in shards}
        for shard in shards:
            parent = shard.get("ParentShardId")
            if parent not in known or self._places.get(parent, "") is None:
                self._carry_shard(shard["ShardId"])

    def _carry_shard(self, shard: str) -> None:
        if shard not in self._places:
            told = self._told.get(shard)
            where = (
                {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": told} if told else _FROM_THE_BEGINNING
            )
            found = self._streams.get_shard_iterator(StreamArn=self._stream_arn, ShardId=shard, **where)
            self._places[shard] = found["ShardIterator"]
        while (place := self._places[shard]) is not None:
            try:
                answer = self._streams.get_records(ShardIterator=place)
            except ClientError:
                # An iterator is good for a quarter of an hour, and of those of DynamoDB Local some never are.
                del self._places[shard]
                raise
            for record in answer["Records"]:
                self._tell(self._definition.entry(_as_json(record)))
                self._told[shard] = record["dynamodb"]["SequenceNumber"]
            self._places[shard] = answer.get("NextShardIterator")
            if not answer["Records"]:
                return

    def _tell(self, entry: Json | None) -> None:
        if entry is not None:
            told = self._events.put_events(Entries=[entry | {"EventBusName": self._bus}])
            if told["FailedEntryCount"]:
                raise PipeError(f"the bus took no entry: {told['Entries'][0].get('ErrorCode')}")


def _as_json(record: Json) -> Json:
    """The record as a pipe sees it: JSON, with bytes in base64."""

    def plain(value: Any) -> Any:
        return base64.b64encode(value).decode() if isinstance(value, bytes) else value.timestamp()

    seen: Json = json.loads(json.dumps(record, default=plain))
    return seen


@contextlib.asynccontextmanager
async def carrying(pipe: Pipe) -> AsyncIterator[None]:
    """A pipe that carries for as long as the context lasts."""
    going_on = asyncio.create_task(pipe.carry())
    try:
        yield
    finally:
        going_on.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await going_on
