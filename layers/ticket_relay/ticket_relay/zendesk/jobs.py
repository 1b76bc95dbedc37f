"""Job statuses, read defensively.

`results` may be null, an object or an array; rows come in any order; a failed row has `error` and no `success`.
Sources: Job Statuses reference; recorded exchanges of 2023-24; zendesk-java-client#98 for the failed create.
"""

from dataclasses import dataclass
from typing import Any

from ticket_relay.zendesk.transport import text_of

OVER = frozenset({"completed", "failed", "killed"})
"""`killed` is in the older reference and in the how-to on asynchronous creation; unknown words count as unfinished."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one ticket of a job."""

    ticket_id: int | None
    error: str | None
    details: str


@dataclass(frozen=True, slots=True)
class Job:
    """`results` is keyed by the index of the ticket in the request."""

    id: str
    status: str
    message: str
    results: dict[int, Result]

    @property
    def over(self) -> bool:
        return self.status in OVER


def read_job(body: Any) -> Job | None:
    """A job from its JSON; None where there is no id in it, or none to ask with."""
    job_id = body.get("id") if isinstance(body, dict) else None
    if not isinstance(job_id, str) or not job_id or not job_id.isascii():
        return None
    return Job(job_id, str(body.get("status")), text_of(body.get("message"), 500), _results(body))


def _results(body: dict[str, Any]) -> dict[int, Result]:
    rows = body.get("results")
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        return {}
    found = {}
    for row in rows:
        if not isinstance(row, dict):
            continue
        # Old rows have no index. Where the job was about one ticket there is no doubt whose row it is.
        index = row.get("index", 0 if len(rows) == 1 and body.get("total") in (1, None) else None)
        if isinstance(index, int):
            found[index] = _result(row)
    return found


def _result(row: dict[str, Any]) -> Result:
    ticket_id = row.get("id")
    error = row.get("error") or row.get("errors")
    if not error and row.get("success") is False:
        error = "failed"
    return Result(
        ticket_id if isinstance(ticket_id, int) else None,
        text_of(error, 100) or None,
        text_of(row.get("details"), 500),
    )
