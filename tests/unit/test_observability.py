import json

import pytest

from tests.builders import CANARY, NOW, ticket_row
from ticket_relay import observability
from ticket_relay.errors import Rejected
from ticket_relay.states import ticket as ticket_states


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


def test_a_new_state_is_one_metric_and_one_line(capsys, counted):
    row = ticket_states.held(ticket_row(), NOW)
    observability.moved(ticket_states.created(row, 7, NOW), since=row)
    assert counted("TicketCreated") == 1
    (line,) = lines(capsys)
    assert (line["message"], line["pk"], line["state"]) == ("row moved", "ticket#acme#evt_1", "created")


def test_the_same_state_is_neither(capsys, counted):
    row = ticket_row()
    observability.moved(ticket_states.held(row, NOW), since=row)
    assert counted("TicketAccepted") == 0
    assert lines(capsys) == []


def test_zendesks_own_sentence_stays_in_the_row(capsys):
    row = ticket_row()
    error = Rejected(422, "RecordInvalid", f"Requester {CANARY} is suspended")
    observability.moved(ticket_states.on_create_error(row, error, NOW, sent_before=None, doubtful_pause=15), since=row)
    (line,) = lines(capsys)
    assert line["reason"] == "RecordInvalid"
    assert CANARY not in json.dumps(line)


@pytest.mark.parametrize("name", ["ratelimit-remaining", "X-Rate-Limit-Remaining"])
def test_what_is_left_of_the_rate_limit_is_measured(counted, name):
    observability.zendesk_answered("GET", 200, {name: "699"})
    assert counted("ZendeskRequestsRemaining") == 699


@pytest.mark.parametrize("value", ["", "-1", "many"])
def test_a_rate_limit_that_is_no_number_is_not(counted, value):
    observability.zendesk_answered("GET", 200, {"ratelimit-remaining": value})
    assert counted("ZendeskRequestsRemaining") == 0


def test_dropped_fields_are_named_without_their_values(capsys, counted):
    warning = (
        f'Removed restricted keys [:ticket=>{{:unpermitted_keys=>["foo", "bar"], :params=>{{"foo"=>"{CANARY}"}}}}]'
    )
    observability.zendesk_answered("POST", 202, {"x-zendesk-api-warn": warning})
    (line,) = lines(capsys)
    assert line["fields"] == '"foo", "bar"'
    assert CANARY not in json.dumps(line)
    assert counted("ZendeskDroppedFields") == 1


@pytest.mark.parametrize("warning", ["", f"Something else about {CANARY}", ":unpermitted_keys=>[]"])
def test_other_warnings_are_not_told_of(capsys, warning):
    observability.zendesk_answered("POST", 202, {"x-zendesk-api-warn": warning})
    assert lines(capsys) == []


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
    assert "pk" in first
    assert "pk" not in second
