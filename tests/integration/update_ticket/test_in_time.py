"""Zendesk is answered in under five seconds, however long it lets us wait itself."""

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from samtranslator.yaml_helper import yaml_parse

from functions.update_ticket import app as function
from local.zendesk_simulator import Fault
from tests.builders import ROOT, body_of, http_event, signed
from tests.integration.update_ticket.agent import RAISE, TAGS
from tests.waiting import eventually
from ticket_relay.zendesk.transport import Timeouts

CONTEXT = SimpleNamespace(
    function_name="update_ticket",
    memory_limit_in_mb=256,
    invoked_function_arn="arn:aws:lambda:eu-central-1:123456789012:function:update_ticket",
    aws_request_id="r-1",
)
ENOUGH = 5.0
"""Seconds; what is promised. The function's own bound is three, and the table's answers come on top."""


class RealTime:
    """Hangs are real, so the time that passes is real, too."""

    def __call__(self):
        return time.time()

    def advance(self, seconds):
        time.sleep(seconds)


@pytest.fixture
def clock():
    return RealTime()


@pytest.fixture
def services(other_services):
    """With the time-outs that are deployed."""
    given = yaml_parse((ROOT / "template.yaml").read_text())["Parameters"]
    timeouts = [float(given[f"Zendesk{name}TimeoutSeconds"]["Default"]) for name in ("Connect", "Read")]
    services = other_services()
    services.zendesk._transport._timeouts = Timeouts(*timeouts)
    services.zendesk._auth._transport._timeouts = Timeouts(*timeouts)
    return services


@pytest.fixture
def answered(services, agent, monkeypatch):
    """The function's answer to a webhook, and the seconds that it took."""
    monkeypatch.setattr(function, "services", lambda: services)

    def send():
        stamp = agent.ticket["updated_at"]
        body = body_of({"ticket_id": str(agent.id), "updated_at": stamp, "actor_id": "7", "changes": RAISE | TAGS})
        event = http_event(body, signed(body, sender="zendesk", at=time.time()), path="/zendesk/ticket-updates")
        start = time.monotonic()
        answer = function.handler(event, CONTEXT)
        return answer["statusCode"], json.loads(answer["body"])["state"], time.monotonic() - start

    return send


HANGS = Fault("delay", delay=3.3, times=None)
TOKEN = replace(HANGS, path="/oauth/tokens")
OWN_USER = replace(HANGS, path="/api/v2/users/me")
READING = replace(HANGS, method="GET", path="/api/v2/tickets/*")
UPDATE = replace(HANGS, method="PUT")


@pytest.mark.parametrize("hangs", [[TOKEN], [READING], [OWN_USER, UPDATE]], ids=["token", "reading", "user-and-update"])
def test_a_webhook_is_answered_in_time_whichever_call_of_zendesk_hangs(answered, zendesk, hangs):
    zendesk.account.faults.planned = hangs
    status, state, seconds = answered()
    assert (status, state) == (202, "accepted")
    assert seconds < ENOUGH
    # What hung is let come to its end, so that the server can go in peace.
    eventually(lambda: all(zendesk.account.journal.calls(fault.method, fault.path) for fault in hangs), within=5)
