"""The view of events: which there are, what became of each, and how to start one again."""

import time

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from cli import reading, redriving
from cli.console.board import GROUPS, Filter
from cli.console.foresight import foresee
from cli.console.parts import Parts, if_new
from cli.failures import told
from cli.options import STATES
from cli.reading import FIELDS, Record
from ticket_relay.storage.dynamodb import Table
from ticket_relay.storage.rows import ticket_pk
from ticket_relay.storage.store import Store

PAGE = 50
"""Rows on a page."""

OUTCOMES = {
    "redriven": "Redriven: the poller goes on with it within a minute.",
    "refused": "Not redriven: it is under way, or is over for good.",
    "moved": "Not redriven: it has changed since you looked. See what it is now.",
    "gone": "Not redriven: there is no such row any more.",
}


def views(parts: Parts) -> Blueprint:
    pages = Blueprint("events", __name__)
    store = Store(Table(parts.place.table, parts.place.client), report=lambda *_: None)

    @pages.get("/events")
    def index() -> str:
        listed = _listed(parts)
        choices = {"partners": parts.board.partners(), "states": STATES, "groups": list(GROUPS)}
        return render_template("events.html", **listed, **choices)

    @pages.get("/events/rows")
    def rows() -> Response:
        return if_new(_version(parts), lambda: render_template("_rows.html", **_listed(parts)))

    @pages.get("/event")
    def show() -> str:
        record = _found(parts, payload="payload" in request.args)
        told_of = OUTCOMES.get(request.args.get("outcome", ""))
        return render_template("event.html", told_of=told_of, **_shown(record))

    @pages.get("/event/life")
    def life() -> Response:
        """Reads the row only if it is known to have changed."""
        row = parts.board.get(_key())
        if row is None:
            return Response(status=204)
        return if_new(str(row.version), lambda: render_template("_life.html", **_shown(_found(parts))))

    @pages.get("/event/redrive")
    def preview() -> str:
        record = _found(parts, payload=True)
        if record["state"] not in redriving.STATES:
            abort(409, f"It is {record['state']}: only what failed, is in conflict or could not be mapped is redriven.")
        with told():
            foresight = foresee(record, parts.config)
        return render_template("redrive.html", foresight=foresight, **_shown(record))

    @pages.post("/event/redrive")
    def redrive() -> AnyResponse:
        """Only if the row is still in the state that the preview was about."""
        with told():
            outcome = redriving.again(store, _key(), time.time(), request.form["state"])
        return redirect(url_for("events.show", key=outcome.pk, outcome=outcome.outcome), 303)

    return pages


def _listed(parts: Parts) -> dict[str, object]:
    given = {name: request.args.get(name, "").strip() for name in ("partner", "state", "text")}
    wanted = Filter(**{name: value or None for name, value in given.items()})
    page = max(1, request.args.get("page", 1, int))
    version = _version(parts)
    found, matched = parts.board.select(wanted, (page - 1) * PAGE, PAGE)
    return {
        "rows": found,
        "matched": matched,
        "page": page,
        "pages": max(1, -(-matched // PAGE)),
        "given": {name: value for name, value in given.items() if value},
        "elsewhere": _elsewhere(wanted) if not found else None,
        "version": version,
    }


def _elsewhere(wanted: Filter) -> str | None:
    """The key of a row that may be in the table, but is too old to be listed."""
    if wanted.text and wanted.text.startswith(tuple(f"{kind}#" for kind in FIELDS)):
        return wanted.text
    return ticket_pk(wanted.partner, wanted.text) if wanted.partner and wanted.text else None


def _version(parts: Parts) -> str:
    return f"{parts.board.version}-{parts.watch.phase}"


def _key() -> str:
    key = request.values.get("key", "")
    if not key.startswith(tuple(f"{kind}#" for kind in FIELDS)):
        abort(404, "There is no such row.")
    return key


def _found(parts: Parts, *, payload: bool = False) -> Record:
    with told():
        record = reading.get(parts.place, _key(), payload=payload)
    if record is None:
        abort(404, "There is no such row: it never was, or its time is over.")
    return record


def _shown(record: Record) -> dict[str, object]:
    name = record["pk"].split("#", 2)[2]
    return {
        "record": record,
        "name": name,
        "redrivable": record["state"] in redriving.STATES,
        "payloads": {part: record[part] for part in reading.PAYLOAD if record.get(part)},
        "version": str(record["version"]),
    }
