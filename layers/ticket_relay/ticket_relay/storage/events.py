"""Raw events, kept where they fit: in their rows, in an item for a delivery of several, or in the bucket if too large.

What goes to the bucket is written before the claim, by the hash of its content: a repetition writes the same object,
and one whose row was never claimed expires like all others (template.yaml, EventBucket).
"""

import hashlib
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ticket_relay import aws_clients
from ticket_relay.errors import StoreUnavailable
from ticket_relay.storage.dynamodb import ConditionFailed, Item, Table
from ticket_relay.storage.rows import DAY, DELIVERY_RETENTION, TicketRow, delivery_pk

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LARGEST_IN_ROW = 64 * 1024
"""Bytes of an event that its row holds: together with the largest request it stays below DynamoDB's 400 KB."""
KEPT, UNMAPPED = "kept", "unmapped"
"""Folders of the bucket: they expire with rows that are over, and with those that wait for a person."""
LIFETIMES = {KEPT: DELIVERY_RETENTION, UNMAPPED: 400 * DAY}
"""Of the items of deliveries: as long as the bucket keeps its objects (template.yaml, EventBucket)."""
CLIENT = Config(connect_timeout=0.5, read_timeout=2.0, retries={"mode": "standard", "total_max_attempts": 2})


@dataclass(frozen=True, slots=True)
class Kept:
    """Where an event is kept, as attributes of its row: in it, in the bucket, or in the item of its delivery."""

    event: bytes | None = None
    event_at: str | None = None
    delivery: str | None = None

    @property
    def attributes(self) -> dict[str, Any]:
        return asdict(self)


NOWHERE = Kept()


class Events:
    """`bucket` is its name; None where there is none, and events are only read. Raises StoreUnavailable: repeating is
    safe. `s3` makes a client, or gives one that there is.
    """

    def __init__(self, table: Table, bucket: str | None, s3: "Callable[[], S3Client] | None" = None) -> None:
        self._table = table
        self._bucket = bucket
        self._s3 = s3 or _shared_client

    def keep(self, partner: str, body: bytes, *, folder: str = KEPT) -> Kept:
        """Keep an event for its row, which is not claimed yet."""
        event_at = self.put(partner, body, folder=folder) if len(body) > LARGEST_IN_ROW else None
        return Kept(event=body) if event_at is None else Kept(event_at=event_at)

    def put(self, partner: str, content: bytes, *, folder: str = KEPT) -> str | None:
        """Put an event, or a file's content, into the bucket before the row that has its place; the place."""
        if self._bucket is None:
            return None
        key = f"{folder}/{partner}/{hashlib.sha256(content).hexdigest()}"
        try:
            self._s3().put_object(Bucket=self._bucket, Key=key, Body=zlib.compress(content))
        except (ClientError, BotoCoreError) as error:
            raise _unavailable(error) from None
        return f"{self._bucket}/{key}"

    def keep_delivery(self, partner: str, id: str, body: bytes, now: float, *, folder: str = KEPT) -> Kept:
        """Keep a delivery once for all its events, which are to have rows of their own. One that is there already is
        kept for longer, if need be.
        """
        pk, kept = delivery_pk(partner, body), self.keep(partner, body, folder=folder)
        expires_at = int(now + LIFETIMES[folder])
        item: Item = {"pk": pk, "id": id, "event_at": kept.event_at, "expires_at": expires_at}
        if kept.event is not None:
            item["event"] = zlib.compress(kept.event)
        try:
            self._table.put(item, only_if="attribute_not_exists(pk)")
        except ConditionFailed:
            # Its id stays that of the delivery which came first: the events of that one were mapped with it.
            change, given = "SET expires_at = :expires_at", {":expires_at": expires_at, ":event_at": kept.event_at}
            if kept.event_at is not None:
                change += ", event_at = :event_at"
            with suppress(ConditionFailed):
                self._table.update(pk, change, only_if="attribute_exists(pk) AND expires_at < :expires_at", given=given)
        return Kept(delivery=pk)

    def keep_for_longer(self, row: TicketRow, id: str, body: bytes, now: float) -> Kept:
        """Keep the event of a row that waits for a person now, as it was `delivered`: the row may live for longer than
        what was kept of it. What is in the row itself stays there.
        """
        if row.delivery is not None:
            return self.keep_delivery(row.partner, id, body, now, folder=UNMAPPED)
        return self.keep(row.partner, body, folder=UNMAPPED) if row.event_at is not None else NOWHERE

    def delivered(self, row: TicketRow) -> tuple[str, bytes] | None:
        """The id and the body of the delivery that brought an event; None if it was not kept, or is gone."""
        id, event, at = row.event_id, row.event, row.event_at
        if row.delivery is not None and (item := self._table.get(row.delivery)):
            id, packed, at = item["id"], item.get("event"), item.get("event_at")
            event = zlib.decompress(packed) if packed else None
        if event is None and at is not None:
            event = self.read(at)
        return None if event is None else (id, event)

    def read(self, at: str) -> bytes | None:
        """What was put at this place of the bucket; None if it is gone."""
        bucket, _, key = at.partition("/")
        try:
            return zlib.decompress(self._s3().get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise _unavailable(error) from None
        except BotoCoreError as error:
            raise _unavailable(error) from None


@cache
def _shared_client() -> "S3Client":
    """Made by the first large event: S3's description is long, and most functions never need it."""
    client: S3Client = aws_clients.client("s3", CLIENT)
    return client


def _unavailable(error: ClientError | BotoCoreError) -> StoreUnavailable:
    if isinstance(error, ClientError):
        return StoreUnavailable(f"S3 answered {error.response['Error']['Code']}.")
    return StoreUnavailable(f"S3 could not be asked: {type(error).__name__}.")
