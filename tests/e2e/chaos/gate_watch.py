"""Which calls reach Zendesk while the gate is closed, measured from outside.

The proxy sees every read and every change of the relay's gate, the simulator every call. A worker has permission if it
found the gate open, or makes the half-open trial. A call while the gate is closed was under way if its worker got its
permission before, and has not been told otherwise since; any other call is a late one. A process that sends several
batches at the same time has a permission for each, and what tells one of them comes too late for those that are just
being sent.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ticket_relay.create_ticket.candidate_jobs import PAGES_AT_ONCE
from ticket_relay.poll_jobs.send_due import REQUESTS_AT_ONCE
from ticket_relay.rate_limits.gate import CLOSED, PK

ONE_ROWS_WORK = 3 + PAGES_AT_ONCE
"""Calls that a permission from before the closing covers: two reads, the pages of jobs, and the request itself."""
TOGETHER = "POST /api/v2/tickets/create_many"
JUST_SENT = 1.0
"""Seconds from a batch's last look at the gate until its request reaches Zendesk, on a machine that is busy."""


@dataclass
class GateWatch:
    """By process id. `closed_until` is what the relay has stored, `first` the process that may ask first."""

    closed_until: float | None = None
    first: int | None = None
    first_asked: bool = False
    beside: dict[int, tuple[float, int]] = field(default_factory=dict)
    """Of a process that was told: when, and how many batches may have been sent beside the one that was."""
    calls_since_closing: dict[int, int] = field(default_factory=dict)
    seen: Counter[str] = field(default_factory=Counter)
    late_calls: list[str] = field(default_factory=list)

    def operated(
        self, name: str, asked: Mapping[str, Any], answer: Mapping[str, Any], pid: int | None, now: float
    ) -> None:
        """DynamoDB did `name` for a process. `answer` has a `__type` if it refused."""
        if asked.get("Key") != {"pk": {"S": PK}} or pid is None:
            return
        refused = "__type" in answer
        if name == "GetItem" and not refused:
            stored = answer.get("Item", {}).get("closed_until")
            self._granted(pid, granted=stored is None)
            return
        values = asked.get("ExpressionAttributeValues", {})
        # The limits of single endpoints, and whether events go together, are others' attributes of the same item.
        if name != "UpdateItem" or asked["UpdateExpression"].split()[1] != CLOSED:
            return
        if ":read" in values:
            self._asks_first(pid, float(values[":probe"]["N"]), refused=refused)
        elif ":until" in values:
            self._closed(pid, float(values[":until"]["N"]), now, refused=refused)
        elif not refused:
            self.closed_until = self.first = None

    def called(self, what: str, pid: int | None, now: float) -> None:
        """A call reached Zendesk."""
        self.first_asked = self.first_asked or pid == self.first
        if pid is None or self.closed_until is None or self.closed_until <= now or pid == self.first:
            return
        told_at, batches = self.beside.get(pid, (0.0, 0))
        if what == TOGETHER and batches and now - told_at < JUST_SENT:
            self.beside[pid] = told_at, batches - 1
            self.seen["under way"] += 1
            return
        under_way = self.calls_since_closing.get(pid, ONE_ROWS_WORK)
        if under_way < ONE_ROWS_WORK:
            self.calls_since_closing[pid] += 1
            self.seen["under way"] += 1
        else:
            self.seen["knocks"] += 1
            self.late_calls.append(f"{what}, {self.closed_until - now:.1f} s too early")

    def _granted(self, pid: int, *, granted: bool) -> None:
        if granted:
            self.calls_since_closing[pid] = 0
        else:
            self.calls_since_closing.pop(pid, None)

    def _asks_first(self, pid: int, until: float, *, refused: bool) -> None:
        self._granted(pid, granted=not refused)
        if not refused:
            self.seen["might ask first"] += 1
            # Nobody else may ask until that one's time is over.
            self.seen["and did not"] += self.first is not None and not self.first_asked
            self.closed_until, self.first, self.first_asked = until, pid, False

    def _closed(self, pid: int, until: float, now: float, *, refused: bool) -> None:
        if self.calls_since_closing.get(pid) is not None:
            self.beside[pid] = now, REQUESTS_AT_ONCE - 1
        self._granted(pid, granted=False)
        if not refused:
            self.seen["closed"] += until > now
            self.closed_until, self.first = until, None
