"""The console as a WSGI application."""

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus

import click
from flask import Flask, redirect, render_template, url_for
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from cli.console import events, health, playground
from cli.console.guard import guard, is_admitted
from cli.console.parts import Parts, indented, pretty
from cli.reading import moment
from cli.shown import COLOURS, UNITS, distance, iso

MAX_FORM = 4 * 1024 * 1024
"""Bytes: a definition, an event and a ticket."""


def make_app(parts: Parts, token: str, hosts: Sequence[str]) -> Flask:
    """`hosts` are the names, with port, under which it is to be reached; `token` begins the path of each page."""
    app = Flask(__name__, static_url_path=f"/{token}/static")
    app.config.update(MAX_CONTENT_LENGTH=MAX_FORM, MAX_FORM_MEMORY_SIZE=MAX_FORM)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {"iso": iso, "ago": distance, "moment": moment, "exact": _exact, "tone": _tone}
    app.jinja_env.filters |= {"pretty": pretty, "indented": indented, "after": _after}
    app.jinja_env.globals["parts"] = parts
    guard(app, token, hosts)
    for views in (events.views(parts), playground.views(parts), health.views(parts)):
        app.register_blueprint(views, url_prefix=f"/{token}")

    @app.get(f"/{token}/")
    def start() -> Response:
        return redirect(url_for("events.index"))

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[str | Response, int]:
        code = error.code or 500
        if not is_admitted():
            # No page: its links would tell the token.
            return Response(error.description, mimetype="text/plain"), code
        return render_template("error.html", title=HTTPStatus(code).phrase, sentence=error.description), code

    @app.errorhandler(click.ClickException)
    def unreached(error: click.ClickException) -> tuple[str, int]:
        return render_template("error.html", title="Not done", sentence=error.message), HTTPStatus.BAD_GATEWAY

    return app


def _after(before: datetime, at: datetime) -> str:
    """How long after `before` it was, as `0.4 s` or `3 min`."""
    seconds = (at - before).total_seconds()
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    return next(f"{seconds / size:.0f} {unit}" for unit, size in UNITS if seconds >= size)


def _exact(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def _tone(state: str | None) -> str:
    """The colour of a state, as the command line has it."""
    return COLOURS.get(state or "", "plain")
