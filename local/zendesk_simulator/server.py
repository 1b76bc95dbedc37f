"""The simulator over HTTP: inside the caller's event loop (`running`), or in its own thread (`simulator`)."""

import asyncio
import contextlib
import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from . import api, control
from .account import Account
from .faults import disturbed
from .wire import Answer, Call, endpoint

# Above the 50 MB of an upload, so that the simulator itself refuses what is too large.
_MAX_BODY = 64 * 1024 * 1024
_TICK_SECONDS = 0.02


@dataclass(frozen=True)
class Server:
    url: str
    account: Account

    @property
    def client_id(self) -> str:
        return self.account.client_id

    @property
    def client_secret(self) -> str:
        return self.account.client_secret


def application(account: Account) -> web.Application:
    """Zendesk's paths and `/_control/...`; jobs and webhooks go on by themselves while it runs."""
    app = web.Application(client_max_size=_MAX_BODY)

    async def serve(request: web.Request) -> web.StreamResponse:
        return await _serve(account, request)

    async def driven(_: web.Application) -> AsyncIterator[None]:
        driver = asyncio.create_task(_drive(account))
        yield
        driver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await driver

    app.router.add_route("*", "/{path:.*}", serve)
    app.cleanup_ctx.append(driven)
    return app


@contextlib.asynccontextmanager
async def running(account: Account, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Server]:
    """Serve in the current event loop; port 0 takes a free one."""
    runner = web.AppRunner(application(account), access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield Server(f"http://{host}:{runner.addresses[0][1]}", account)
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def simulator(account: Account | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[Server]:
    """Serve in a thread, for tests and scripts; a new account with a random client secret unless one is given."""
    account = account or Account(secrets.token_urlsafe(24))
    started: Future[Server] = Future()
    loop, stop = asyncio.new_event_loop(), asyncio.Event()

    async def live() -> None:
        try:
            async with running(account, host, port) as server:
                started.set_result(server)
                await stop.wait()
        except OSError as error:
            started.set_exception(error)

    thread = threading.Thread(target=loop.run_until_complete, args=(live(),), name="zendesk-simulator", daemon=True)
    thread.start()
    try:
        yield started.result(timeout=10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)
        loop.close()


async def _serve(account: Account, request: web.Request) -> web.StreamResponse:
    call = Call(
        request.method,
        endpoint(request.path),
        dict(request.query),
        {name.lower(): value for name, value in request.headers.items()},
        await request.read(),
        request.remote or "",
    )
    if call.path.startswith(control.PREFIX):
        return _response(control.answer(account, call))
    fault = account.faults.strike(call.method, call.path)
    reply = await disturbed(fault, lambda: api.answer(account, call))
    account.journal.note(call, reply.status if reply else None, account.clock.now())
    if reply is None:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()
    return _response(reply)


def _response(reply: Answer) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers)


async def _drive(account: Account) -> None:
    """Let jobs and webhooks happen while nobody asks."""
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as sending:
        while True:
            account.settle()
            for invocation in account.deliveries.due(account.clock.now()):
                sending.create_task(account.deliveries.send(invocation, session, account.clock.now))
            await asyncio.sleep(_TICK_SECONDS)
