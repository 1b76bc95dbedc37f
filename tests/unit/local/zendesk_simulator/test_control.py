import json

import pytest

from local.zendesk_simulator import control
from local.zendesk_simulator.wire import Call

TRIGGER = {"url": "http://relay/hook", "secret": "key", "body": "{}"}


@pytest.fixture
def controlled(account):
    def send(method, path, body=None, **query):
        raw = b"" if body is None else json.dumps(body).encode()
        answer = control.answer(account, Call(method, f"/_control/{path}", query, {}, raw))
        return answer.status, json.loads(answer.body)

    return send


def test_settings_can_be_read_and_changed(controlled, account):
    assert controlled("GET", "settings")[1]["stamp_precision"] == "minute"
    assert controlled("POST", "settings", {"stamp_precision": "second"})[1]["stamp_precision"] == "second"
    assert account.settings.stamp_precision == "second"


@pytest.mark.parametrize("body", [{"stamp_precision": "hour"}, {"invented": 1}, ["list"]])
def test_a_setting_that_does_not_exist_or_fit_is_refused(controlled, body):
    assert controlled("POST", "settings", body)[0] == 400


def test_time_passes_when_told_and_what_is_due_happens(controlled, zendesk):
    zendesk.post("tickets?async=true", {"ticket": {"description": "x"}})
    before = controlled("GET", "snapshot")[1]
    controlled("POST", "clock", {"advance": 5})
    after = controlled("GET", "snapshot")[1]
    assert after["now"] == before["now"] + 5
    assert (len(before["tickets"]), len(after["tickets"])) == (0, 1)


@pytest.mark.parametrize(
    ("path", "plan"), [("faults", {"kind": "drop"}), ("jobs", {"outcome": "killed"}), ("triggers", TRIGGER)]
)
def test_plans_are_added_listed_and_removed(controlled, path, plan):
    added = controlled("POST", path, plan)[1][path]
    assert plan.items() <= added[0].items()
    assert controlled("GET", path)[1][path] == added
    assert controlled("DELETE", path)[1][path] == []


@pytest.mark.parametrize(("path", "plan"), [("faults", {"kind": "explode"}), ("jobs", {"outcom": "killed"})])
def test_a_plan_that_does_not_fit_is_refused(controlled, path, plan):
    assert controlled("POST", path, plan)[0] == 400
    assert controlled("GET", path)[1][path] == []


def test_a_planned_job_goes_as_planned(controlled, zendesk):
    controlled("POST", "jobs", {"outcome": "killed"})
    zendesk.post("tickets?async=true", {"ticket": {"description": "x"}})
    controlled("POST", "clock", {"advance": 5})
    assert controlled("GET", "snapshot")[1]["jobs"][0]["status"] == "killed"


def test_tokens_are_revoked(controlled, zendesk):
    controlled("DELETE", "tokens")
    assert zendesk.get("tickets/count").status == 401


def test_the_snapshot_holds_tickets_with_their_audits(controlled, zendesk):
    ticket = zendesk.ticket()
    snapshot = controlled("GET", "snapshot")[1]
    assert snapshot["tickets"][0]["id"] == ticket["id"]
    assert snapshot["audits"][str(ticket["id"])][0]["ticket_id"] == ticket["id"]


def test_invocations_are_shown(controlled, zendesk):
    controlled("POST", "triggers", TRIGGER)
    zendesk.ticket()
    [invocation] = controlled("GET", "invocations")[1]["invocations"]
    assert (invocation["state"], invocation["attempts"], invocation["body"]) == ("pending", [], "{}")


def test_a_reset_forgets_everything(controlled, zendesk, account):
    zendesk.ticket()
    controlled("POST", "faults", {"kind": "drop"})
    controlled("POST", "settings", {"stamp_precision": "second"})
    controlled("POST", "clock", {"advance": 500})
    controlled("POST", "reset")
    assert controlled("GET", "snapshot")[1]["tickets"] == []
    assert controlled("GET", "faults")[1]["faults"] == []
    assert (account.settings.stamp_precision, account.clock.offset) == ("minute", 0)


def test_there_is_nothing_elsewhere(controlled):
    assert controlled("GET", "invented")[0] == 404
    assert controlled("PUT", "settings")[0] == 404
