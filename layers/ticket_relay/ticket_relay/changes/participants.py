"""The people of a ticket: added to it and taken from it, replaced only on demand ("Creating and updating tickets").

A watcher is an entry of `followers` or `email_ccs`: `user_id` or `user_email`, and `action`, which is `put` unless it
is `delete`. A ticket shows its people as ids alone: a person named by e-mail address may be among them, or not.
"""

from collections.abc import Iterable
from typing import Any

from ticket_relay.errors import MappingFailed

type Watcher = dict[str, Any]

WATCHERS = {"followers": "follower_ids", "email_ccs": "email_cc_ids"}
"""What is sent, and what the ticket shows of it."""

COLLABORATORS = frozenset({"collaborators", "collaborator_ids", "additional_collaborators"})
"""Legacy CCs. Only the last of the names adds some; the others "replace existing collaborators"."""


def id_of(watcher: Watcher) -> int | None:
    return watcher.get("user_id")


def removes(watcher: Watcher) -> bool:
    return watcher.get("action") == "delete"


def needed(watchers: Iterable[Watcher], present: list[int] | None) -> list[Watcher]:
    """The watchers that are not yet as they should be; of several for one person, the last.

    `present` is whom the ticket shows, None if that is not known.
    """
    last = {id_of(watcher) or watcher["user_email"].lower(): watcher for watcher in watchers}
    return [
        watcher
        for who, watcher in last.items()
        if isinstance(who, str) or present is None or (who in present) == removes(watcher)
    ]


def after(watchers: Iterable[Watcher], present: Iterable[int]) -> list[int]:
    """Whom the ticket shows after the watchers that are named by id."""
    people = dict.fromkeys(present)
    for watcher in watchers:
        who = id_of(watcher)
        if who is not None and removes(watcher):
            people.pop(who, None)
        elif who is not None:
            people[who] = None
    return list(people)


def email_ccs_at_most(update: dict[str, Any], ticket: dict[str, Any]) -> int:
    """How many e-mail CCs the update may make of the ticket's; 0 if it sets none. By e-mail address, all are new."""
    watchers = update.get("email_ccs", ())
    by_address = [watcher for watcher in watchers if id_of(watcher) is None and not removes(watcher)]
    return len(after(watchers, ticket.get("email_cc_ids") or ())) + len(by_address) if watchers else 0


def shown(ticket: dict[str, Any]) -> list[int]:
    """Whoever is on the ticket, in whatever role: legacy collaborators are followers or e-mail CCs as well."""
    return list(
        dict.fromkeys(who for name in ("collaborator_ids", *WATCHERS.values()) for who in ticket.get(name) or ())
    )


def new_collaborators(named: list[Any], ticket: dict[str, Any]) -> list[Any]:
    """Those who are not on the ticket already, in whatever role; each once."""
    present = shown(ticket)
    return [who for who in _once(named) if who not in present]


def collaborators(changes: dict[str, Any], ticket: dict[str, Any]) -> list[Any] | None:
    """The whole list after `replace` or `remove`, which is what Zendesk takes; None if the ticket has just that.

    Raises MappingFailed `collaborators_unknown`: to send a list without knowing the ticket's would drop the others.
    """
    if "collaborator_ids" not in ticket:
        raise MappingFailed("collaborators_unknown", "changes.collaborators: the ticket does not show them.")
    present, removed = shown(ticket), changes.get("remove")
    wanted = _once(changes["replace"]) if removed is None else [who for who in present if who not in removed]
    # Whom an address means the ticket does not show.
    return wanted if differing(wanted, ticket) else None


def differing(wanted: list[Any], ticket: dict[str, Any]) -> list[Any]:
    """Who comes and who goes where the ticket gets this list of collaborators."""
    present = shown(ticket)
    return [who for who in wanted if who not in present] + [who for who in present if who not in wanted]


def _once(named: list[Any]) -> list[Any]:
    return [who for index, who in enumerate(named) if who not in named[:index]]
