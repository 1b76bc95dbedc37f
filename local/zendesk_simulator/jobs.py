"""Background jobs: their life cycle, their recorded shapes, and the ways in which they go wrong.

queued -> working ("Creating ticket #17") -> completed ("Completed at ..."), as recorded. Progress follows the clock:
`Jobs.settle` is called before every request and by the server's own ticking, so work happens without anybody looking.
"""

import heapq
import random
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from .chance import Chance, first
from .refusals import not_found, reasons, too_many_requests
from .settings import Settings
from .wire import Json, Refusal

ACCOUNT_ID = 18525119

Outcome = Literal[
    "completed",
    "failed",
    "failed_without_results",
    "killed",
    "never_finishes",
    "forgotten",
    "failed_row",
    "results_null",
    "results_object",
    "row_missing",
    "rows_shuffled",
]
# Whether the work is done: a job that failed usually did not, one that is merely badly reported did.
_WITHOUT_EFFECT = {"failed", "failed_without_results", "killed", "never_finishes"}


@checked_dataclass(config=ConfigDict(extra="forbid"))
class JobPlan(Chance):
    """How the next jobs go.

    - `failed`: one row with `error` and `details`; the default is the observed one, a fault of the ticket itself
    - `failed_without_results`, `killed`: `results` null (documented statuses; the missing rows are an assumption)
    - `never_finishes`: working for ever (for hours in the queue, as in the incident of August 2025: `queued_seconds`)
    - `forgotten`: 404 and absent from lists, from the start (zenpy#291); the work is done
    - `failed_row`: completed, but the first row is a failed one, without `success` (observed for organizations)
    - `results_null`, `results_object`, `row_missing`, `rows_shuffled`: completed and done, but badly reported

    `effect` overrides whether the tickets are made or changed all the same. `hidden_seconds`: a young job may answer
    404 (node-zendesk's job monitor).
    """

    outcome: Outcome = "completed"
    queued_seconds: float | None = None
    working_seconds: float | None = None
    hidden_seconds: float = 0
    effect: bool | None = None
    error: str = "TicketCreateFailed"
    details: str = "Description: cannot be blank"

    @property
    def takes_effect(self) -> bool:
        return self.outcome not in _WITHOUT_EFFECT if self.effect is None else self.effect


@dataclass(frozen=True)
class Step:
    """One row's work: `run` returns the row of a success, or raises Refusal; `failed` is the row's start then."""

    run: Callable[[], Json]
    failed: Json


@dataclass
class Job:
    id: str
    job_type: str
    verb: str
    steps: list[Step]
    plan: JobPlan
    created_at: float
    working_seconds: float
    order: list[int]
    status: str = "queued"
    progress: int | None = None
    message: str | None = None
    results: Any = None
    rows: dict[int, Json] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        return self.status in {"completed", "failed", "killed"}

    def json(self) -> Json:
        """As recorded. The host of `url` is not the one that was called (observed): nobody may follow it."""
        return {
            "id": self.id,
            "job_type": self.job_type,
            "url": f"https://example.zendesk.com/api/v2/job_statuses/{self.id}.json",
            "total": len(self.steps),
            "progress": self.progress,
            "status": self.status,
            "message": self.message,
            "results": self.results,
        }

    def advance(self, at: float) -> float | None:
        """Do what is due; returns when the job wants to be advanced next, or None."""
        if self.status == "queued":
            self.status, self.progress = "working", 0
        else:
            self._run(self.order[self.progress or 0])
            self.progress = (self.progress or 0) + 1
        self.message = f"{self.verb} ticket #{min((self.progress or 0) + 1, len(self.steps))}"
        if self.progress < len(self.steps):
            return at + self.working_seconds / len(self.steps)
        if self.plan.outcome != "never_finishes":
            self._finish(at)
        return None

    def _run(self, index: int) -> None:
        step = self.steps[index]
        spoilt = self.plan.outcome == "failed_row" and index == 0
        if self.plan.takes_effect and not (spoilt and not self.plan.effect):
            try:
                self.rows[index] = step.run()
            except Refusal as refusal:
                self.rows[index] = step.failed | _failure(refusal, self.verb)
        if spoilt:
            self.rows[index] = step.failed | {"error": self.plan.error, "details": self.plan.details}

    def _finish(self, at: float) -> None:
        rows = [self.rows[index] for index in sorted(self.rows)]
        # One ticket that is refused fails the job (observed); in a batch it fails its row (observed elsewhere).
        lone_failure = len(self.steps) == 1 and "error" in (rows or [{}])[0]
        match self.plan.outcome:
            case "failed":
                rows = [self.steps[0].failed | {"error": self.plan.error, "details": self.plan.details}]
                self._end("failed", at, rows)
            case "failed_without_results":
                self._end("failed", at, None)
            case "killed":
                self._end("killed", at, None)
            case "results_null":
                self._end("completed", at, None)
            case "results_object":
                self._end("completed", at, {"success": True})
            case "row_missing":
                self._end("completed", at, rows[1:])
            case "rows_shuffled":
                self._end("completed", at, rows[::-1])
            case "failed_row":
                self._end("completed", at, rows)
            case _:
                self._end("failed" if lone_failure else "completed", at, rows)

    def _end(self, status: str, at: float, results: Any) -> None:
        self.status, self.results = status, results
        self.progress = 0 if status == "failed" else self.progress
        self.message = f"{status.capitalize()} at {datetime.fromtimestamp(int(at), UTC):%Y-%m-%d %H:%M:%S +0000}"


