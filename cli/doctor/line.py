"""The relay's own transport, which also keeps what only the doctor needs."""

import time
from collections.abc import Callable
from typing import Any, override

import requests

from ticket_relay.storage.dynamodb import Table
from ticket_relay.zendesk.errors import Rejected
from ticket_relay.zendesk.transport import Answer, Timeouts, Transport

# The operator may be farther from Zendesk than the functions are.
_TIMEOUTS = Timeouts(connect=3, read=5)


class Line(Transport):
    """`scope` of the token that Zendesk gave; `reason` of the last rejection; `skew`, see there."""

    def __init__(self, base_url: str, new_session: Callable[[], requests.Session] = requests.Session) -> None:
        super().__init__(base_url, _TIMEOUTS, new_session)
        self.base_url = base_url
        self.scope: str | None = None
        self.reason: Rejected | None = None
        self.skew: float | None = None
        """Seconds by which Zendesk's clock is ahead of this machine's, for certain; 0 if they may agree."""

    @override
    def call(self, method: str, path: str, **request: Any) -> Answer:
        asked = time.time()
        try:
            answer = super().call(method, path, **request)
        except Rejected as error:
            self.reason = error
            raise
        if answer.at is not None:
            self.skew = _skew(asked, answer.at, time.time())
        match answer.body:
            case {"access_token": _, "scope": str(scope)}:
                self.scope = scope
        return answer


def _skew(asked: float, at: float, answered: float) -> float:
    """`at` has whole seconds, and was written at some moment between asking and the answer."""
    least, most = at - answered, at + 1 - asked
    return least if least > 0 else min(most, 0.0)


class Unshared(Table):
    """A table without items: the token is fetched with the secret as it is now, and not the shared one."""

    def __init__(self) -> None:
        self.name = "none"

    @override
    def get(self, pk: str) -> None:
        return None

    @override
    def update(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {}
