"""The view in which a definition is tried, as it is typed. Nothing is saved."""

from pathlib import Path

from flask import Blueprint, abort, render_template, request

from cli import previewing, reading
from cli.console.parts import Parts, pretty
from cli.console.trial import FOLDERS, Trial, attempt
from cli.failures import told
from layers.config.catalogue import read_catalogue
from layers.config.compile import Config, checked
from layers.config.source import Source
from layers.config.source import shown as path_of
from ticket_relay.definitions.models import PartnerDefinition, UpdateRule
from ticket_relay.errors import PayloadRefused


def views(parts: Parts) -> Blueprint:
    pages = Blueprint("playground", __name__)

    @pages.get("/playground")
    def index() -> str:
        known = _known(parts.config)
        key = request.args.get("key", "")
        name = request.args.get("name") or (f"partners/{key.split('#')[1]}" if key.startswith("ticket#") else None)
        path = _path(parts.config, name or next(iter(known), "partners/new"))
        definition = path.read_text(errors="replace") if path.is_file() else ""
        event, ticket = _samples(path, parts.config)
        if key:
            event = _stored(parts, key)
        trial = attempt(path, definition, event, ticket, parts.config)
        return render_template(
            "playground.html",
            known=known,
            chosen=f"{path.parent.name}/{path.stem}",
            path=path_of(path),
            key=key,
            texts={"definition": definition, "event": event, "ticket": ticket},
            **_shown(trial),
        )

    @pages.post("/playground/result")
    def result() -> str:
        given = {name: request.form.get(name, "") for name in ("definition", "event", "ticket")}
        path = _path(parts.config, request.form.get("name", ""))
        return render_template("_trial.html", **_shown(attempt(path, config=parts.config, **given)))

    return pages


def _known(config: Config) -> list[str]:
    """The definitions that there are: `partners/acme`, `updates/escalate-vip`."""
    return [f"{folder}/{path.stem}" for folder in FOLDERS for path in sorted((config.folder / folder).glob("*.yaml"))]


def _path(config: Config, name: str) -> Path:
    """The file of a definition, which need not be there. It is always one of the folder's own."""
    folder, _, stem = name.partition("/")
    if folder not in FOLDERS or not stem or stem != Path(stem).name:
        abort(404, "There is no such definition.")
    return config.folder / folder / f"{stem}.yaml"


def _samples(path: Path, config: Config) -> tuple[str, str]:
    """The event and, for a rule, the ticket that the definition names; empty where it is not there, or wrong."""
    source = Source(path) if path.is_file() else None
    found = None
    if source and not source.problems:
        found = checked(source, FOLDERS[path.parent.name], read_catalogue(config.folder)[0])
    try:
        match found:
            case PartnerDefinition():
                return previewing.sample(config, found.sample).decode(errors="replace"), ""
            case UpdateRule():
                event, ticket = found.sample.event, found.sample.ticket
                return (
                    previewing.sample(config, event).decode(errors="replace"),
                    previewing.sample(config, ticket).decode(errors="replace"),
                )
    except PayloadRefused:
        pass
    return "", ""


def _stored(parts: Parts, key: str) -> str:
    """The event of a row, if it is kept."""
    if not key.startswith("ticket#"):
        abort(404, "There is no such event.")
    with told():
        record = reading.get(parts.place, key, payload=True)
    if record is None or not record["event"]:
        abort(404, "The event is not kept, or not any more.")
    return pretty(record["event"])


def _shown(trial: Trial) -> dict[str, object]:
    return {"flaws": trial.flaws, "previews": trial.previews}
