"""A port for tests and the demo, apart from the front: lists the runtimes' processes, and controls the schedule."""

import json
from collections.abc import Mapping

from aiohttp import web

from local.aws.schedule import Schedule
from local.runtimes.pool import Pool
from local.runtimes.runtime import InvocationError


def control(pools: Mapping[str, Pool], schedule: Schedule) -> web.Application:
    """`GET /pids`; `POST /poll`: run the poller and wait for it; `POST /schedule {"every": seconds or null}`."""

    async def pids(_: web.Request) -> web.Response:
        return web.json_response({name: pool.pids for name, pool in pools.items()})

    async def poll(_: web.Request) -> web.Response:
        try:
            return web.json_response({"answer": await schedule.run_now()})
        except InvocationError as error:
            return web.json_response({"error": type(error).__name__, "message": str(error)}, status=502)

    async def change(request: web.Request) -> web.Response:
        try:
            every = (await request.json())["every"]
        except (json.JSONDecodeError, KeyError, TypeError):
            every = 0
        if every is not None and not (isinstance(every, int | float) and every > 0):
            return web.json_response({"error": "invalid", "message": "every: seconds above 0, or null"}, status=400)
        schedule.change(every)
        return web.json_response({"every": every})

    app = web.Application()
    app.add_routes([web.get("/pids", pids), web.post("/poll", poll), web.post("/schedule", change)])
    return app
