"""Collaborators, followers and email CCs (Creating and updating tickets, the three "Setting ..." sections).

The account has CCs and followers on: collaborators become followers when they are agents, and email CCs otherwise.
"""

from collections.abc import Iterable

from .refusals import invalid_attribute
from .users import User, Users
from .wire import Json

_MOST_CCS = 48


def set_participants(ticket: Json, changes: Json, users: Users, action: str) -> None:
    """Change the ticket's people. Raises Refusal 400 for more than 48 email CCs sent, 422 for unknown people."""
    if changes.get("collaborators") is not None or changes.get("collaborator_ids") is not None:
        ticket["follower_ids"], ticket["email_cc_ids"] = [], []
        named = [*(changes.get("collaborators") or ()), *(changes.get("collaborator_ids") or ())]
        _add_collaborators(ticket, named, users)
    _add_collaborators(ticket, changes.get("additional_collaborators") or (), users)
    _set_followers(ticket, changes.get("followers") or (), users)
    _set_email_ccs(ticket, changes, users, action)
    # Assumption: the legacy list shows both kinds.
    ticket["collaborator_ids"] = [*ticket["follower_ids"], *ticket["email_cc_ids"]]


def _add_collaborators(ticket: Json, named: Iterable[object], users: Users) -> None:
    for value in named:
        user = users.resolve("collaborator", value)
        _put(ticket, "follower_ids" if user.is_agent else "email_cc_ids", user.id)


def _set_followers(ticket: Json, entries: Iterable[Json], users: Users) -> None:
    """Followers are agents; "if a user doesn't exist in the account, that object is ignored"."""
    for entry in entries:
        user = _known(entry, users)
        if user is not None and user.is_agent:
            _apply(ticket, "follower_ids", user.id, entry)


def _set_email_ccs(ticket: Json, changes: Json, users: Users, action: str) -> None:
    entries = changes.get("email_ccs") or ()
    if len(entries) > _MOST_CCS:
        raise invalid_attribute("ticket.email_ccs", f"must be at most {_MOST_CCS} items long", f"tickets/{action}")
    if (changes.get("comment") or {}).get("public") in {False, "false"}:
        return  # "Email CCs will not be updated if an internal note is also added to the ticket in the same update."
    for entry in entries:
        user = _known(entry, users)
        if user is None and entry.get("action") != "delete" and entry.get("user_email"):
            user = users.resolve("email_cc", {"email": entry["user_email"], "name": _cc_name(entry)})
        if user is not None:
            _apply(ticket, "email_cc_ids", user.id, entry)
    ticket["email_cc_ids"] = ticket["email_cc_ids"][:_MOST_CCS]


def _cc_name(entry: Json) -> str:
    return str(entry.get("user_name") or str(entry["user_email"]).partition("@")[0])


def _known(entry: Json, users: Users) -> User | None:
    return users.get(entry["user_id"]) if entry.get("user_id") else users.named(entry.get("user_email"))


def _apply(ticket: Json, name: str, user_id: int, entry: Json) -> None:
    if entry.get("action") == "delete":
        ticket[name] = [other for other in ticket[name] if other != user_id]
    else:
        _put(ticket, name, user_id)


def _put(ticket: Json, name: str, user_id: int) -> None:
    if user_id not in ticket[name]:
        ticket[name] = [*ticket[name], user_id]
