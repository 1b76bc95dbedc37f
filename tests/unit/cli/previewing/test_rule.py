import json

import boto3
import pytest

from cli import definitions
from cli.previewing import rule as previewing
from layers.config.compile import Config
from tests.builders import CANARY, ROOT
from tests.unit.cli.previewing.command import answer, preview
from ticket_relay.definitions.models import UpdateRule

TICKET = json.loads((ROOT / "events/zendesk-ticket-vip-waiting.json").read_bytes())["ticket"]
EVENT = json.loads((ROOT / "events/zendesk-ticket-update-escalate-vip.json").read_bytes())
RULE = "escalate-vip"


@pytest.fixture
def file(tmp_path):
    """A file with this in it, as JSON."""

    def write(content, name="it.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return write


def rule(**given):
    sample = {"event": "event.json", "ticket": "ticket.json"}
    return UpdateRule.model_validate({"rule": RULE, "sample": sample} | given)


def of(rule, *, ticket=TICKET, event=EVENT):
    return previewing.preview(rule, ticket, event)


def test_without_files_the_rule_is_shown_on_its_samples():
    shown = answer(RULE)
    assert shown == {
        "rule": RULE,
        "ticket_id": 35436,
        "condition": True,
        "outcome": "applied",
        "reason": None,
        "reads_ticket": True,
        "changed": False,
        "requests": [
            {
                "method": "PUT",
                "path": "/api/v2/tickets/35436",
                "body": {
                    "ticket": {
                        "priority": "high",
                        "tags": ["checkout_api", "vip_customer", "escalated"],
                        "comment": {"body": "Escalated from normal by the rule escalate-vip.", "public": False},
                        "metadata": {"ticket_relay": previewing.MARKER},
                        "safe_update": True,
                        "updated_stamp": "2026-11-21T22:00:00Z",
                    }
                },
            }
        ],
        "on_conflict": "reapply",
        "on_closed": "fail",
    }


def test_every_rule_can_be_shown():
    assert all(answer(name)["requests"] for name in definitions.rules(Config()))


def test_people_see_the_request_below_what_was_decided():
    lines = preview(RULE).stdout.splitlines()
    assert lines[:4] == [f"rule\t{RULE}", "ticket\t35436", "condition\tholds", "outcome\tapplied: 1 to send"]
    assert lines[lines.index("PUT /api/v2/tickets/35436") + 1 :][:2] == ["{", '  "ticket": {']


def test_nobody_is_asked(monkeypatch):
    monkeypatch.setattr(boto3, "Session", lambda **_: pytest.fail("AWS was asked"))
    assert preview(RULE).exit_code == 0


@pytest.mark.parametrize("form", [TICKET, {"ticket": TICKET}])
def test_a_ticket_may_come_from_a_file_as_show_ticket_answers_it_or_by_itself(file, form):
    assert answer(RULE, "--ticket", file(form)) == answer(RULE)


def test_a_ticket_may_come_from_stdin():
    assert answer(RULE, "--ticket", "-", typed=json.dumps(TICKET)) == answer(RULE)


def test_the_sample_event_is_told_of_the_ticket_that_is_given(file):
    shown = answer(RULE, "--ticket", file(TICKET | {"id": 7, "updated_at": "2026-11-21T23:00:05Z"}))
    assert (shown["ticket_id"], shown["changed"]) == (7, False)
    assert shown["requests"][0]["path"] == "/api/v2/tickets/7"
    assert shown["requests"][0]["body"]["ticket"]["updated_stamp"] == "2026-11-21T23:00:05Z"


def test_what_the_event_says_is_seen_by_the_rule(file):
    shown = answer(RULE, file(EVENT | {"updated_at": "2026-11-21T21:59Z"}))
    assert shown["changed"]
    assert shown["requests"][0]["body"]["ticket"]["updated_stamp"] == TICKET["updated_at"]


def test_a_condition_that_does_not_hold_is_said_and_is_no_error(file):
    ticket = file(TICKET | {"status": "solved"})
    shown = answer(RULE, "--ticket", ticket)
    assert (shown["condition"], shown["outcome"], shown["requests"]) == (False, "skipped", [])
    assert "outcome\tskipped: the condition does not hold" in preview(RULE, "--ticket", ticket).stdout


def test_changes_that_are_true_already_are_nothing_to_do(file):
    shown = of(rule(changes={"priority": "${ticket.priority}", "tags": {"add": ["triage"]}}))
    assert (shown.condition, shown.requests) == (True, [])
    assert shown.summary()["outcome"] == "applied: nothing to do: already true"


def test_ccs_with_an_internal_note_are_two_requests_in_order():
    changes = {
        "email_ccs": [{"user_email": "a@example.com"}],
        "comment": {"body": "Note.", "public": False},
        "metadata": {"why": "x"},
    }
    first, second = (request["body"]["ticket"] for request in of(rule(changes=changes)).requests)
    assert first == {
        "email_ccs": [{"user_email": "a@example.com"}],
        "metadata": {"ticket_relay": previewing.MARKER_OF_FIRST},
        "safe_update": True,
        "updated_stamp": TICKET["updated_at"],
    }
    assert second["comment"] == {"body": "Note.", "public": False}
    assert second["metadata"] == {"why": "x", "ticket_relay": previewing.MARKER}
    assert second["updated_stamp"] == previewing.LATER_STAMP


def test_a_rule_that_needs_nothing_of_the_ticket_goes_by_the_events_stamp_and_does_not_look():
    shown = of(rule(changes={"priority": "low"}), event=EVENT | {"updated_at": "2026-11-21T22:00:00+01:00"})
    assert not shown.reads_ticket
    assert shown.requests[0]["body"]["ticket"]["updated_stamp"] == "2026-11-21T21:00:00Z"


@pytest.mark.parametrize("updated_at", ["2026-11-21T22:00Z", "soon", ""])
def test_where_the_stamp_is_not_to_the_second_the_ticket_is_read(updated_at):
    shown = of(rule(changes={"priority": "low"}), event=EVENT | {"updated_at": updated_at})
    assert shown.reads_ticket
    assert shown.requests[0]["body"]["ticket"]["updated_stamp"] == TICKET["updated_at"]


CLOSED = TICKET | {"status": "closed"}
COMMENT = {"comment": {"body": "Once more."}, "tags": {"add": ["again"]}}


@pytest.mark.parametrize("when", [None, "false"])
def test_a_closed_ticket_is_the_end_of_an_update(when):
    shown = of(rule(changes=COMMENT, when=when), ticket=CLOSED)
    assert (shown.outcome, shown.reason, shown.requests) == ("failed", "the ticket is closed", [])


def test_where_the_rule_says_so_a_closed_ticket_is_followed_up():
    shown = of(rule(changes=COMMENT, on_closed="follow_up"), ticket=CLOSED)
    (creation,) = shown.requests
    assert (shown.outcome, creation["method"], creation["path"]) == ("applied", "POST", "/api/v2/tickets?async=true")
    assert creation["body"]["ticket"]["via_followup_source_id"] == 35436
    assert creation["body"]["ticket"]["external_id"] == previewing.EXTERNAL_ID


def test_whether_there_is_something_to_follow_up_is_looked_at_first():
    precise = EVENT | {"updated_at": TICKET["updated_at"]}
    assert of(rule(changes={"priority": "low"}, on_closed="follow_up"), event=precise).reads_ticket
    assert not of(rule(changes={"priority": "low"}), event=precise).reads_ticket


@pytest.mark.parametrize(
    ("on_conflict", "outcome", "requests"), [("reapply", "applied", 1), ("merge", "applied", 1), ("skip", "skipped", 0)]
)
def test_a_ticket_that_changed_since_is_left_to_the_rules_policy(on_conflict, outcome, requests):
    earlier = EVENT | {"updated_at": "2026-11-21T21:59Z"}
    shown = of(rule(changes=COMMENT, on_conflict=on_conflict), event=earlier)
    assert (shown.changed, shown.outcome, len(shown.requests)) == (True, outcome, requests)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nobody"], "There is no partner or rule nobody in layers/config."),
        ([RULE, "--ticket", "{"], "The ticket is not JSON."),
        ([RULE, "--ticket", "[]"], "it lacks id or updated_at"),
        ([RULE, "--ticket", '{"ticket": {"id": 1}}'], "it lacks id or updated_at"),
        ([RULE, "[]"], "not an object"),
        ([RULE, ""], "The body is empty."),
        ([RULE, json.dumps({"rule": RULE})], "look at: ticket_id"),
        ([RULE, json.dumps(EVENT | {"rule": "other"})], "not one for the rule escalate-vip"),
        ([RULE, json.dumps(EVENT | {"ticket_id": 1})], "about ticket 1, and the ticket is 35436"),
    ],
)
def test_what_cannot_be_shown_is_an_error_in_a_sentence(file, words, sentence):
    *options, last = words
    result = preview(*options, file(last)) if options else preview(last)
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert "Traceback" not in result.stderr


