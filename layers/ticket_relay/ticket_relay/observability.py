"""Logs hold ids, codes and outcomes; metrics count outcomes. Neither ever holds a payload, a header or a secret."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, wraps

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit, single_metric

from ticket_relay import __version__


@cache
def logger() -> Logger:
    return Logger(version=__version__)


@cache
def metrics() -> Metrics:
    """Without the dimension `service`: an outcome is the same whichever function writes it, and an alarm counts all."""
    return Metrics(service="")


@contextmanager
def _writing() -> Iterator[None]:
    """One thread at a time counts or logs. Powertools' metrics are not made for several: the hundredth value of a name
    writes them all out, and where a line of the log gets in between, CloudWatch reads neither.
    """
    handler = logger().registered_handler
    handler.acquire()
    try:
        yield
    finally:
        handler.release()


def count(outcome: str, number: int = 1, **dimensions: str) -> None:
    """So many more of these. With dimensions it is a metric of its own, which has `service` as well.

    Each value of a dimension is another metric and is paid for: only what the deployment knows, never what a sender
    chooses.
    """
    if not dimensions:
        measure(outcome, MetricUnit.Count, number)
        return
    with _writing(), single_metric(name=outcome, unit=MetricUnit.Count, value=number) as metric:
        for name, value in dimensions.items():
            metric.add_dimension(name=name, value=value)


def measure(name: str, unit: MetricUnit, value: float) -> None:
    with _writing():
        metrics().add_metric(name=name, unit=unit, value=value)


def refused(code: str) -> None:
    """A refused request, by reason: an alarm must tell a wrong key from a wrong clock."""
    count("RequestRefused", reason=code)


def ignored(partner: str, *, by_partner: bool) -> None:
    """An event that no case of its partner's definition is for: a partner's new kind of event may be among them.

    `by_partner` counts it for its partner as well.
    """
    count("EventIgnored")
    if by_partner:
        count("EventIgnored", partner=partner)


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
