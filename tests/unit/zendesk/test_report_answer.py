import json

import pytest

from tests.builders import CANARY
from ticket_relay.zendesk.transport import report_answer, report_call


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("name", ["ratelimit-remaining", "X-Rate-Limit-Remaining"])
def test_what_is_left_of_the_rate_limit_is_measured(counted, name):
    report_answer("GET", 200, {name: "699"})
    assert counted("ZendeskRequestsRemaining") == 699


@pytest.mark.parametrize("value", ["", "-1", "many"])
def test_a_rate_limit_that_is_no_number_is_not(counted, value):
    report_answer("GET", 200, {"ratelimit-remaining": value})
    assert counted("ZendeskRequestsRemaining") == 0


def test_dropped_fields_are_named_without_their_values(capsys, counted):
    warning = (
        f'Removed restricted keys [:ticket=>{{:unpermitted_keys=>["foo", "bar"], :params=>{{"foo"=>"{CANARY}"}}}}]'
    )
    report_answer("POST", 202, {"x-zendesk-api-warn": warning})
    (line,) = lines(capsys)
    assert line["fields"] == '"foo", "bar"'
    assert CANARY not in json.dumps(line)
    assert counted("ZendeskDroppedFields") == 1


@pytest.mark.parametrize("warning", ["", f"Something else about {CANARY}", ":unpermitted_keys=>[]"])
def test_other_warnings_are_not_told_of(capsys, warning):
    report_answer("POST", 202, {"x-zendesk-api-warn": warning})
    assert lines(capsys) == []


@pytest.mark.parametrize("status", [202, 404, 422, 429])
def test_a_call_that_zendesk_understood_has_not_failed(counted, status):
    report_call(0.25, status)
    assert (counted("ZendeskFailed"), counted("ZendeskLatency")) == (0, 250)


@pytest.mark.parametrize("status", [0, 301, 401, 500, 503])
def test_a_call_without_an_answer_of_use_has_failed(counted, status):
    report_call(0.25, status)
    assert counted("ZendeskFailed") == 1
