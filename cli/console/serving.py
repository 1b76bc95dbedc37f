"""Serves the console on this machine until it is interrupted."""

import contextlib
import socket
from collections.abc import Iterator
from secrets import token_urlsafe
from typing import override

import click
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

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


@contextlib.contextmanager
def listening(where: Where, config: Config, *, port: int, days: float) -> Iterator[tuple[str, BaseWSGIServer]]:
    """The console's address, with its token, and what serves it when it is told to; for as long as the context lasts.

    Port 0: any free one. Raises ClickException if the port is taken or there is no such stack, and botocore's errors.
    """
    try:
        taken = socket.create_server((HOST, port))
    except OSError as error:
        sentence = f"Cannot listen at port {port}: {error.strerror}. Name another with --port."
        raise click.ClickException(sentence) from None
    with taken:
        port = taken.getsockname()[1]
        token = token_urlsafe(24)
        parts = connected(where, config, days)
        app = make_app(parts, token, hosts=(f"{HOST}:{port}", f"localhost:{port}"))
        server = make_server(HOST, port, app, threaded=True, request_handler=_Quiet, fd=taken.fileno())
    parts.watch.start()
    try:
        yield f"http://{HOST}:{port}/{token}/", server
    finally:
        server.server_close()
        parts.watch.stop()


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
