"""A proxy before DynamoDB. It watches what the relay asks, and refuses, delays or loses some of it."""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
from aiohttp import web

from tests.e2e.chaos.gate_watch import GateWatch
from tests.e2e.chaos.runtimes import Runtimes
from tests.e2e.chaos.traps import Moment, Traps
from ticket_relay.zendesk import auth

SLOW = 1.3
"""Seconds: longer than the relay waits for DynamoDB."""

_KEPT = ("Authorization", "Content-Type", "X-Amz-Date", "X-Amz-Target")
_PASSED_ON = ("Content-Type", "x-amz-crc32", "x-amzn-RequestId")
_THROTTLED = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
_BROKEN = "com.amazonaws.dynamodb.v20120810#InternalServerError"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to a share (`rate`) of all operations while it lasts.

    `throttled`, `broken` (500) and `unreachable` come before the effect; with `lost` the effect is there and its
    answer is not, and with `slow` it comes too late.
    """

    kind: Literal["throttled", "broken", "unreachable", "lost", "slow"]
    rate: float


class Proxy:
    """Stands between the functions and the DynamoDB at `upstream`. `trouble` is what is the matter just now."""

    def __init__(self, upstream: str, runtimes: Runtimes, traps: Traps, gate_watch: GateWatch, seed: int) -> None:
        self.trouble: Trouble | None = None
        self.happened: Counter[str] = Counter()
        self._upstream = upstream
        self._runtimes = runtimes
        self._traps = traps
        self._gate_watch = gate_watch
        self._random = random.Random(seed)  # noqa: S311 - a lottery that can be repeated

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/", self._serve)
        app.cleanup_ctx.append(self._connected)
        return app

    async def _connected(self, _: web.Application) -> Any:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as self._http:
            yield

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.read()
        service, _, name = request.headers.get("X-Amz-Target", "").partition(".")
        if service.startswith("DynamoDBStreams_"):
            return await self._asked(request, name, body)  # the pipe's, which is no function
        asked = json.loads(body)
        trouble = self._strikes()
        if trouble == "unreachable":
            return _cut(request)
        if trouble in {"throttled", "broken"}:
            return _refused(trouble)
        moment = _moment(name, asked)
        if moment is Moment.BEFORE_UPDATE and self._traps.spring(moment, self._runtimes.behind(request.transport)):
            return _cut(request)
        answer = await self._asked(request, name, body)
        if moment is not Moment.BEFORE_UPDATE and answer.status == 200:
            self._traps.spring(moment, self._runtimes.behind(request.transport))
        if trouble == "slow":
            await asyncio.sleep(SLOW)
        return _cut(request) if trouble == "lost" else answer

    def _strikes(self) -> str | None:
        if self.trouble is None or self._random.random() >= self.trouble.rate:
            return None
        self.happened[f"DynamoDB {self.trouble.kind}"] += 1
        return self.trouble.kind

    async def _asked(self, request: web.Request, name: str, body: bytes) -> web.Response:
        headers = {key: request.headers[key] for key in _KEPT if key in request.headers}
        async with self._http.post(self._upstream, data=body, headers=headers) as answer:
            content = await answer.read()
            passed_on = {key: answer.headers[key] for key in _PASSED_ON if key in answer.headers}
        if name in {"GetItem", "UpdateItem"}:
            pid = self._runtimes.behind(request.transport)
            self._gate_watch.operated(name, json.loads(body), json.loads(content), pid, time.time())
        return web.Response(status=answer.status, body=content, headers=passed_on)


def _moment(name: str, asked: dict[str, Any]) -> Moment | None:
    match name, asked:
        case "PutItem", {"Item": {"state": {"S": "submitted"}}}:
            return Moment.BEFORE_UPDATE
        case "PutItem", {"Item": {"state": {"S": "accepted"}, "version": {"N": "1"}}}:
            return Moment.AFTER_CLAIM
        case "UpdateItem", {"Key": {"pk": {"S": auth.PK}}, "ExpressionAttributeValues": {":now": _}}:
            return Moment.RENEWING
        case "UpdateItem", {"ExpressionAttributeValues": {":read": _, ":probe": _}}:
            return Moment.ASKING_FIRST
    return None


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _refused(kind: str) -> web.Response:
    status, error = (400, _THROTTLED) if kind == "throttled" else (500, _BROKEN)
    body = json.dumps({"__type": error, "message": "on purpose"})
    return web.Response(status=status, text=body, content_type="application/x-amz-json-1.0")
