"""Job statuses, read defensively.

`results` may be null, an object or an array; rows come in any order; a failed row has `error` and no `success`.
Sources: Job Statuses reference; recorded exchanges of 2023-24; zendesk-java-client#98 for the failed create.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from ticket_relay.zendesk.transport import code_of, text_of

_VALIDATION = re.compile(r"[A-Z][\w /-]*: \S")
_PASSING = frozenset({"DatabaseConflict", "InternalServerError", "TooManyRequests"})

OVER = frozenset({"completed", "failed", "killed"})
"""`killed` is in the older reference and in the how-to on asynchronous creation; unknown words count as unfinished."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one ticket of a job. `index` is its place in the request, where the row says so."""

    ticket_id: int | None
    error: str | None
    details: str
    index: int | None = field(default=None, compare=False)

    @property
    def blames_the_ticket(self) -> bool:
        """Whether the error is the content's own fault, so that no retry will help: it must read like a validation.

        The name is the worker's for any failure, a deadlock too. Real: "Description: cannot be blank"
        (zendesk-java-client#98).
        """
        return bool(self.error and self.error not in _PASSING and _VALIDATION.match(self.details))


@dataclass(frozen=True, slots=True)
class Job:
    """`results` is keyed by the index of the ticket in the request, `rows` are all there are."""

    id: str
    status: str
    message: str
    results: dict[int, Result]
    rows: tuple[Result, ...] = ()

    @property
    def over(self) -> bool:
        return self.status in OVER

    def of_ticket(self, ticket_id: int, index: int) -> Result | None:
        """The result of a ticket that was updated as number `index`: its row names it, and no other place than ours.

        Rows of update_many have an `id`, and those that tell of success no `index` (recorded in 2024).
        """
        return next((row for row in self.rows if row.ticket_id == ticket_id and row.index in (None, index)), None)


def read_job(body: Any) -> Job | None:
    """A job from its JSON; None where there is no id in it, or none to ask with."""
    job_id = body.get("id") if isinstance(body, dict) else None
    if not isinstance(job_id, str) or not job_id or not job_id.isascii():
        return None
    rows = _rows(body)
    # Old rows have no index. Where the job was about one ticket there is no doubt whose row it is.
    alone = len(rows) == 1 and body.get("total") in (1, None)
    results = {0 if row.index is None else row.index: row for row in rows if row.index is not None or alone}
    return Job(job_id, str(body.get("status")), text_of(body.get("message"), 500), results, rows)


def _rows(body: dict[str, Any]) -> tuple[Result, ...]:
    rows = body.get("results")
    if isinstance(rows, dict):
        rows = [rows]
    return tuple(_result(row) for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _result(row: dict[str, Any]) -> Result:
    ticket_id, index = row.get("id"), row.get("index")
    error = row.get("error") or row.get("errors")
    if not error and row.get("success") is False:
        error = "failed"
    return Result(
        ticket_id if isinstance(ticket_id, int) else None,
        code_of(error) or None,
        text_of(row.get("details") or error, 500),
        index if isinstance(index, int) else None,
    )
