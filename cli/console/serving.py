"""Serves the console on this machine until it is interrupted."""

import contextlib
import socket
from collections.abc import Callable
from secrets import token_urlsafe
from typing import override

import click
from werkzeug.serving import WSGIRequestHandler, make_server

from cli.console.app import make_app
from cli.console.board import Board
from cli.console.checkup import Checkup
from cli.console.parts import Parts
from cli.console.watch import Watch
from cli.failures import told
from cli.where import DEFAULT_STACK, Where, on_loopback
from layers.config.compile import Config

HOST = "127.0.0.1"


class _Quiet(WSGIRequestHandler):
    """Without a line for each request: it would hold the token, and ids of events."""

    @override
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def serve(where: Where, config: Config, *, port: int, days: float, ready: Callable[[str], None]) -> None:
    """Until KeyboardInterrupt, which it takes. `ready` is called with the address, once that is answered.

    Port 0: any free one. Raises ClickException if the port is taken, or there is no such stack.
    """
    try:
        listening = socket.create_server((HOST, port))
    except OSError as error:
        raise click.ClickException(
            f"Cannot listen at port {port}: {error.strerror}. Name another with --port."
        ) from None
    with listening:
        port = listening.getsockname()[1]
        token = token_urlsafe(24)
        parts = connected(where, config, days)
        parts.watch.start()
        app = make_app(parts, token, hosts=(f"{HOST}:{port}", f"localhost:{port}"))
        server = make_server(HOST, port, app, threaded=True, request_handler=_Quiet, fd=listening.fileno())
        ready(f"http://{HOST}:{port}/{token}/")
        with contextlib.closing(server.socket), contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def connected(where: Where, config: Config, days: float) -> Parts:
    """Find the stack. Raises ClickException and botocore's errors."""
    place = where.place()
    board = Board()
    return Parts(
        name=_name(where, place.client.meta.region_name),
        where=where,
        place=place,
        config=config,
        board=board,
        watch=Watch(place, where.client("dynamodbstreams"), board, days),
        checkup=Checkup(where, config),
        zendesk_url=_zendesk_url(where),
    )


def _name(where: Where, region: str) -> str:
    if not where.endpoint_url:
        return f"{where.stack or DEFAULT_STACK}, {region}"
    return "local stack" if on_loopback(where.endpoint_url) else where.endpoint_url


def _zendesk_url(where: Where) -> str | None:
    """Without it there are no links to tickets. DynamoDB alone, at an endpoint, knows of no stack."""
    with contextlib.suppress(click.ClickException), told():
        for parameter in where.described().get("Parameters", ()):
            if parameter.get("ParameterKey") == "ZendeskBaseUrl":
                return parameter.get("ParameterValue", "").rstrip("/") or None
    return None
