"""What all views of the console share."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from flask import Response, make_response, request

from cli.console.board import Board
from cli.console.checkup import Checkup
from cli.console.watch import Watch
from cli.where import Place, Where
from layers.config.compile import Config


@dataclass(frozen=True, slots=True)
class Parts:
    """The stack that the console is about, and what it knows of it."""

    name: str
    """For people: the stack's name and region, or the address."""
    where: Where
    place: Place
    config: Config
    board: Board
    watch: Watch
    checkup: Checkup
    zendesk_url: str | None
    """For links to tickets; None if it is not known."""


def indented(value: object) -> str:
    """As JSON, with a line for each of its parts."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def pretty(text: str) -> str:
    """A stored text with a line for each of its parts, if it is JSON; as it is otherwise."""
    try:
        return indented(json.loads(text))
    except (ValueError, RecursionError):
        return text


def if_new(version: str, render: Callable[[], str]) -> Response:
    """A part of a page, with its version; 204 if the page has this version already, as `seen` says."""
    if request.args.get("seen") == version:
        return Response(status=204)
    response = make_response(render())
    response.headers["X-Version"] = version
    return response
