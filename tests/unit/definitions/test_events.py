"""Definitions with several cases: what holds together, and what the build says of what does not."""

import json

import pytest
from pydantic import ValidationError

from layers.config.compile import main
from ticket_relay.definitions.models import Case, PartnerDefinition

ALERTS = """\
partner: alerts
scheme: standard-webhooks
sample: events/firing.json
split: ${event.alerts}
id: ${item.id}
correlate: ${item.name}
events:
  - when: item.status == 'firing'
    do: create
    ticket:
      comment:
        body: ${item.text}
  - when: item.status == 'resolved'
    do: solve
    sample: events/resolved.json
    changes:
      comment:
        body: ${item.text}
  - do: ignore
"""
TICKET = {"comment": {"body": "x"}}
PARTNER = {"partner": "acme", "scheme": "standard-webhooks", "sample": "events/acme.json", "correlate": "${event.id}"}


def alert(status):
    return {"id": "1", "name": "disk", "status": status, "text": "It burns"}


@pytest.fixture
def problems(tmp_path, capsys):
    """What the build says of the definition."""

    def check(text=ALERTS, **samples):
        (tmp_path / "partners").mkdir()
        (tmp_path / "events").mkdir()
        (tmp_path / "partners/alerts.yaml").write_text(text)
        for name, statuses in ({"firing": ["firing"], "resolved": ["resolved"]} | samples).items():
            (tmp_path / f"events/{name}.json").write_text(json.dumps({"alerts": [alert(each) for each in statuses]}))
        main(["--check", "--config", str(tmp_path)])
        return capsys.readouterr().err.replace(f"{tmp_path}/partners/", "").splitlines()

    return check


def test_a_definition_whose_cases_all_have_a_sample_is_right(problems):
    assert problems() == []


def test_one_sample_may_be_for_several_cases(problems):
    assert problems(ALERTS.replace("    sample: events/resolved.json\n", ""), firing=["resolved", "firing"]) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("    sample: events/resolved.json\n", "", ["13: events[1]: has no sample: none of the others is for it"]),
        (
            "sample: events/resolved.json",
            "sample: events/firing.json",
            ["13: events[1].when: does not hold for its sample, or an earlier case does"],
        ),
        (
            "sample: events/resolved.json",
            "sample: events/none.json",
            ["15: events[1].sample: there is no file events/none.json"],
        ),
        ("== 'firing'", "== 'fired'", ["7: events: does not hold for the sample", "8: events[0]: has no sample"]),
        ("body: ${item.text}\n  - when", "body: ${item.txt}\n  - when", ["12: events[0].ticket.comment.body: object"]),
        ("body: ${item.text}\n  - do", "body: ${item.txt}\n  - do", ["18: events[1].changes.comment.body: object"]),
        ("${item.name}", "${item.nme}", ["6: correlate: object has no property"]),
        ("${item.id}", "${item.ide}", ["5: id: object has no property"]),
        ("${event.alerts}", "${event.alert}", ["4: split: object has no property"]),
        ("${event.alerts}", "event.alerts", ["4: split: is not a list"]),
        ("${event.alerts}", "${event.alerts", ["4: split: is not an expression of JSON-e"]),
        ("item.status == 'firing'", "item.status ==", ["8: events[0].when: is not an expression of JSON-e"]),
        ("body: ${item.text}\n  - when", "body: ${item.}\n  - when", ["12: events[0].ticket.comment.body: is not an"]),
        ("do: solve", "do: close", ["14: events[1].do: Input should be 'create', 'update', 'solve' or 'ignore'"]),
        ("    changes:", "    chances:", ["16: events[1].chances: unknown field"]),
        ("    ticket:\n      comment:", "    ticket:\n      coment:", ["11: events[0].ticket.coment: unknown field"]),
        ("correlate: ${item.name}\n", "", ["1: correlate: is missing: it says which ticket a later event is for"]),
        ("id: ${item.id}\n", "", ["1: id: goes with split, and split with it"]),
        ("    do: create", "    do: create\n    missing: wait", ["10: events[0].missing: goes with do: update or do"]),
        ("    do: solve", "    do: solve\n    again: comment", ["15: events[1].again: goes with do: create"]),
        (
            "    do: solve",
            "    do: solve\n    missing: {then: create}",
            ["13: events[1].ticket: is missing: this case"],
        ),
        ("    do: create", "    do: create\n    again: update", ["8: events[0].changes: is missing"]),
        ("events:", "when: event.ok\nevents:", ["7: when: belongs into one of the events"]),
    ],
)
def test_what_is_wrong_is_told_with_its_line(problems, old, new, found):
    assert old in ALERTS
    told = problems(ALERTS.replace(old, new, 1))
    assert len(told) == len(found)
    assert all(line.startswith(f"alerts.yaml:{start}") for line, start in zip(told, found, strict=True))


@pytest.mark.parametrize(
    "case",
    [
        {"do": "create", "ticket": TICKET, "again": "update", "changes": {"priority": "high"}},
        {"do": "create", "ticket": TICKET, "again": "create", "on_solved": "follow_up", "on_closed": "create"},
        {"do": "update", "changes": {"priority": "high"}, "missing": {"wait": 0, "then": "create"}, "ticket": TICKET},
        {"do": "update", "changes": {"priority": "high"}, "on_closed": "create", "ticket": TICKET},
        {"do": "solve"},
        {"do": "ignore", "when": "true"},
    ],
)
def test_a_case_that_holds_together_is_taken(case):
    assert PartnerDefinition.model_validate(PARTNER | {"events": [case]}).cases == (Case.model_validate(case),)


@pytest.mark.parametrize(
    ("case", "wrong"),
    [
        ({"do": "create"}, "ticket"),
        ({"do": "update"}, "changes"),
        ({"do": "update", "changes": {}, "ticket": TICKET}, "ticket"),
        ({"do": "create", "ticket": TICKET, "changes": {}}, "changes"),
        ({"do": "ignore", "ticket": TICKET}, "ticket"),
        ({"do": "ignore", "on_closed": "ignore"}, "on_closed"),
        ({"do": "solve", "on_solved": "reopen"}, "on_solved"),
    ],
)
def test_a_case_with_what_it_cannot_use_is_refused(case, wrong):
    with pytest.raises(ValidationError) as refused:
        Case.model_validate(case)
    assert list(refused.value.errors()[0]["ctx"]["fields"]) == [wrong]


def test_without_a_choice_nothing_is_lost():
    create, update, solve = (
        Case.model_validate({"do": "create", "ticket": TICKET}),
        Case.model_validate({"do": "update", "changes": {}}),
        Case.model_validate({"do": "solve", "missing": "wait"}),
    )
    assert create.policies == {}
    assert update.policies == {"missing": "unmapped", "wait": 600}
    assert solve.policies == {"missing": "unmapped", "wait": 600, "on_closed": "ignore"}


def test_the_short_form_is_one_case():
    short = PartnerDefinition.model_validate(PARTNER | {"when": "event.ok", "ticket": TICKET})
    assert short.cases == (Case(when="event.ok", do="create", ticket=TICKET),)
