"""The account's custom fields, forms, groups, brands and statuses, for the catalogue (Ticketing API reference, each of
the lists). Makes only GETs.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

import click

from cli.doctor import keys, parts, zendesk
from cli.doctor.finding import NotGood, Status, unchecked
from cli.doctor.setup import POLL, Setup
from cli.where import Where
from layers.config.catalogue import FILE, Catalogue, read_catalogue
from layers.config.compile import Config

_MOST_PAGES = 100
"""Of a list: Zendesk numbers no more ("Pagination")."""
_SIZE = 100


def catalogue(setup: Setup) -> str:
    """Whether the committed catalogue is that of the account. Asks nothing where there is none."""
    committed, source = read_catalogue(setup.config.folder)
    if source is None:
        return f"There is no {FILE}: definitions use numbers."
    if committed is None:
        raise unchecked(f"{FILE} is broken: relay check says where.")
    if changes := committed.changes_to(of_account(setup)):
        finding = f"{FILE} is out of date: {'; '.join(changes)}."
        raise NotGood(Status.WARNING, finding, "Run relay fields, then relay check, and deploy.")
    return f"{FILE} is what the account has."


def read(where: Where, config: Config) -> Catalogue:
    """From the account that the stack speaks to. Raises ClickException where it cannot be reached."""
    setup = Setup(where, config)
    for check in (parts.stack, partial(parts.function, POLL), keys.client, zendesk.reached, zendesk.credentials):
        _passed(setup, check)
    try:
        return of_account(setup)
    except NotGood as flaw:
        raise _told(flaw) from None


def _passed(setup: Setup, check: Any) -> None:
    try:
        check(setup)
    except NotGood as flaw:
        if flaw.status is not Status.WARNING:
            raise _told(flaw) from None


def _told(flaw: NotGood) -> click.ClickException:
    return click.ClickException(" ".join(filter(None, (flaw.finding, flaw.advice))))


def of_account(setup: Setup) -> Catalogue:
    """What is active in the account. Raises NotGood."""
    fields = [field for field in _listed(setup, "ticket_fields") if field["active"] and field.get("removable", True)]
    known = {field["id"] for field in fields}
    forms = [form for form in _listed(setup, "ticket_forms") if form["active"]]
    return Catalogue.model_validate(
        {
            "custom_fields": _by_id(_field(field) for field in fields),
            "forms": _by_id(_named(form) | {"fields": tuple(_shown_always(form, known))} for form in forms),
            "groups": _by_id(_named(group) for group in _listed(setup, "groups") if not group.get("deleted")),
            "brands": _by_id(_named(brand) for brand in _listed(setup, "brands") if brand["active"]),
            "custom_statuses": _by_id(
                _named(status, "agent_label") for status in _listed(setup, "custom_statuses") if status["active"]
            ),
        }
    )


def _field(field: dict[str, Any]) -> dict[str, Any]:
    options = [option["value"] for option in field.get("custom_field_options") or ()]
    flags = {name: bool(field.get(name)) for name in ("required_in_portal", "required")}
    return _named(field, "title") | {"type": field["type"], "options": tuple(options)} | flags


def _shown_always(form: dict[str, Any], known: set[int]) -> Iterator[int]:
    """Of the known fields; a condition shows others only beside some value of their parent (Ticket Forms reference)."""
    conditions = [each for kind in ("agent", "end_user") for each in form.get(f"{kind}_conditions") or ()]
    conditional = {child["id"] for condition in conditions for child in condition["child_fields"]}
    return (id for id in form["ticket_field_ids"] if id in known and id not in conditional)


def _named(thing: dict[str, Any], name: str = "name") -> dict[str, Any]:
    return {"id": thing["id"], "name": thing[name]}


def _by_id(entries: Iterator[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple(sorted(entries, key=lambda entry: entry["id"]))


def _listed(setup: Setup, name: str) -> list[dict[str, Any]]:
    """The whole list, by cursor or, where the endpoint answers so, by page; empty where the account has no such thing.

    Raises NotGood, also for a list that has no end or another form.
    """
    found: list[dict[str, Any]] = []
    params = {"page[size]": str(_SIZE)}
    for number in range(1, _MOST_PAGES + 1):
        match zendesk.asked(setup, f"/api/v2/{name}", "read", params, missing={name: []}):
            case {**answer} if isinstance(items := answer.get(name), list):
                found += items
            case _:
                break
        match answer:
            case {"meta": {"has_more": True, "after_cursor": str(cursor)}}:
                params = {"page[size]": str(_SIZE), "page[after]": cursor}
            case {"next_page": str()}:
                params = {"page": str(number + 1), "per_page": str(_SIZE)}
            case _:
                return found
    raise unchecked(f"GET /api/v2/{name} gives no list that ends.")
