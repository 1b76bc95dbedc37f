import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.console.trial import Flaw, attempt
from layers.config.compile import FOLDER, Config
from tests.builders import ROOT

PARTNER = FOLDER / "partners" / "acme.yaml"
RULE = FOLDER / "updates" / "escalate-vip.yaml"
HOOLI = FOLDER / "partners" / "hooli.yaml"
EVENT = (ROOT / "events" / "acme-incident-opened.json").read_text()
UPDATE = (ROOT / "events" / "zendesk-ticket-update-escalate-vip.json").read_text()
TICKET = (ROOT / "events" / "zendesk-ticket-vip-waiting.json").read_text()


def tried(path=PARTNER, definition=None, event=EVENT, ticket=""):
    return attempt(path, path.read_text() if definition is None else definition, event, ticket, Config())


def line_of(path, part):
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if part in line)


def test_an_event_that_fits_becomes_its_ticket():
    trial = tried()
    (preview,) = trial.previews
    assert trial.flaws == []
    assert preview.requests[0]["body"]["ticket"]["subject"].startswith("[CRITICAL] ")


def test_a_rule_makes_its_changes():
    trial = tried(RULE, event=UPDATE, ticket=TICKET)
    (preview,) = trial.previews
    assert (trial.flaws, preview.outcome) == ([], "applied")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("event.incident.title", "event.incident.titel", 'object has no property "titel"'),
        ("  type: incident", "  typ: incident", "ticket.typ: unknown field"),
        ("type: incident", "type: accident", "ticket.type: "),
        ("${event.reporter.name}", "${event.reporter.name", "ticket.requester.name: is not an expression of JSON-e"),
        ("scheme: standard-webhooks", "scheme: none", "scheme: must be one of"),
        ("partner: acme", "partner: other", "must stand in a file named other.yaml"),
        ("  requester:", "  requester: [", "not YAML: "),
    ],
)
def test_a_flaw_of_the_definition_has_the_line_on_which_it_is(old, new, reason):
    (flaw, *_) = tried(definition=PARTNER.read_text().replace(old, new, 1)).flaws
    assert flaw.part == "definition"
    assert reason in flaw.reason
    assert abs(flaw.line - line_of(PARTNER, old)) <= (1 if reason.startswith("not YAML") else 0)


def test_a_flaw_of_a_rule_has_its_line():
    (flaw,) = tried(RULE, RULE.read_text().replace("ticket.priority ==", "ticket.nothing =="), UPDATE, TICKET).flaws
    assert (flaw.part, flaw.line) == ("definition", line_of(RULE, "priority:"))


@pytest.mark.parametrize(
    ("event", "line", "reason"),
    [
        ('{\n "a": 1\n "b": 2\n}', 3, "is not JSON: Expecting ',' delimiter, at column 2"),
        ("", 1, "is not JSON: "),
        ("[]", 1, "object"),
        ("[" * 100_000, 1, "is not JSON"),
    ],
)
def test_a_flaw_of_the_event_has_its_line(event, line, reason):
    (flaw,) = tried(event=event).flaws
    assert (flaw.part, flaw.line) == ("event", line)
    assert reason in flaw.reason


@pytest.mark.parametrize(
    ("event", "ticket", "part"),
    [(UPDATE, "{}", "ticket"), (UPDATE, "{", "ticket"), ("{}", TICKET, "event"), (EVENT, TICKET, "event")],
)
def test_a_rule_says_which_of_the_two_is_wrong(event, ticket, part):
    (flaw,) = tried(RULE, event=event, ticket=ticket).flaws
    assert flaw.part == part


def test_of_many_events_those_that_fit_are_shown_beside_the_flaw_of_the_others():
    event = json.loads((ROOT / "events" / "hooli-alerts-firing.json").read_text())
    del event["alerts"][0]["labels"]
    trial = tried(HOOLI, event=json.dumps(event))
    assert [flaw.part for flaw in trial.flaws] == ["definition"]
    assert [bool(preview.requests) for preview in trial.previews] == [False, *[True] * (len(event["alerts"]) - 1)]


@given(st.text(max_size=200), st.sampled_from([PARTNER, RULE]))
def test_no_definition_is_too_odd_to_be_told_about(text, path):
    trial = tried(path, definition=text)
    assert trial.flaws
    assert all(1 <= flaw.line <= len(text.splitlines()) + 2 for flaw in trial.flaws)


@given(st.text(max_size=200))
def test_no_event_is_too_odd_to_be_told_about(text):
    flaws = tried(event=text).flaws
    assert flaws
    assert all(isinstance(flaw, Flaw) for flaw in flaws)
