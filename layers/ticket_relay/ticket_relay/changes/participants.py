"""The people of a ticket: added to it and taken from it, never replaced ("Creating and updating tickets").

A watcher is an entry of `followers` or `email_ccs`: `user_id` or `user_email`, and `action`, which is `put` unless it
is `delete`. A ticket shows its people as ids alone: a person named by e-mail address may be among them, or not.
"""

from collections.abc import Iterable
from typing import Any

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


def new_collaborators(named: list[Any], ticket: dict[str, Any]) -> list[Any]:
    """Those who are not on the ticket already, in whatever role; each once."""
    shown = {who for name in ("collaborator_ids", *WATCHERS.values()) for who in ticket.get(name) or ()}
    return [
        who
        for index, who in enumerate(named)
        if who not in named[:index] and not (isinstance(who, int) and who in shown)
    ]
