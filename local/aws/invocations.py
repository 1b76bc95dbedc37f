"""Lambda's Invoke, as far as the functions use it: an asynchronous invocation, which is queued and not answered.

https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from aiohttp import web

from local.api_gateway.front import served
from local.processes import log
from local.runtimes.runtime import InvocationError

type Invoked = Callable[[], Awaitable[object]]


class Invocations:
    """`functions` by name: what an invocation calls. They are known later than the address at which they are called."""

    def __init__(self) -> None:
        self.functions: dict[str, Invoked] = {}
        self._queue: set[asyncio.Task[None]] = set()

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/2015-03-31/functions/{name}/invocations", self._invoke)])
        return app

    async def _invoke(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self.functions:
            return _error(404, "ResourceNotFoundException", f"Function not found: {name}")
        if request.headers.get("X-Amz-Invocation-Type") != "Event":
            return _error(400, "InvalidParameterValueException", "Only asynchronous invocations are served here")
        task = asyncio.create_task(_called(name, self.functions[name]))
        self._queue.add(task)
        task.add_done_callback(self._queue.discard)
        return web.Response(status=202)

    async def stop(self) -> None:
        """Forget what is queued."""
        for task in self._queue:
            task.cancel()
        await asyncio.gather(*self._queue, return_exceptions=True)


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[Invocations, str]]:
    """The API for as long as the context lasts, and its address."""
    invocations = Invocations()
    async with served(invocations.app(), 0) as url:
        try:
            yield invocations, url
        finally:
            await invocations.stop()


async def _called(name: str, function: Invoked) -> None:
    """Once: the template allows no second try."""
    try:
        await function()
    except InvocationError as error:
        log("invocations", f"{name}: {type(error).__name__}: {error}")


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"Type": "User", "Message": message}, status=status, headers={"x-amzn-ErrorType": code})