def test_a_rule_that_does_not_fit_the_ticket_is_an_error_that_quotes_nothing(file):
    result = preview(RULE, "--ticket", file({"id": 35436, "updated_at": "2026-11-21T22:00:00Z", "subject": CANARY}))
    assert result.exit_code == 1
    assert result.stderr == 'Error: when: object has no property "tags".\n'


def test_a_file_that_is_not_there_is_wrong_usage():
    assert preview(RULE, "--ticket", "nowhere.json").exit_code == 2


def test_what_the_ticket_holds_goes_to_stdout_alone(file):
    result = preview(RULE, "--ticket", file(TICKET | {"priority": CANARY}))
    assert CANARY in result.stdout
    assert result.stderr == ""


def test_a_definition_that_the_build_would_refuse_is_refused_with_its_place(tmp_path):
    for kind in ("partners", "updates"):
        (tmp_path / kind).mkdir()
    (tmp_path / "updates" / f"{RULE}.yaml").write_text(f"rule: {RULE}\nchanges: {{prioritty: high}}\n")
    result = preview(RULE, "--config", str(tmp_path))
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{tmp_path}/updates/{RULE}.yaml:2: changes.prioritty: unknown field" in result.stderr
    assert result.stderr.endswith(f"Error: The definitions in {tmp_path} cannot be built.\n")
