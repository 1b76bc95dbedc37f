"""A proxy before DynamoDB that counts what the relay's writes cost. The relay does not know of it.

It reads each item before and after the write, so it is for one request at a time: an idle relay.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from aiohttp import web

from local.bench.capacity import Index, Item, write_units

_WRITES = {"PutItem", "UpdateItem", "DeleteItem"}
_READS = {"GetItem", "BatchGetItem", "Query"}
_STACKS = {"CreateTable", "DescribeTable", "UpdateTimeToLive"}
"""What the stack asks before its functions start."""

_TARGET = "DynamoDB_20120810."
_STREAMS = "DynamoDBStreams_20120810."
_KEPT = ("Authorization", "Content-Type", "X-Amz-Date", "X-Amz-Target")
_PASSED_ON = ("Content-Type", "x-amz-crc32", "x-amzn-RequestId")
_TIMEOUT = aiohttp.ClientTimeout(60)

type Body = dict[str, Any]


class Meter:
    """Between the functions and the DynamoDB at `upstream`."""

    def __init__(self, upstream: str) -> None:
        self.units = 0
        self.requests: Counter[str] = Counter()
        """By operation; those that it cannot count among them."""
        self._upstream = upstream
        self._one_at_a_time = asyncio.Lock()
        self._key: tuple[str, ...] = ()
        self._indexes: tuple[Index, ...] = ()

    @property
    def writes(self) -> int:
        """Requests that wrote, or would have, but for their conditions."""
        return sum(self.requests[operation] for operation in _WRITES)

    @property
    def uncounted(self) -> set[str]:
        """Operations whose cost is not known here: if there are any, `units` is too low."""
        return self.requests.keys() - _WRITES - _READS

    def begin(self, table: Mapping[str, Any]) -> None:
        """Count from now on. `table` is what DescribeTable says of it."""
        self._key = tuple(part["AttributeName"] for part in table["KeySchema"])
        self._indexes = tuple(Index.of(each, self._key) for each in table.get("GlobalSecondaryIndexes", []))
        self.units = 0
        self.requests.clear()

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/", self._serve)
        app.cleanup_ctx.append(self._connected)
        return app

    async def _connected(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as self._http:
            yield

    async def _serve(self, request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        operation, body = headers.get("X-Amz-Target", "").removeprefix(_TARGET), await request.read()
        # Those of the stream are the pipe's, which AWS runs, and no request of the table's.
        if operation not in _STACKS and not operation.startswith(_STREAMS):
            self.requests[operation] += 1
        if operation not in _WRITES:
            return await self._passed_on(headers, body)
        async with self._one_at_a_time:
            write = json.loads(body)
            before = await self._item(headers, write)
            answer = await self._passed_on(headers, body)
            self.units += write_units(before, await self._item(headers, write), self._indexes)
            return answer

    async def _passed_on(self, headers: dict[str, str], body: bytes) -> web.Response:
        async with self._http.post(self._upstream, data=body, headers=headers) as answer:
            passed_on = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
            return web.Response(status=answer.status, body=await answer.read(), headers=passed_on)

    async def _item(self, headers: dict[str, str], write: Body) -> Item | None:
        item = write.get("Key") or write["Item"]
        asked = {
            "TableName": write["TableName"],
            "Key": {name: item[name] for name in self._key or ("pk",)},
            "ConsistentRead": True,
        }
        # Neither engine checks signatures: another body goes under the headers of this one.
        answer = await self._passed_on(headers | {"X-Amz-Target": f"{_TARGET}GetItem"}, json.dumps(asked).encode())
        assert isinstance(answer.body, bytes)  # noqa: S101 - made of bytes above
        found: Item | None = json.loads(answer.body).get("Item")
        return found
