import json

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from ticket_relay import aws_clients, poller_start

REFUSED = ClientError({"Error": {"Code": "TooManyRequestsException", "Message": "Rate exceeded"}}, "Invoke")


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


@pytest.mark.parametrize("error", [REFUSED, ConnectTimeoutError(endpoint_url="https://lambda.test")])
def test_a_poller_that_cannot_be_started_is_counted_and_stops_nobody(monkeypatch, capsys, counted, error):
    class Lambda:
        def invoke(self, **_):
            raise error

    monkeypatch.setattr(aws_clients, "client", lambda *_: Lambda())
    poller_start.start("poll-jobs")
    assert counted("PollerNotStarted") == 1
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["message"], line["error"]) == ("poller not started", type(error).__name__)
