import json

import pytest

from tests.builders import CANARY, ROOT
from tests.unit.cli.previewing.command import answer, preview
from ticket_relay.webhooks.presets import PRESETS

TICKET = {"subject": "${event.title}", "comment": {"body": "x"}}
EVENT = json.loads((ROOT / "events/globex-refund-requested.json").read_bytes())


@pytest.fixture
def config(tmp_path):
    """Writes a partner `initech` into a folder of its own, and gives the option that names it."""

    def write(**definition):
        given = {"partner": "initech", "scheme": "standard-webhooks", "sample": "events/it.json"} | definition
        (tmp_path / "partners").mkdir(exist_ok=True)
        (tmp_path / "partners" / "initech.yaml").write_text(json.dumps(given))
        return f"--config={tmp_path}"

    return write


def test_without_a_file_the_sample_is_shown_as_the_request_that_makes_its_ticket():
    assert answer("acme") == answer("acme", str(ROOT / "events/acme-incident-opened.json"))
    shown = answer("globex")
    (event,) = shown["events"]
    assert (shown["partner"], event["outcome"], event["reason"]) == ("globex", "create", None)
    (request,) = event["requests"]
    assert (request["method"], request["path"]) == ("POST", "/api/v2/tickets?async=true")
    assert request["body"]["ticket"]["subject"] == f"Refund for order {EVENT['order']['number']}"


def test_people_see_the_request_below_the_outcome():
    lines = preview("globex").stdout.splitlines()
    assert lines[:2] == ["event\t(the delivery's id)", "outcome\tcreate"]
    assert lines[3:5] == ["POST /api/v2/tickets?async=true", "{"]


def test_an_event_that_is_not_wanted_is_no_error_and_shows_why():
    (event,) = answer("globex", "-", typed=json.dumps(EVENT | {"event": "refund.paid"}))["events"]
    assert (event["outcome"], event["requests"]) == ("ignored", [])
    assert "event.event in ['refund.requested', 'refund.reopened']" in event["reason"]


def test_a_case_that_fits_is_named_with_what_its_events_are_about():
    sample = json.loads((ROOT / "events/hooli-alerts-firing.json").read_bytes())
    shown = answer("hooli")["events"]
    assert [each["about"] for each in shown] == [alert["fingerprint"] for alert in sample["alerts"]]
    assert {(each["case"], each["outcome"]) for each in shown} == {("events[0]", "create")}
    assert shown[0]["policies"] == {"again": "comment", "on_solved": "reopen", "on_closed": "follow_up"}
    assert len({each["event_id"] for each in shown}) == len(shown)


def test_changes_are_those_of_the_ticket_that_there_is():
    (shown, *_) = answer("hooli", str(ROOT / "events/hooli-alerts-resolved.json"))["events"]
    assert (shown["case"], shown["outcome"]) == ("events[1]", "solve")
    assert shown["policies"] == {"on_closed": "ignore", "missing": "unmapped", "wait": 600}
    (request,) = shown["requests"]
    assert (request["method"], request["path"]) == ("PUT", "/api/v2/tickets/(its ticket)")
    assert request["body"]["ticket"]["status"] == "solved"


CASES = [
    {"when": "event.kind == 'a'", "do": "create", "ticket": TICKET},
    {"when": "event.kind == 'b'", "do": "ignore"},
    {"when": "event.kind == 'c'", "do": "solve"},
]


@pytest.mark.parametrize(
    ("kind", "case", "outcome", "reason"),
    [
        ("b", "events[1]", "ignored", "the case ignores it"),
        ("d", None, "ignored", "no condition holds (events[0]: event.kind == 'a'; events[1]: event.kind == 'b'"),
        ("a", "events[0]", "unmapped", 'events[0].ticket.subject: object has no property "title".'),
        ("c", "events[2]", "unmapped", "correlate: names nothing that this could solve."),
    ],
)
def test_why_nothing_is_sent(config, kind, case, outcome, reason):
    where = config(events=CASES, correlate="${event['about']}")
    result = preview("initech", "-", where, "--json", typed=json.dumps({"kind": kind}))
    (shown,) = json.loads(result.stdout)["events"]
    assert (shown["case"], shown["outcome"], shown["requests"]) == (case, outcome, [])
    assert shown["reason"].startswith(reason)
    assert result.exit_code == (outcome == "unmapped")


