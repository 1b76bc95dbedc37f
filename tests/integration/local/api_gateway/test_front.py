"""The HTTP front over HTTP, before functions that do as they are told."""

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict

from local.api_gateway.events import Route
from local.api_gateway.front import front, served
from local.runtimes.pool import Pool
from local.runtimes.runtime import Function, FunctionError, InvocationError, NoneFreeError, RuntimeLostError

ROUTE = Route("POST /orders/{shop}", "f")
FUNCTION = Function("f", "app.handler", Path(), (), {}, timeout=3, memory=128, log_format="Text", reserved=None)


class FakePool(Pool):
    """Answers with `answer`, or raises it, and keeps the events."""

    def __init__(self, answer: object = None) -> None:
        super().__init__(FUNCTION)
        self.events: list[dict[str, object]] = []
        self._answer = answer

    async def invoke(self, event: bytes) -> object:
        self.events.append(json.loads(event))
        if isinstance(self._answer, InvocationError):
            raise self._answer
        return self._answer


def run(pool: Pool, test: Callable[[aiohttp.ClientSession], Awaitable[None]], *routes: Route) -> None:
    async def main() -> None:
        app = front(routes or (ROUTE,), {"f": pool})
        async with served(app, 0) as url, aiohttp.ClientSession(url, auto_decompress=False) as http:
            await test(http)

    asyncio.run(main())


def test_the_functions_response_is_the_callers() -> None:
    async def test(http: aiohttp.ClientSession) -> None:
        async with http.post("/orders/a") as answer:
            assert (answer.status, await answer.json()) == (202, {"ok": True})
            assert answer.headers["retry-after"] == "5"
            assert answer.headers.getall("set-cookie") == ["a=1", "b=2"]

    headers = {"content-type": "application/json", "Retry-After": "5", "Content-Length": "999"}
    run(FakePool({"statusCode": 202, "headers": headers, "cookies": ["a=1", "b=2"], "body": '{"ok": true}'}), test)


def test_the_target_and_the_headers_arrive_as_they_were_sent() -> None:
    pool = FakePool()

    async def test(http: aiohttp.ClientSession) -> None:
        await http.post("/orders/a?x=%20&x=1&y", headers=CIMultiDict([("X-One", "1"), ("X-One", "2")]))

    run(pool, test)
    (event,) = pool.events
    assert event["rawQueryString"] == "x=%20&x=1&y"
    assert isinstance(event["headers"], dict)
    assert event["headers"]["x-one"] == "1,2"


def test_a_compressed_body_is_not_opened() -> None:
    pool = FakePool()
    body = gzip.compress(b'{"a": 1}')

    async def test(http: aiohttp.ClientSession) -> None:
        headers = {"content-type": "application/json", "content-encoding": "gzip"}
        await http.post("/orders/a", data=body, headers=headers)

    run(pool, test)
    assert pool.events[0]["isBase64Encoded"] is True


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (FunctionError("ValueError"), 500, "Internal Server Error"),
        (RuntimeLostError("killed"), 500, "Internal Server Error"),
        (NoneFreeError("f"), 503, "Service Unavailable"),
    ],
)
def test_a_function_that_does_not_answer_is_the_apis_error(error: InvocationError, status: int, text: str) -> None:
    async def test(http: aiohttp.ClientSession) -> None:
        async with http.post("/orders/a") as answer:
            assert (answer.status, await answer.json()) == (status, {"message": text})

    run(FakePool(error), test)


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/orders/a"), ("POST", "/orders"), ("POST", "/"), ("GET", "/a%0Ab")]
)
def test_a_request_without_a_route_is_not_found(method: str, path: str) -> None:
    async def test(http: aiohttp.ClientSession) -> None:
        async with http.request(method, path) as answer:
            assert (answer.status, await answer.json()) == (404, {"message": "Not Found"})

    pool = FakePool()
    run(pool, test)
    assert not pool.events


@pytest.mark.parametrize("megabytes", [7, 11], ids=["more than Lambda takes", "more than the API takes"])
def test_a_body_that_is_too_large_never_reaches_the_function(megabytes: int) -> None:
    async def test(http: aiohttp.ClientSession) -> None:
        async with http.post("/orders/a", data=b"x" * (megabytes * 2**20)) as answer:
            assert (answer.status, await answer.json()) == (
                413,
                {"error": "body_too_large", "message": "Request Entity Too Large"},
            )

    pool = FakePool()
    run(pool, test)
    assert not pool.events
