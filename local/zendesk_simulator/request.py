"""What a route's handler gets, and the table entry that leads to it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .account import Account
from .oauth import Caller
from .refusals import invalid_attribute, too_many_values
from .users import User
from .wire import Answer, Call, whole


@dataclass(frozen=True)
class Request:
    account: Account
    call: Call
    caller: Caller
    path: dict[str, str]
    headers: dict[str, str] = field(default_factory=dict)
    """Headers that the answer will carry, also when it is a refusal."""

    @property
    def actor(self) -> User:
        return self.caller.user

    @property
    def now(self) -> float:
        return self.account.clock.now()

    def number(self, action: str) -> int:
        """The `id` of the path. Raises Refusal 400 when it is none (observed for users/show)."""
        number = whole(self.path["id"])
        if number is None:
            raise invalid_attribute("id", "must be an integer", action)
        return number

    def ids(self) -> list[str]:
        """The `ids` of the query, 100 at most (tickets: documented; job statuses: assumption). Raises Refusal 400."""
        ids = [part.strip() for part in self.call.query.get("ids", "").split(",") if part.strip()]
        if len(ids) > 100:
            raise too_many_values("ids", 100)
        return ids

    def ticket_ids(self) -> list[int]:
        return [number for text in self.ids() if (number := whole(text)) is not None]


type Handler = Callable[[Request], Answer]


@dataclass(frozen=True)
class Route:
    """`resource` is the OAuth resource whose scope is enough; None: only a broad `read` or `write` is."""

    method: str
    pattern: re.Pattern[str]
    handler: Handler
    resource: str | None


def route(method: str, path: str, handler: Handler, resource: str | None = None) -> Route:
    """`{name}` in the path stands for one segment."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)
    return Route(method, re.compile(f"/api/v2/{pattern}"), handler, resource)
