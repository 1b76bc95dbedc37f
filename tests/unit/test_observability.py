import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from tests.builders import CANARY
from ticket_relay import __version__, observability


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


class Context:
    function_name = "create-ticket"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:create-ticket"
    aws_request_id = "request-1"


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_bug_is_told_of_by_its_type_and_place_alone(capsys, counted):
    try:
        raise KeyError(CANARY)  # noqa: TRY301 - a traceback needs a raise
    except KeyError as error:
        observability.unexpected(error)
    (line,) = lines(capsys)
    assert line["error"] == "KeyError"
    assert any("test_observability.py" in place for place in line["where"])
    assert CANARY not in json.dumps(line)
    assert counted("UnexpectedError") == 1


def test_a_refusal_is_counted_by_its_reason(capsys):
    observability.refused("stale_timestamp")
    (metric,) = lines(capsys)
    assert (metric["RequestRefused"], metric["reason"]) == ([1.0], "stale_timestamp")


def test_an_ignored_event_is_counted_by_partner_only_on_demand(capsys, counted):
    observability.ignored("acme", by_partner=False)
    assert capsys.readouterr().out == ""
    observability.ignored("acme", by_partner=True)
    (metric,) = lines(capsys)
    assert (metric["EventIgnored"], metric["partner"]) == ([1.0], "acme")
    assert counted("EventIgnored") == 2


def test_several_threads_count_one_after_the_other(monkeypatch):
    """Powertools writes a name out with its hundredth value, and begins it anew: not for two at a time."""
    inside, met = threading.Lock(), []

    def add_metric(**metric):
        met.append(not inside.acquire(blocking=False))
        time.sleep(0.001)  # Others would come in here.
        inside.release()

    monkeypatch.setattr(observability.metrics(), "add_metric", add_metric)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(observability.count, ["TicketCreated"] * 40))
    assert met == [False] * 40


def test_no_line_of_the_log_gets_into_one_of_metrics(monkeypatch):
    """Powertools writes a line of metrics in two pieces, and Lambda sends off each."""
    written = []

    def write(piece):
        written.append(piece)
        time.sleep(0 if piece.endswith("\n") else 0.005)  # Others would come in here.

    monkeypatch.setattr(sys, "stdout", SimpleNamespace(write=write, flush=lambda: None))

    def work(number):
        observability.count("TicketCreated", partner="acme")
        time.sleep(0.001)
        observability.logger().info("row moved", extra={"pk": number})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(40)))
    assert len([json.loads(line) for line in "".join(written).splitlines()]) == 80


def test_an_outcome_is_one_metric_whichever_function_counts_it(capsys):
    @observability.lambda_handler
    def handler(_event, _context):
        observability.count("TicketCreated")

    handler({}, Context())
    (metric,) = lines(capsys)
    assert metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [[]]


def test_a_dimension_makes_a_metric_of_its_own(capsys, counted):
    observability.count("TicketCreated", partner="acme")
    (metric,) = lines(capsys)
    assert metric["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["partner", "service"]]
    assert counted("TicketCreated") == 0


def test_metrics_go_out_even_when_the_handler_fails(capsys):
    @observability.lambda_handler
    def handler(_event, _context):
        observability.count("TicketCreated")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        handler({}, Context())
    assert any(line.get("TicketCreated") == [1.0] for line in lines(capsys))


def test_an_invocation_without_metrics_writes_none(capsys):
    @observability.lambda_handler
    def handler(_event, _context):
        return 7

    assert handler({}, Context()) == 7
    assert lines(capsys) == []


def test_lines_carry_the_invocation_and_nothing_of_the_one_before(capsys):
    @observability.lambda_handler
    def handler(event, _context):
        observability.logger().append_keys(**event)
        observability.logger().info("here")

    handler({"pk": "one"}, Context())
    handler({}, Context())
    first, second = lines(capsys)
    assert first["function_request_id"] == "request-1"
    assert first["version"] == second["version"] == __version__
    assert "pk" in first
    assert "pk" not in second
