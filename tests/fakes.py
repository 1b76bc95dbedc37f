"""Things the relay depends on, in the tests' hands."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import requests
from botocore.exceptions import ClientError, ConnectTimeoutError
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from ticket_relay.errors import RelayError, StaleRow
from ticket_relay.rate_limits.gate import State
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.services import Services
from ticket_relay.storage.rows import PAYLOAD, UNREAD, Row, TicketRow, Work
from ticket_relay.storage.store import Backlog, count_and_log
from ticket_relay.zendesk.client import Shown, Submission
from ticket_relay.zendesk.jobs import Job, Result
from ticket_relay.zendesk.transport import Timeouts, Transport


class Clock:
    """Time that passes only when told to: the relay's and the simulated Zendesk's alike."""

    def __init__(self) -> None:
        # Tokens and `Date` headers are on the real clock, which this one only ever leaves behind.
        self.time = float(int(time.time()))

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += seconds


@dataclass
class Outage:
    """The next `times` calls of the operations that `fits` holds for fail; with `landed`, after having had their
    effect.
    """

    operations: tuple[str, ...]
    error: Exception
    times: int = 1
    landed: bool = False
    fits: Callable[[dict[str, Any]], bool] = lambda _: True


THROTTLED = ClientError({"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "slow"}}, "PutItem")
DOWN = ConnectTimeoutError(endpoint_url="https://dynamodb.test")


class Dynamo:
    """A client of DynamoDB that is out of order on demand.

    One call at a time, unless `turn` says otherwise: DynamoDB checks a condition and writes in one step, moto in two.
    """

    def __init__(self, client: Any, turn: AbstractContextManager[Any] | None = None) -> None:
        self._client = client
        self._turn = turn or threading.Lock()
        self.outages: list[Outage] = []
        self.before: Callable[[str, dict[str, Any]], None] = lambda _operation, _request: None
        """Called ahead of each call, outside its turn: here another worker can come in between."""

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call = getattr(self._client, operation)

        def one_at_a_time(**request: Any) -> Any:
            self.before(operation, request)
            with self._turn:
                outage = self._strike(operation, request)
                if outage and not outage.landed:
                    raise outage.error
                answer = call(**request)
                if outage:
                    raise outage.error
                return answer

        return one_at_a_time

    def _strike(self, operation: str, request: dict[str, Any]) -> Outage | None:
        for outage in self.outages:
            if outage.times and operation in outage.operations and outage.fits(request):
                outage.times -= 1
                return outage
        return None


class Wire(BaseAdapter):
    """What `requests` sends through in place of sockets: gives out the planned answers and keeps the requests."""

    def __init__(self, *answers: requests.Response | Exception) -> None:
        super().__init__()
        self.answers = list(answers)
        self.sent: list[requests.PreparedRequest] = []
        self.timeouts: list[Any] = []

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        self.sent.append(request)
        self.timeouts.append(options["timeout"])
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        pass


def answered(status: int = 200, body: Any = None, headers: dict[str, str] | None = None) -> requests.Response:
    """A response as it comes off the wire; `body` is bytes, or what becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
    raw = HTTPResponse(io.BytesIO(content), headers=headers, status=status, preload_content=False)
    return HTTPAdapter().build_response(requests.Request("GET", ZENDESK).prepare(), raw)


ZENDESK = "https://zendesk.test"


def transport_over(wire: Wire) -> Transport:
    session = requests.Session()
    session.mount(ZENDESK, wire)
    return Transport(ZENDESK, Timeouts(connect=1, read=3), lambda: session)


def reached_through(services: Services, adapter: BaseAdapter) -> None:
    """From now on this relay's calls to Zendesk, one at a time, go through the adapter."""
    session, _ = services.zendesk._transport._free[0]
    session.mount("http://", adapter)


