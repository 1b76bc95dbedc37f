"""What can come of a call of Zendesk: the branch of the tree in ticket_relay/errors.py."""

from ticket_relay.errors import RelayError


class ZendeskError(RelayError):
    """Base of what can come of a call of Zendesk. `code` goes into the row."""

    outcome_unknown = False
    """Whether the request may have had its effect."""


class Throttled(ZendeskError):
    """429, or 503 with `Retry-After`. Do not repeat the request before `retry_after` seconds have passed.

    The outcome of a 503 is unknown: "a database timeout or deadlock" may have come after the effect (rate-limits page).
    """

    code = "zendesk_throttled"

    def __init__(self, status: int, retry_after: float) -> None:
        super().__init__(f"Zendesk answered {status} and asks to wait {retry_after:g} s.")
        self.retry_after = retry_after
        self.outcome_unknown = status != 429


class NotSent(ZendeskError):
    """No effect for certain: no connection, no valid token, or no time left to ask. Repeating is safe."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Unsettled(NotSent):
    """The ticket was being changed while it was read, so that no stamp tells its states apart. Read it again, soon."""

    def __init__(self) -> None:
        super().__init__("ticket_unsettled", "The ticket was being changed while it was read.")


class OutcomeUnknown(ZendeskError):
    """A time-out, a broken connection, a 5xx or an unreadable success may have had its effect: look it up first."""

    outcome_unknown = True

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Rejected(ZendeskError):
    """Zendesk's final word on this request: it had no effect and will have none if repeated.

    `http_status` is Zendesk's, `code` its `error` name, and the sentence its description, cut to 500 characters.
    """

    def __init__(self, http_status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.http_status = http_status
        self.code = code


class Conflict(Rejected):
    """409 `UpdateConflict`, or closed: the ticket was updated after the stamp. Read it and decide again.

    `at` is Zendesk's clock, in epoch seconds, where it said.
    """

    at: float | None = None