class Jobs:
    def __init__(self, settings: Settings) -> None:
        self.plans: list[JobPlan] = []
        self._settings = settings
        self._jobs: dict[str, Job] = {}
        self._due: list[tuple[float, int, Job]] = []
        self._sequence = count()
        self._shuffle = random.Random(0)  # noqa: S311 - the order of work within a batch

    def queue(self, job_type: str, verb: str, steps: list[Step], now: float, *, counts: bool = True) -> Job:
        """Raises Refusal 429 when 30 jobs are queued or running (the body is recalled, not recorded)."""
        if counts and sum(not job.finished for job in self._jobs.values()) >= self._settings.max_jobs:
            raise too_many_requests("TooManyJobs: the limit of queued or running jobs is reached", 30)
        plan = first(self.plans) or JobPlan()
        queued = self._settings.job_queued_seconds if plan.queued_seconds is None else plan.queued_seconds
        usual = self._settings.job_working_seconds + self._settings.job_ticket_seconds * len(steps)
        working = usual if plan.working_seconds is None else plan.working_seconds
        # Observed: the ids of a batch do not follow the order of its tickets.
        order = self._shuffle.sample(range(len(steps)), len(steps))
        job = Job(f"V3-{secrets.token_hex(16)}", job_type, verb, steps, plan, now, working, order)
        self._jobs[job.id] = job
        heapq.heappush(self._due, (now + queued, next(self._sequence), job))
        return job

    def settle(self, now: float) -> None:
        """Bring every job to where it is at `now`, in the order in which things happened."""
        while self._due and self._due[0][0] <= now:
            at, _, job = heapq.heappop(self._due)
            following = job.advance(at)
            if following is not None:
                heapq.heappush(self._due, (following, next(self._sequence), job))

    def get(self, job_id: str, now: float) -> Job:
        """Raises Refusal 404: unknown, older than the retention, forgotten, or too young to be seen."""
        job = self._jobs.get(job_id)
        if job is None or not self._visible(job, now):
            raise not_found()
        return job

    def some(self, ids: list[str], now: float) -> list[Job]:
        """Unknown ids are absent (inferred)."""
        return [job for job_id in ids if (job := self._jobs.get(job_id)) and self._visible(job, now)]

    def all(self, now: float) -> list[Job]:
        """Sorted by completion, then creation, the newest first (Job Statuses reference)."""
        jobs = [job for job in self._jobs.values() if self._visible(job, now)]
        return sorted(jobs, key=lambda job: (job.finished, job.created_at), reverse=True)

    def __iter__(self) -> Iterator[Job]:
        """Every job there ever was, for checks."""
        return iter(list(self._jobs.values()))

    def _visible(self, job: Job, now: float) -> bool:
        age = now - job.created_at
        return (
            job.plan.outcome != "forgotten" and job.plan.hidden_seconds <= age <= self._settings.job_retention_seconds
        )


def _failure(refusal: Refusal, verb: str) -> Json:
    """The error of a row: `TicketCreateFailed` is observed, `UpdateConflict` documented, the third an assumption."""
    name = refusal.body.get("error") if isinstance(refusal.body, dict) else None
    if name not in {"UpdateConflict", "RecordNotFound"}:
        name = "TicketCreateFailed" if verb == "Creating" else "TicketUpdateFailed"
    return {"error": name, "details": reasons(refusal)}
