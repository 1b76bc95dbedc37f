"""The HTTP front: what API Gateway does with a request, short of its throttling and its access logs."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence

from aiohttp import web

from local.api_gateway import events
from local.processes import log
from local.runtimes.pool import Pool
from local.runtimes.runtime import InvocationError, NoneFreeError

# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_LARGEST_BODY = 10 * 2**20
_LONGEST_HEADERS = 10_240
# An invocation's payload: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. The emulator cuts
# longer ones off instead of refusing them. That the API then answers as for its own limit is an assumption.
_LARGEST_EVENT = 6 * 2**20

_HOP_BY_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}


@contextlib.asynccontextmanager
async def served(app: web.Application, port: int) -> AsyncIterator[str]:
    """Serve `app` on this port of 127.0.0.1 (0: any free one); gives its address."""
    # Bodies as they came: signatures are over these bytes, and API Gateway does not decompress either.
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        max_line_size=_LONGEST_HEADERS,
        max_field_size=_LONGEST_HEADERS,
        shutdown_timeout=1.0,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def front(routes: Sequence[events.Route], pools: Mapping[str, Pool]) -> web.Application:
    """The API: each route's requests go to its function's pool."""

    async def serve(request: web.Request) -> web.Response:
        answer = await answered(request)
        headers = [(name, value) for name, value in answer.headers if name not in _HOP_BY_HOP]
        return web.Response(status=answer.status, headers=headers, body=answer.body)

    async def answered(request: web.Request) -> events.Response:
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return events.too_large()
        received = events.Request(
            method=request.method,
            target=request.raw_path,
            headers=list(request.headers.items()),
            body=body,
            source_ip=request.remote or "127.0.0.1",
            protocol=f"HTTP/{request.version.major}.{request.version.minor}",
        )
        found = events.routed(routes, received)
        if found is None:
            return events.message(404, "Not Found")
        route, parameters = found
        payload = json.dumps(events.event(received, route, parameters)).encode()
        if len(payload) > _LARGEST_EVENT:
            return events.too_large()
        return await _invoked(pools[route.function], payload)

    app = web.Application(client_max_size=_LARGEST_BODY)
    app.router.add_route("*", "/{path:(?s:.*)}", serve)  # also a path with a line break
    return app


async def _invoked(pool: Pool, payload: bytes) -> events.Response:
    try:
        return events.response(await pool.invoke(payload))
    except NoneFreeError:
        return events.message(503, "Service Unavailable")
    except (InvocationError, events.BadAnswerError) as error:
        # An HTTP API does not distinguish a function that raised, died, ran out of time or gave an invalid answer:
        # https://repost.aws/knowledge-center/api-gateway-internal-server-error
        log("front", f"{pool.function.name}: {type(error).__name__}")
        return events.message(500, "Internal Server Error")
