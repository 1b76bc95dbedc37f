"""Logs hold ids, codes and outcomes; metrics count outcomes. Neither ever holds a payload, a header or a secret."""

import re
import traceback
from collections.abc import Callable, Mapping
from functools import cache, wraps

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric

from ticket_relay.errors import RelayError
from ticket_relay.storage.rows import Row, TicketRow

DROPPED_FIELDS = re.compile(r":unpermitted_keys=>\[([^\]]*)\]")


@cache
def logger() -> Logger:
    return Logger()


@cache
def metrics() -> Metrics:
    return Metrics()


def count(outcome: str) -> None:
    metrics().add_metric(name=outcome, unit=MetricUnit.Count, value=1)


def measure(name: str, unit: MetricUnit, value: float) -> None:
    metrics().add_metric(name=name, unit=unit, value=value)


def refused(code: str) -> None:
    """A refused request, by reason: an alarm must tell a wrong key from a wrong clock."""
    with single_metric(name="RequestRefused", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension(name="reason", value=code)


def moved(row: Row, *, since: Row | None = None) -> None:
    """A row came to be or was moved. A new state is one metric and one line; the same state only a line of DEBUG.

    Zendesk's own sentence stays in the row.
    """
    about = {"pk": row.pk, "state": row.state, "attempt": row.attempt, "tries": row.retries, "reason": row.error_code}
    if since and since.state == row.state:
        logger().debug("row kept", extra=about)
        return
    count(("Ticket" if isinstance(row, TicketRow) else "Update") + row.state.capitalize())
    logger().info("row moved", extra=about)


def left_to_poller(row: Row, error: RelayError) -> None:
    """A claim stands, but what came of it could not be written. When its lease ends, the poller finds it doubtful."""
    count("ClaimLeftToPoller")
    logger().warning("left to the poller", extra={"pk": row.pk, "reason": error.code})


def zendesk_answered(method: str, status: int, headers: Mapping[str, str]) -> None:
    """How near the rate limits are (header families: rate-limits page), and what Zendesk dropped without an error."""
    remaining = headers.get("ratelimit-remaining") or headers.get("X-Rate-Limit-Remaining")
    if remaining and remaining.isdigit():
        measure("ZendeskRequestsRemaining", MetricUnit.Count, int(remaining))
    if status == 429:
        count("ZendeskThrottled")
    # Only the names of the keys: the header goes on to quote values.
    dropped = DROPPED_FIELDS.search(headers.get("x-zendesk-api-warn", ""))
    if dropped and dropped[1]:
        count("ZendeskDroppedFields")
        logger().warning("Zendesk dropped fields it does not take", extra={"method": method, "fields": dropped[1]})


def unexpected(error: Exception) -> None:
    """A bug: its type and place, without its message, which could quote a payload."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    logger().error("unexpected error", extra={"error": type(error).__name__, "where": frames[-8:]})
    count("UnexpectedError")


def lambda_handler[Event, Context, Result](
    handler: Callable[[Event, Context], Result],
) -> Callable[[Event, Context], Result]:
    """Log lines carry the invocation's id; metrics go out whatever happens. Built at the first call, not at import."""

    @cache
    def with_context() -> Callable[[Event, Context], Result]:
        instrumented: Callable[[Event, Context], Result] = logger().inject_lambda_context(handler, clear_state=True)
        return instrumented

    @wraps(handler)
    def instrumented(event: Event, context: Context) -> Result:
        try:
            return with_context()(event, context)
        finally:
            # Flushing an empty set would warn on every invocation that had nothing to count.
            if metrics().metric_set:
                metrics().flush_metrics()

    return instrumented
