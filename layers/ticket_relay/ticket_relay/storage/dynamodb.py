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

# A partner is answered within five seconds, and three calls of DynamoDB are on the way: none may take long to fail.
CLIENT = Config(connect_timeout=0.5, read_timeout=1.0, retries={"mode": "standard", "total_max_attempts": 2})


class ConditionFailed(Exception):
    """The item was not as the write required, and is unchanged."""


class Table:
    """One table. Values are Python's own; None and "" are left out. Raises StoreUnavailable, ConditionFailed."""

    def __init__(self, name: str, client: "DynamoDBClient | None" = None) -> None:
        self.name = name
        self._client: DynamoDBClient = client or aws_clients.client("dynamodb", CLIENT)

    def get(self, pk: str) -> Item | None:
        with _translated():
            found = self._client.get_item(TableName=self.name, Key=_key(pk), ConsistentRead=True).get("Item")
        return from_wire(found) if found else None

    def get_many(self, pks: Iterable[str]) -> Iterator[Item]:
        """The items that exist, in no order. What DynamoDB left unread the next poll asks for again, not this one."""
        wanted = list(dict.fromkeys(pks))
        for start in range(0, len(wanted), BATCH_GET_LIMIT):
            keys = [_key(pk) for pk in wanted[start : start + BATCH_GET_LIMIT]]
            with _translated():
                answer = self._client.batch_get_item(RequestItems={self.name: {"Keys": keys, "ConsistentRead": True}})
            yield from map(from_wire, answer["Responses"].get(self.name, []))

    def put(self, item: Item, *, only_if: str, given: Mapping[str, Any] | None = None) -> None:
        """Write the whole item if the condition holds of the one that is there."""
        # DynamoDB refuses empty maps and unused names; `state` is one of its reserved words.
        extra: Any = {"ExpressionAttributeValues": to_wire(given)} if given else {}
        if "#state" in only_if:
            extra["ExpressionAttributeNames"] = {"#state": "state"}
        with _translated():
            self._client.put_item(TableName=self.name, Item=to_wire(item), ConditionExpression=only_if, **extra)

    def update(self, pk: str, change: str, *, only_if: str, given: Mapping[str, Any]) -> None:
        """Change some attributes if the condition holds; an absent item counts as one without attributes."""
        with _translated():
            self._client.update_item(
                TableName=self.name,
                Key=_key(pk),
                UpdateExpression=change,
                ConditionExpression=only_if,
                ExpressionAttributeValues=to_wire(given),
            )

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
