"""Every error of the relay, in one tree.

    RelayError
    ├── Refused                 the sender's request is not one we take: 4xx, nothing stored
    │   ├── SignatureRefused    401
    │   ├── PayloadRefused      400, 413 or 415
    │   ├── UnknownPartner      404
    │   └── UnknownEvent        404
    ├── MappingFailed           authentic, but no valid ticket (or change) comes out of it
    ├── FileUnavailable         a file that an event brings cannot be had
    ├── DefinitionError         a partner or rule definition is wrong
    ├── Unavailable             a service of ours cannot be reached: 503, nothing half-done
    │   ├── StoreUnavailable
    │   └── SecretsUnavailable
    ├── StaleRow                the row is no longer in the state and version that were read
    ├── WriteRefused            DynamoDB refuses the item as invalid; repeating the write will not help
    └── ZendeskError            what can come of a call of Zendesk (zendesk/errors.py)
        ├── Throttled           Zendesk said when to come back; the request had no effect, or none that is known
        ├── NotSent             the request certainly had no effect; repeating it is safe
        │   └── Unsettled       the ticket was being changed while it was read
        ├── OutcomeUnknown      the request may have had its effect; look it up before repeating it
        └── Rejected            Zendesk understood and said no; repeating it will not help
            └── Conflict        the ticket was changed since the stamp (409 UpdateConflict)

`code` is for metrics, rows and partners; `str(error)` is a sentence that holds no payload, no header and no secret,
except for `Rejected`, whose sentence is Zendesk's own reason: it belongs in the row, never in a log.
"""


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
    """The bytes are authentic, or were not checked, but cannot be an event."""

    def __init__(self, code: str, sentence: str, *, status: int = 400) -> None:
        super().__init__(code, sentence)
        self.status = status


class UnknownPartner(Refused):
    """No definition has this name."""

    status = 404

    def __init__(self) -> None:
        super().__init__("unknown_partner", "There is no partner of this name.")


class UnknownEvent(Refused):
    """No event of the partner's has this id: none came, its definition did not want it, or its row is gone."""

    status = 404

    def __init__(self) -> None:
        super().__init__("unknown_event", "There is no event of yours with this id.")


class MappingFailed(RelayError):
    """The definition made no valid ticket or change of an authentic event. A person fixes it, then redrives."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class FileUnavailable(RelayError):
    """A file that an event brings cannot be had: now, if it is `passing`, else not at all as things stand.

    The sentence is for people, goes on from "because", and holds neither a URL nor a word of the file. Repeating is
    safe.
    """

    def __init__(self, code: str, sentence: str, *, passing: bool = False) -> None:
        super().__init__(sentence)
        self.code = code
        self.passing = passing


class DefinitionError(RelayError):
    """A partner or rule definition is missing or wrong. The build finds it; at run time, the deployment is broken."""

    code = "definition_error"


class Unavailable(RelayError):
    """A service of ours did not answer. The caller may repeat the same request: it is safe."""

    code = "unavailable"


class StoreUnavailable(Unavailable):
    """DynamoDB throttled, failed or was not reached. A write may have landed; all are conditional, so repeat it."""

    code = "store_unavailable"


class SecretsUnavailable(Unavailable):
    """The secret store could not be read. Nothing was decided about the request."""

    code = "secrets_unavailable"


class WriteRefused(RelayError):
    """DynamoDB refuses a request as invalid, an item that is too large for instance. Repeating it will not help."""

    code = "write_refused"


class StaleRow(RelayError):
    """Another worker changed the row since it was read. Leave it to that worker; do not repeat the write."""

    code = "row_moved"
