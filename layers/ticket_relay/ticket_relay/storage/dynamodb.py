"""The DynamoDB table, item by item. No write goes out without a condition.

A write that was answered with an error may have landed. Repeating it is safe for a caller that reads the item
after "the condition failed": all do.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ticket_relay import aws_clients
from ticket_relay.errors import StoreUnavailable, WriteRefused
from ticket_relay.storage.attribute_values import from_wire, to_wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = dict[str, Any]

INVALID = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException"})
DUE_INDEX = "due"
BATCH_GET_LIMIT = 100  # BatchGetItem, API reference
CALLS_AT_ONCE = 16
"""Calls that an executor of a caller may have under way in parallel."""
_CONNECTIONS = CALLS_AT_ONCE + 4
"""That are kept: for those calls, and for what the caller's own threads ask."""


def client_config(read_timeout: float) -> Config:
    """Seconds. Few attempts, so that a call does not take long to fail."""
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    return Config(connect_timeout=0.5, read_timeout=read_timeout, retries=retries, max_pool_connections=_CONNECTIONS)


class ConditionFailed(Exception):
    """The item was not as the write required, and is unchanged."""


class Table:
    """One table. Values are Python's own; None and "" are left out. Raises StoreUnavailable, ConditionFailed."""

    def __init__(self, name: str, client: "DynamoDBClient | None" = None, *, read_timeout: float = 1.0) -> None:
        self.name = name
        self._client: DynamoDBClient = client or aws_clients.client("dynamodb", client_config(read_timeout))

    def get(self, pk: str) -> Item | None:
        with _translated():
            found = self._client.get_item(TableName=self.name, Key=_key(pk), ConsistentRead=True).get("Item")
        return from_wire(found) if found else None

    def get_many(self, pks: Iterable[str], attributes: Iterable[str] = ()) -> Iterator[Item]:
        """The items that exist, in no order; of each only these attributes, or all.

        What DynamoDB left unread (of more than 16 MB) the next poll asks for again, not this one.
        """
        wanted, names = list(dict.fromkeys(pks)), list(attributes)
        only: Any = {}
        if names:
            only["ProjectionExpression"] = ", ".join(f"#{name}" for name in names)
            only["ExpressionAttributeNames"] = {f"#{name}": name for name in names}
        for start in range(0, len(wanted), BATCH_GET_LIMIT):
            keys = [_key(pk) for pk in wanted[start : start + BATCH_GET_LIMIT]]
            request: Any = {self.name: {"Keys": keys, "ConsistentRead": True, **only}}
            with _translated():
                answer = self._client.batch_get_item(RequestItems=request)
            yield from map(from_wire, answer["Responses"].get(self.name, []))

    def put(self, item: Item, *, only_if: str, given: Mapping[str, Any] | None = None) -> None:
        """Write the whole item if the condition holds of the one that is there."""
        # DynamoDB refuses empty maps and unused names; `state` is one of its reserved words.
        extra: Any = {"ExpressionAttributeValues": to_wire(given)} if given else {}
        if "#state" in only_if:
            extra["ExpressionAttributeNames"] = {"#state": "state"}
        with _translated():
            self._client.put_item(TableName=self.name, Item=to_wire(item), ConditionExpression=only_if, **extra)

    def replace(self, pk: str, old: Item, new: Item, *, same: Mapping[str, Any]) -> None:
        """Make the item `new` if it still has the attributes `same`; only what it differs in from `old` is written."""
        old, new = _present(old), _present(new)
        changed = {name: value for name, value in new.items() if name not in old or old[name] != value}
        gone = sorted(old.keys() - new.keys())
        parts = {
            "SET": ", ".join(f"#{name} = :{name}" for name in changed),
            "REMOVE": ", ".join(f"#{name}" for name in gone),
        }
        given = {f":{name}": value for name, value in changed.items()}
        with _translated():
            self._client.update_item(
                TableName=self.name,
                Key=_key(pk),
                UpdateExpression=" ".join(f"{verb} {names}" for verb, names in parts.items() if names),
                ConditionExpression=" AND ".join(f"#{name} = :old_{name}" for name in same),
                # Some names, such as `state`, are reserved words of DynamoDB.
                ExpressionAttributeNames={f"#{name}": name for name in {*changed, *gone, *same}},
                ExpressionAttributeValues=to_wire(given | {f":old_{name}": value for name, value in same.items()}),
            )

    def update(self, pk: str, change: str, *, only_if: str, given: Mapping[str, Any]) -> Item:
        """Change some attributes if the condition holds, and return the whole item as it is then. An absent item counts
        as one without attributes.
        """
        with _translated():
            changed = self._client.update_item(
                TableName=self.name,
                Key=_key(pk),
                UpdateExpression=change,
                ConditionExpression=only_if,
                ExpressionAttributeValues=to_wire(given),
                ReturnValues="ALL_NEW",
            )
        return from_wire(changed["Attributes"])

    def due(self, shard: str, until: float, limit: int) -> list[tuple[str, float]]:
        """(pk, due_at) of what the index holds as due by then, earliest first. It lags a little behind the items."""
        with _translated():
            answer = self._client.query(
                TableName=self.name,
                IndexName=DUE_INDEX,
                KeyConditionExpression="due_shard = :shard AND due_at <= :until",
                ExpressionAttributeValues=to_wire({":shard": shard, ":until": until}),
                Limit=limit,
            )
        return [(item["pk"], item["due_at"]) for item in map(from_wire, answer["Items"])]

    def created_at(self, shard: str) -> Iterator[float]:
        """When each item was created that stands in the index, page by page, in the order in which they are due."""
        start: Any = {}
        while True:
            with _translated():
                answer = self._client.query(
                    TableName=self.name,
                    IndexName=DUE_INDEX,
                    KeyConditionExpression="due_shard = :shard",
                    ExpressionAttributeValues=to_wire({":shard": shard}),
                    ProjectionExpression="created_at",
                    **start,
                )
            yield from (item["created_at"] for item in map(from_wire, answer["Items"]) if item)
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            raise ConditionFailed from None
        # The message of a validation error quotes the request; the code alone is safe to show.
        if code in INVALID:
            raise WriteRefused(f"DynamoDB answered {code}.") from None
        raise StoreUnavailable(f"DynamoDB answered {code}.") from None
    except BotoCoreError as error:
        raise StoreUnavailable(f"DynamoDB could not be asked: {type(error).__name__}.") from None


def _key(pk: str) -> Any:
    return {"pk": {"S": pk}}


def _present(item: Mapping[str, Any]) -> Item:
    """Without what is not written: nothing, and the empty text."""
    return {name: value for name, value in item.items() if value is not None and value != ""}