@pytest.mark.parametrize(
    ("event", "outcome", "reason"),
    [
        ({"alerts": []}, "ignored", "split: the list is empty"),
        ({"alerts": 1}, "unmapped", "split: is not a list."),
        ({"alerts": [{}]}, "unmapped", 'id: object has no property "id".'),
    ],
)
def test_why_a_delivery_is_not_split(config, event, outcome, reason):
    where = config(split="${event.alerts}", id="${item.id}", ticket=TICKET)
    result = preview("initech", "-", where, "--json", typed=json.dumps(event))
    (shown,) = json.loads(result.stdout)["events"]
    assert (shown["outcome"], shown["reason"]) == (outcome, reason)


def test_an_event_that_the_definition_does_not_fit_fails_with_its_place_and_without_its_values(config):
    where = config(ticket=TICKET)
    result = preview("initech", "-", where, typed=json.dumps({"titel": CANARY}))
    assert result.exit_code == 1
    assert 'outcome\tunmapped: ticket.subject: object has no property "title".' in result.stdout
    assert CANARY not in result.output


@pytest.mark.parametrize(
    ("scheme", "event", "id"),
    [
        ("stripe", {"id": "evt_1"}, "evt_1"),
        ("pagerduty", {"event": {"id": 7}}, "7"),
        ("stripe", {}, "(the delivery's id)"),
        ("github", {"id": "not this"}, "(the delivery's id)"),
    ],
)
def test_the_id_is_that_of_the_body_where_the_scheme_has_it_there(config, scheme, event, id):
    where = config(scheme=scheme, ticket=TICKET | {"subject": "${delivery.id}"})
    (shown,) = answer("initech", "-", where, typed=json.dumps(event))["events"]
    assert shown["event_id"] == id
    assert shown["requests"][0]["body"]["ticket"]["subject"] == id


def test_a_request_that_only_tries_the_address_out_is_ignored(config):
    assert PRESETS["github"].probe
    where = config(scheme="github", ticket=TICKET)
    (shown,) = answer("initech", "-", where, typed='{"zen": "Keep it logically awesome."}')["events"]
    assert (shown["outcome"], shown["reason"]) == ("ignored", "it only tries the address out")


@pytest.mark.parametrize(
    ("words", "typed", "sentence"),
    [
        (["globex", "-"], "[]", "not an object"),
        (["globex", "-"], "", "The body is empty."),
        (["nobody"], None, "There is no partner or rule nobody in layers/config."),
        (["globex", "--ticket", "-"], "{}", "There is no rule globex in layers/config."),
        (["globex", "--config", "/nowhere"], None, "There is no folder /nowhere/partners."),
    ],
)
def test_what_cannot_be_shown_is_an_error_in_a_sentence(words, typed, sentence):
    result = preview(*words, typed=typed)
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr


def test_a_sample_that_is_not_there_is_named(config):
    assert "There is no sample events/it.json." in preview("initech", config(ticket=TICKET)).stderr


def test_the_files_are_shown_and_why_one_would_be_refused(config):
    files = [
        {"url": "https://files.initech.example/a.png", "filename": "a.png"},
        {"url": "https://evil.example/b.png", "filename": "b.png", "required": True},
        {"base64": "aGVsbG8=", "filename": "c.csv", "content_type": "text/csv"},
    ]
    policy = {"hosts": ["files.initech.example"], "types": ["image/png", "text/csv"]}
    comment = {"body": "x", "attachments": {"$eval": "event.files"}}
    option = config(ticket={"subject": "s", "comment": comment}, attachments=policy)
    (event,) = answer("initech", "-", option, typed=json.dumps({"files": files}))["events"]
    assert [(it["filename"], it["source"], it["required"], it["refused"]) for it in event["files"]] == [
        ("a.png", "https://files.initech.example/a.png", False, None),
        ("b.png", "https://evil.example/b.png", True, "its server is not one that the partner's definition allows"),
        ("c.csv", "base64", False, None),
    ]
    assert (
        "b.png from https://evil.example/b.png (required, refused: its"
        in preview("initech", "-", option, typed=json.dumps({"files": files})).stdout
    )