class MemoryStore:
    """What `Store` promises, kept in a dictionary."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.writes_left: int | None = None
        """After so many the worker dies, once."""

    def get(self, pk: str) -> Row | None:
        return self.rows.get(pk)

    def claim(self, row: Row) -> Row | None:
        there = self.rows.setdefault(row.pk, row)
        if there is row:
            count_and_log(row, None)
            return None
        return there

    def move(self, old: Row, new: Row) -> Row:
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left < 0:
                self.writes_left = None
                raise Killed
        there = self.rows.get(old.pk)
        if there is None or (there.state, there.version) != (old.state, old.version):
            raise StaleRow("The row is elsewhere.")
        unread = {name: getattr(there, name) for name in PAYLOAD if getattr(new, name, None) == UNREAD}
        self.rows[old.pk] = new.model_copy(update=unread)
        count_and_log(new, old)
        return new

    def move_all(
        self, moves: Sequence[tuple[Row, Row]], on_error: Callable[[Row, RelayError], None]
    ) -> list[tuple[Row, Row]]:
        done = []
        for old, new in moves:
            try:
                done.append((old, self.move(old, new)))
            except RelayError as error:
                on_error(old, error)
        return done

    def due(self, wanted: Mapping[Work, tuple[float, int]], known: Mapping[str, float]) -> dict[Work, list[Row]]:
        found = {}
        for work, (until, limit) in wanted.items():
            waiting = [
                row for row in self.rows.values() if row.work is work and row.due_at is not None and row.due_at <= until
            ]
            earliest = sorted(waiting, key=lambda row: row.due_at or 0)[:limit]
            found[work] = [row for row in earliest if known.get(row.pk) != row.due_at]
        return found

    def backlog(self) -> Backlog:
        created = [row.created_at for row in self.rows.values() if row.due_at is not None]
        return Backlog(len(created), min(created, default=None))

    def jobs_waited_for(self) -> set[str]:
        return {row.job_id for row in self.rows.values() if isinstance(row, TicketRow) and row.due_at and row.job_id}

    def defer(self, pk: str, until: float) -> None:
        self.rows[pk] = self.rows[pk].model_copy(update={"due_at": until})


class OpenGate:
    """A gate that is never closed."""

    @contextmanager
    def permit(
        self, by: Deadline, *_endpoints: str, ticket_id: int | None = None, alone: bool = False
    ) -> Iterator[Permit]:
        yield Permit(by)

    def closed_until(self, *_endpoints: str) -> None:
        return None

    def state(self, *_endpoints: str) -> State:
        return State(None, 0)

    def go_together(self, _read: float) -> bool:
        return True


class Killed(BaseException):
    """The worker is gone in the middle of a call."""


_DETAILS: dict[str | None, str] = {"TicketCreateFailed": "Description: cannot be blank"}


class FakeZendesk:
    """Zendesk's client, with what comes of each call said beforehand.

    `before` and `after` are raised ahead of the next calls' effect or behind it: (name of the call, error). A job does
    its work at once, unless `next_job` says otherwise: (status, whether there is a ticket, its row's error). A `queued`
    one does it when the queue moves on.
    """

    def __init__(self, *, key_honoured: bool = True) -> None:
        self.key_honoured = key_honoured
        self.before: list[tuple[str, BaseException]] = []
        self.after: list[tuple[str, BaseException]] = []
        self.next_job: list[tuple[str, bool, str | None]] = []
        self.calls: list[str] = []
        self.tickets: dict[int, str] = {}
        self.closed: set[int] = set()
        self.jobs: dict[str, Job] = {}
        self.drops = False
        self._keys: dict[str, Submission] = {}
        self._next_id = 100
        self._queue: dict[str, dict[int, str]] = {}
        self._one_at_a_time = threading.Lock()

    def queue_moves_on(self) -> None:
        for job_id, tickets in self._queue.items():
            self.tickets |= tickets
            results = {index: Result(ticket_id, None, "") for index, ticket_id in enumerate(tickets)}
            self.jobs[job_id] = Job(job_id, "completed", "", results)
        self._queue.clear()

    def create_ticket(self, request: bytes, key: str, _permit: Permit) -> Submission:
        self._accident("create_ticket", self.before)
        if not (self.key_honoured and key in self._keys):
            self._keys[key] = self._create(json.loads(request)["ticket"]["external_id"])
        self._accident("create_ticket", self.after)
        self.calls.append("create_ticket")
        return self._keys[key]

    def create_tickets(self, requests: Sequence[bytes], _permit: Permit) -> Submission:
        self._accident("create_tickets", self.before)
        submission = self._create(*(json.loads(request)["ticket"]["external_id"] for request in requests))
        self._accident("create_tickets", self.after)
        self.calls.append("create_tickets")
        return Submission(submission.job_id, None)

    def job_statuses(self, ids: dict[str, None], _permit: Permit) -> dict[str, Job]:
        self._accident("job_statuses", self.before)
        self.calls.append("job_statuses")
        return {job_id: self.jobs[job_id] for job_id in ids if self.jobs[job_id].status != "forgotten"}

    def list_jobs(self, _permit: Permit, _after: str | None = None) -> tuple[list[Job], str | None]:
        self._accident("list_jobs", self.before)
        self.calls.append("list_jobs")
        return [Job(job_id, "queued", "", {}) for job_id in self._queue], None

    def show_ticket(self, ticket_id: int, _permit: Permit) -> Shown | None:
        self._accident("show_ticket", self.before)
        self.calls.append("show_ticket")
        external_id = self.tickets.get(ticket_id)
        status = "closed" if ticket_id in self.closed else "open"
        return Shown({"id": ticket_id, "external_id": external_id, "status": status}, None) if external_id else None

    def find_tickets(self, external_id: str, _permit: Permit) -> list[int]:
        self._accident("find_tickets", self.before)
        self.calls.append("find_tickets")
        return sorted(ticket_id for ticket_id, its in self.tickets.items() if its == external_id)

    def _create(self, *external_ids: str) -> Submission:
        with self._one_at_a_time:
            return self._created(*external_ids)

    def _created(self, *external_ids: str) -> Submission:
        status, exists, error = self.next_job.pop(0) if self.next_job else ("completed", True, None)
        job_id = f"V3-{len(self.jobs)}"
        tickets = dict(zip(count(self._next_id), external_ids, strict=False))
        self._next_id += len(tickets)
        if status == "queued":
            self._queue[job_id] = tickets
        elif exists:
            self.tickets |= tickets
        results = {
            index: Result(None if error else ticket_id, error, _DETAILS.get(error, ""))
            for index, ticket_id in enumerate(tickets)
            if status == "completed"
        }
        self.jobs[job_id] = Job(job_id, status, "", results)
        return Submission(job_id, min(tickets), self.drops)

    def _accident(self, call: str, planned: list[tuple[str, BaseException]]) -> None:
        for accident in planned:
            if accident[0] == call:
                planned.remove(accident)
                self.calls.append(f"{call}: {type(accident[1]).__name__}")
                raise accident[1]
