"""The view of health: what waits and for how long, what has stopped, and what the doctor says."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, Response, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from cli import reading
from cli.console.board import STOPPED, Brief
from cli.console.parts import Parts, if_new
from cli.failures import told
from cli.options import STATES

LOOK_SECONDS = 5
"""So old may the ages be, and the gate, that the page shows."""

AGES = (
    ("under a minute", 60.0),
    ("1 to 5 minutes", 300.0),
    ("5 to 15 minutes", 900.0),
    ("15 to 60 minutes", 3600.0),
    ("1 to 6 hours", 21600.0),
    ("6 to 24 hours", 86400.0),
    ("over a day", float("inf")),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """How many rows wait for so long, and how that compares with the longest bar, in percent."""

    label: str
    count: int
    percent: float
    late: bool
    """Longer than the alarm on waiting work allows (docs/operations.md, "Work waits")."""


def bars(waiting: Sequence[Brief], now: float) -> list[Bar]:
    counts = [0] * len(AGES)
    for row in waiting:
        counts[next(number for number, (_, end) in enumerate(AGES) if now - row.created_at < end)] += 1
    most = max(1, *counts)
    return [
        Bar(label, count, 100 * count / most, late=number > 2)
        for number, ((label, _), count) in enumerate(zip(AGES, counts, strict=True))
    ]


def views(parts: Parts) -> Blueprint:
    pages = Blueprint("health", __name__)

    @pages.get("/health")
    def index() -> str:
        if parts.checkup.started_at is None:
            parts.checkup.start()
        return render_template("health.html", **_now(parts))

    @pages.get("/health/now")
    def now() -> Response:
        return if_new(_version(parts), lambda: render_template("_health.html", **_now(parts)))

    @pages.post("/health/checks")
    def check() -> AnyResponse:
        parts.checkup.start()
        return redirect(url_for("health.index"), 303)

    @pages.post("/health/table")
    def read_again() -> AnyResponse:
        parts.watch.read_again()
        return redirect(url_for("health.index"), 303)

    return pages


def _version(parts: Parts) -> str:
    look = int(time.time() / LOOK_SECONDS)
    checkup = parts.checkup
    return f"{parts.board.version}-{parts.watch.phase}-{len(checkup.findings)}-{checkup.running}-{look}"


def _now(parts: Parts) -> dict[str, object]:
    version, now = _version(parts), time.time()
    counts, waiting = parts.board.counts(), parts.board.waiting()
    with told():
        gate = reading.gate_state(parts.place, now)
    present = {state for _, state in counts}
    return {
        "version": version,
        "gate": gate,
        "waiting": waiting,
        "oldest": waiting[0] if waiting else None,
        "bars": bars(waiting, now),
        "counts": counts,
        "partners": sorted({partner for partner, _ in counts}, key=lambda name: (name == "updates", name)),
        "states": [state for state in STATES if state in present],
        "stopped": {state: sum(count for (_, of), count in counts.items() if of == state) for state in STOPPED},
        "checkup": parts.checkup,
    }
