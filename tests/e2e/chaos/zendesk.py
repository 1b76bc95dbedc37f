"""The simulated Zendesk, watched: who calls, and when. Its own faults and plans for jobs are local/zendesk's."""

import json
import time

from aiohttp import web
from aiohttp.typedefs import Handler

from local import zendesk_simulator
from tests.e2e.chaos.gate_watch import GateWatch
from tests.e2e.chaos.runtimes import Runtimes
from tests.e2e.chaos.traps import Moment, Traps

CREATE = "/api/v2/tickets"
CREATE_MANY = f"{CREATE}/create_many"
UPLOADS = "/api/v2/uploads"
TOKENS = "/oauth/tokens"


def watched(
    account: zendesk_simulator.Account, runtimes: Runtimes, traps: Traps, gate_watch: GateWatch, issued: set[str]
) -> web.Application:
    """The simulator's application; every token that it gives out goes into `issued`."""

    @web.middleware
    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        pid = runtimes.behind(request.transport)
        gate_watch.called(f"{request.method} {request.path}", pid, time.time())
        answer = await handler(request)
        if request.path == TOKENS and isinstance(answer, web.Response) and answer.status == 201:
            issued.add(json.loads(answer.body)["access_token"])  # type: ignore[arg-type] # bytes, from the simulator
        if request.method == "POST" and (request.path, answer.status) in {(CREATE, 202), (CREATE_MANY, 200)}:
            traps.spring(Moment.AFTER_POST, pid)
        return answer

    app = zendesk_simulator.application(account)
    app.middlewares.append(watch)
    return app
