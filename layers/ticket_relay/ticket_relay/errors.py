"""Every error of the relay, in one tree.

    RelayError
    ├── Refused                 the sender's request is not one we take: 4xx, nothing stored
    │   ├── SignatureRefused    401
    │   ├── PayloadRefused      400, 413 or 415
    │   └── UnknownPartner      404
    ├── MappingFailed           authentic, but no valid ticket (or change) comes out of it
    ├── DefinitionError         a partner or rule definition is wrong
    ├── Unavailable             something of ours cannot be reached: 503, nothing half-done
    │   ├── StoreUnavailable
    │   └── SecretsUnavailable
    ├── RowMoved                the row is no longer in the state and version that were read
    └── ZendeskError
        ├── Throttled           Zendesk said when to come back; the request had no effect, or none that is known
        ├── Unreached           the request certainly had no effect; repeating it is safe
        │   └── Unsettled       the ticket was being changed while it was read
        ├── Uncertain           the request may have had its effect; look before repeating it
        └── Rejected            Zendesk understood and said no; repeating it will not help
            └── Conflict        the ticket was changed since the stamp (409 UpdateConflict)

`code` is for metrics, rows and partners; `str(error)` is a sentence that holds no payload, no header and no secret,
except for `Rejected`, whose sentence is Zendesk's own reason: it belongs in the row, never in a log.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ticket_relay.rate_limits.headers import Limit


class RelayError(Exception):
    """Base of all errors. `status` and `retry_after` (seconds) say how it is answered over HTTP."""

    code: str = "internal_error"
    # Zendesk repeats a webhook after a 503 with Retry-After, and after no other failure of ours.
    status: int = 503
    retry_after: float | None = 5.0

    @property
    def sentence(self) -> str:
        return str(self)


class Refused(RelayError):
    """The request is refused and nothing was stored. Repeating the same request gives the same answer."""

    status = 400
    retry_after = None

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class SignatureRefused(Refused):
    """Not proven to be the partner's: missing, malformed, stale or wrong signature, or no secret to check it with."""

    status = 401


class PayloadRefused(Refused):
    """The bytes are authentic, or were not looked at, but cannot be an event."""

    def __init__(self, code: str, sentence: str, *, status: int = 400) -> None:
        super().__init__(code, sentence)
        self.status = status


class UnknownPartner(Refused):
    """No definition has this name."""

    status = 404

    def __init__(self) -> None:
        super().__init__("unknown_partner", "There is no partner of this name.")


class MappingFailed(RelayError):
    """The definition made no valid ticket or change of an authentic event. A person mends it, then redrives."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class DefinitionError(RelayError):
    """A partner or rule definition is missing or wrong. The build finds it; at run time, the deployment is broken."""

    code = "definition_error"


class Unavailable(RelayError):
    """Something of ours did not answer. Whoever called may repeat the same request: it is safe."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """DynamoDB throttled, failed or was not reached. A write may have landed; all are conditional, so repeat it."""

    code = "store_unavailable"


class SecretsUnavailable(Unavailable):
    """The secret store could not be read. Nothing was decided about the request."""

    code = "secrets_unavailable"


class StaleRow(RelayError):
    """Somebody else moved the row since it was read. Leave it to them; do not repeat the write."""

    code = "row_moved"


class ZendeskError(RelayError):
    """Base of what can come of asking Zendesk. `code` goes into the row."""


class Throttled(ZendeskError):
    """429, or 503 with `Retry-After`. Do not ask again, for anything, before `retry_after` seconds have passed.

    `exhausted` are the limits of updates that were reached: then nothing but updates need wait. `certain` is false for
    a 503: "a database timeout or deadlock" may have come after the effect (rate-limits page).
    """

    code = "zendesk_throttled"

    def __init__(self, status: int, retry_after: float, exhausted: "tuple[Limit, ...]" = ()) -> None:
        super().__init__(f"Zendesk answered {status} and asks to wait {retry_after:g} s.")
        self.retry_after = retry_after
        self.certain = status == 429
        self.exhausted = exhausted

    @property
    def shared(self) -> bool:
        """Whether all calls of Zendesk must wait."""
        return not self.exhausted


class NotSent(ZendeskError):
    """No effect for certain: no connection, no valid token, or no time left to ask. Repeating is safe."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Unsettled(NotSent):
    """The ticket was being changed while it was read, so that no stamp can tell its states apart. Look again, soon."""

    def __init__(self) -> None:
        super().__init__("ticket_unsettled", "The ticket was being changed while it was read.")


class OutcomeUnknown(ZendeskError):
    """A time-out, a broken connection, a 5xx or an unreadable success may have had its effect: look, then repeat."""

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
