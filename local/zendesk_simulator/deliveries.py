"""Webhook deliveries: attempts, time-outs and retries as documented (webhook documentation, by two paraphrases).

12 s for an answer; 409 retried up to 3 times; 429 and 503 only with a `retry-after` below 60 s; time-outs up to 5
times; nothing else. Best effort: no ordering. Not built: the circuit breaker, which needs 100 calls in 5 minutes; that
Zendesk drops a webhook without sending it is planned instead (`Drop`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as checked_dataclass

from .chance import Chance, first
from .clock import stamp

TIMEOUT_SECONDS = 12
# Assumptions: how often 429 and 503 are retried, and how long the sender waits where the answer does not say.
_RETRIES = {409: 3, 429: 3, 503: 3}
_TIMEOUT_RETRIES = 5
_PAUSE_SECONDS = 1.0


@checked_dataclass(config=ConfigDict(extra="forbid"))
class Drop(Chance):
    """A webhook that is not sent. In 988 recorded invocations 517 were throttled and 275 circuit-broken."""

    status: Literal["throttled", "circuit broken"] = "throttled"


@dataclass(frozen=True)
class Attempt:
    at: float
    outcome: int | Literal["timeout", "unreachable"]


@dataclass
class Invocation:
    """One webhook call and its attempts, which share its id (inferred: invocations list their attempts)."""

    id: str
    url: str
    ticket_id: int
    body: bytes
    due_at: float
    headers: Callable[[float], dict[str, str]]
    attempts: list[Attempt] = field(default_factory=list)
    state: Literal["pending", "sending", "delivered", "failed", "dropped"] = "pending"
    webhook_id: str = ""
    dropped: str | None = None
    """Why nothing was sent."""

    @property
    def status(self) -> str:
        """As the API names it. Recorded: `throttled`, `circuit broken`, and `terminated` for a 403. The others are the
        values of `filter[status]` in a client made from Zendesk's OpenAPI file (botbrains-io/python-zendesk).
        """
        if self.dropped is not None:
            return self.dropped
        if self.state in {"pending", "sending"}:
            return "accepted"
        code = self.status_code
        if code is None:
            return "timeout" if self.attempts[-1].outcome == "timeout" else "failed"
        return {2: "success", 5: "server error"}.get(code // 100, "terminated" if code == 403 else "client error")

    @property
    def status_code(self) -> int | None:
        """Of the latest answer; None where there was none."""
        outcome = self.attempts[-1].outcome if self.attempts else None
        return outcome if isinstance(outcome, int) else None

    @property
    def completed_at(self) -> str | None:
        """When the latest attempt ended, or the webhook was dropped. That it has whole seconds is an assumption."""
        if self.dropped is not None:
            return stamp(self.due_at)
        return stamp(self.attempts[-1].at) if self.attempts else None

    def note(self, outcome: int | Literal["timeout", "unreachable"], retry_after: str | None, now: float) -> None:
        """Record an attempt and decide: delivered, again at `due_at`, or given up."""
        self.attempts.append(Attempt(now, outcome))
        pause = self._pause(outcome, retry_after)
        if isinstance(outcome, int) and 200 <= outcome < 300:
            self.state = "delivered"
        elif pause is None:
            self.state = "failed"
        else:
            self.state, self.due_at = "pending", now + pause

    def _pause(self, outcome: int | str, retry_after: str | None) -> float | None:
        so_far = sum(attempt.outcome == outcome for attempt in self.attempts)
        if outcome == "timeout":
            return _PAUSE_SECONDS if so_far <= _TIMEOUT_RETRIES else None
        if outcome not in _RETRIES or so_far > _RETRIES[int(outcome)]:
            return None
        if outcome == 409:
            return _PAUSE_SECONDS
        return float(retry_after) if retry_after and retry_after.isdigit() and int(retry_after) < 60 else None


class Deliveries:
    def __init__(self) -> None:
        self.invocations: list[Invocation] = []
        self.timeout_seconds: float = TIMEOUT_SECONDS
        self.drops: list[Drop] = []

    def add(self, invocation: Invocation) -> None:
        if drop := first(self.drops):
            invocation.state, invocation.dropped = "dropped", drop.status
        self.invocations.append(invocation)

    def due(self, now: float) -> list[Invocation]:
        """Those to be sent now; they are marked as being sent."""
        due = [
            invocation for invocation in self.invocations if invocation.state == "pending" and invocation.due_at <= now
        ]
        for invocation in due:
            invocation.state = "sending"
        return due

    async def send(self, invocation: Invocation, session: aiohttp.ClientSession, now: Callable[[], float]) -> None:
        """One attempt, signed with the time of this attempt."""
        headers = {
            **invocation.headers(now()),
            "x-zendesk-webhook-invocation-id": invocation.id,
            "Content-Type": "application/json; charset=utf-8",
        }
        timeout = aiohttp.ClientTimeout(total=self.timeout_seconds)
        try:
            async with session.post(invocation.url, data=invocation.body, headers=headers, timeout=timeout) as answer:
                await answer.read()
                invocation.note(answer.status, answer.headers.get("retry-after"), now())
        except TimeoutError:
            invocation.note("timeout", None, now())
        except aiohttp.ClientError:
            # Assumption: a connection that fails is not among what is retried.
            invocation.note("unreachable", None, now())
