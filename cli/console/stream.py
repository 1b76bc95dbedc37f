"""The end of the table's stream: what changes from now on.

Facts (DynamoDB developer guide, "Change data capture for DynamoDB Streams", and API reference): a record stays for 24
hours; an iterator is good for 15 minutes; a shard that is split or full ends, and its children go on from there.
"""

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from cli.where import Place

type Change = tuple[str, dict[str, Any] | None]
"""A key, and the item as it is now, as DynamoDB writes it; None if it was deleted."""


_PAST = {"ExpiredIteratorException", "TrimmedDataAccessException"}


class NoStream(Exception):
    """The table has no stream, or none that tells what items have become."""


class Behind(Exception):
    """The stream was not read for too long, because this machine slept, say: read the table again."""


class Tail:
    """Reads the stream from the moment on at which this was made. Raises NoStream, and botocore's errors.

    After an error of one shard, nothing of it is lost: the next call goes on where the last one ended.
    """

    def __init__(self, place: Place, streams: Any) -> None:
        table = place.client.describe_table(TableName=place.table)["Table"]
        if table.get("StreamSpecification", {}).get("StreamViewType") not in {"NEW_IMAGE", "NEW_AND_OLD_IMAGES"}:
            raise NoStream
        self._arn = table["LatestStreamArn"]
        self._streams = streams
        shards = list(self._shards())
        self._known = {shard["ShardId"] for shard in shards}
        still_open = [shard for shard in shards if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
        self._ended = False
        self._places = {shard["ShardId"]: self._iterator(shard, "LATEST") for shard in still_open}

    def changes(self) -> Iterator[Change]:
        """Once through all open shards, with at most 1 MB of each. Raises Behind, and botocore's errors."""
        for shard, place in list(self._places.items()):
            answer = self._records(place)
            for record in answer["Records"]:
                told = record["dynamodb"]
                yield told["Keys"]["pk"]["S"], told.get("NewImage")
            if following := answer.get("NextShardIterator"):
                self._places[shard] = following
            else:
                del self._places[shard]
                self._ended = True
        if self._ended:
            self._go_on_in_children()
            self._ended = False

    def _records(self, place: str) -> dict[str, Any]:
        try:
            records: dict[str, Any] = self._streams.get_records(ShardIterator=place)
        except ClientError as error:
            if error.response["Error"]["Code"] in _PAST:
                raise Behind from None
            raise
        return records

    def _go_on_in_children(self) -> None:
        for shard in self._shards():
            if shard["ShardId"] not in self._known:
                self._places[shard["ShardId"]] = self._iterator(shard, "TRIM_HORIZON")
                self._known.add(shard["ShardId"])

    def _shards(self) -> Iterator[dict[str, Any]]:
        start: dict[str, str] = {}
        while True:
            answer = self._streams.describe_stream(StreamArn=self._arn, **start)["StreamDescription"]
            yield from answer["Shards"]
            if "LastEvaluatedShardId" not in answer:
                return
            start = {"ExclusiveStartShardId": answer["LastEvaluatedShardId"]}

    def _iterator(self, shard: dict[str, Any], kind: str) -> str:
        found = self._streams.get_shard_iterator(StreamArn=self._arn, ShardId=shard["ShardId"], ShardIteratorType=kind)
        return str(found["ShardIterator"])
