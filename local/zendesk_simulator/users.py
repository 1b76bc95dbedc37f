"""The people of the account: the relay's own user, agents, and end users made from their addresses."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from .clock import stamp
from .refusals import invalid_record
from .wire import Json, whole


@dataclass(frozen=True)
class User:
    id: int
    name: str
    email: str
    role: Literal["admin", "agent", "end-user"]
    created_at: float

    @property
    def is_agent(self) -> bool:
        return self.role != "end-user"


# Observed (node-zendesk's fixtures): /users/me without credentials answers 200 with this user.
ANONYMOUS: Json = {"id": None, "name": "Anonymous user", "email": "invalid@example.com", "role": "end-user"}


class Users:
    def __init__(self, ids: Iterator[int], now: Callable[[], float]) -> None:
        self._ids = ids
        self._now = now
        self._by_id: dict[int, User] = {}
        self._by_email: dict[str, User] = {}
        self.suspended: set[int] = set()
        """By id: who "can't sign in and create new tickets via the API" ("Suspending a user")."""

    def add(self, name: str, email: str, role: Literal["admin", "agent", "end-user"]) -> User:
        user = User(next(self._ids), name, email.lower(), role, self._now())
        self._by_id[user.id] = self._by_email[user.email] = user
        return user

    def __iter__(self) -> Iterator[User]:
        return iter(list(self._by_id.values()))

    def agent(self, email: str) -> User:
        """The user of this address; made an agent if there is none (assumption that every API user is an agent)."""
        known = self._by_email.get(email.lower())
        return known or self.add(email.partition("@")[0], email, "agent")

    def get(self, user_id: object) -> User | None:
        """By id, which may be a string of digits: the documentation's own examples send `"user_id": "562624"`."""
        return self._by_id.get(whole(user_id) or 0)

    def named(self, email: object) -> User | None:
        return self._by_email.get(str(email).lower())

    def existing(self, field: str, value: object) -> User:
        """Raises Refusal 422 for an id that nobody has (the sentence is an assumption)."""
        user = self.get(value)
        if user is None:
            raise invalid_record(field, f"{field.capitalize()}: does not exist", "InvalidValue")
        return user

    def resolve(self, field: str, value: object) -> User:
        """A user named by id, by address, or by `{name, email}`; an unknown address becomes an end user.

        Creating and updating tickets, "Creating a ticket with a new requester": an existing user is not changed; a new
        one given as an object needs a name. Raises Refusal 422 (the sentences are assumptions).
        """
        if whole(value) is not None:
            return self.existing(field, value)
        person: Json = value if isinstance(value, dict) else {"email": value}
        email = person.get("email")
        if not isinstance(email, str) or "@" not in email:
            raise invalid_record(
                field, f"{field.capitalize()}: Email: {email} is not properly formatted", "InvalidValue"
            )
        known = self.named(email)
        if known is not None:
            return known
        if isinstance(value, dict) and not person.get("name"):
            raise invalid_record(field, f"{field.capitalize()}: Name: is too short (minimum one character)")
        return self.add(person.get("name") or email.partition("@")[0], email, "end-user")


def user_json(user: User, users: Users) -> Json:
    """The recorded fields that a client of tickets reads."""
    return {
        "id": user.id,
        "url": f"https://example.zendesk.com/api/v2/users/{user.id}.json",
        "name": user.name,
        "email": user.email,
        "created_at": stamp(user.created_at),
        "updated_at": stamp(user.created_at),
        "role": user.role,
        "verified": user.is_agent,
        "active": True,
        "suspended": user.id in users.suspended,
        "locale": "en-US",
        "time_zone": "UTC",
        "organization_id": None,
        "external_id": None,
        "tags": [],
        "user_fields": {},
    }
