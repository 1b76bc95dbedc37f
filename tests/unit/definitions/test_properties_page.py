"""Every example of docs/properties.md is what the models take, the build resolves, and the simulated Zendesk knows."""

import re

import pytest
import yaml

from layers.config import mistakes, names
from layers.config.catalogue import Catalogue
from layers.config.source import ROOT, Source
from local.zendesk_simulator.properties import sieve
from ticket_relay.zendesk.ticket_models import CommentWithFiles, TicketChanges, TicketCreate, uploaded

PAGE = (ROOT / "docs" / "properties.md").read_text(encoding="utf-8")
ROWS = re.findall(r"(?m)^\| `(\w+)` \| `(.+?)` \| ([a-z, ]+) \| .+ \| (\[[1-4]\]) \|$", PAGE)
MODELS = {"ticket": TicketCreate, "changes": TicketChanges}
CASES = [(name, example, where) for name, example, wheres, _ in ROWS for where in wheres.split(", ")]
FIELD_TYPES = [
    *("text", "textarea", "regexp", "partialcreditcard", "integer", "decimal"),
    *("date", "tagger", "multiselect", "checkbox", "lookup"),
]
"""As the Ticket Fields reference lists them."""
KNOWN_TO_NO_SIMULATOR = {"attribute_value_ids"}
CATALOGUE = Catalogue.model_validate(
    {
        "custom_fields": [
            {"id": 360008591391, "name": "Environment", "type": "text"},
            {"id": 360008591392, "name": "Seen on", "type": "date"},
            {"id": 360008591394, "name": "Amount", "type": "decimal"},
            {"id": 360008591395, "name": "Stage", "type": "tagger", "options": ["refund_stage_finance"]},
            {"id": 360008591396, "name": "Printers", "type": "multiselect", "options": ["hd_3000", "hd_5555"]},
            {"id": 360008591397, "name": "Loud", "type": "checkbox"},
            {"id": 360008591398, "name": "Pages", "type": "integer"},
            {"id": 360008591401, "name": "Story", "type": "textarea"},
            {"id": 360008591402, "name": "Serial number", "type": "regexp"},
            {"id": 360008591403, "name": "Card", "type": "partialcreditcard"},
            {"id": 360008591404, "name": "Owner", "type": "lookup"},
        ],
        "groups": [{"id": 360000042, "name": "Tier 2"}],
        "brands": [{"id": 360000051, "name": "Example"}],
        "forms": [{"id": 360000031, "name": "Default"}],
        "custom_statuses": [{"id": 360000062, "name": "Waiting on vendor"}],
    }
)


def test_every_line_of_the_table_is_read():
    assert len(ROWS) == len([line for line in PAGE.splitlines() if line.startswith("| `")])


@pytest.mark.parametrize("where", MODELS)
def test_the_page_has_every_property_and_no_other(where):
    shown = {name for name, _, wheres, _ in ROWS if where in wheres}
    assert shown == {*MODELS[where].model_fields, *names.PROPERTIES}


def test_the_page_has_everything_that_a_comment_may_have():
    shown = {key for name, example, _, _ in ROWS if name == "comment" for key in yaml.safe_load(example)["comment"]}
    assert shown == set(CommentWithFiles.model_fields)


def test_a_custom_field_of_each_type_has_a_line_of_its_own():
    shown = [yaml.safe_load(example)[name] for name, example, *_ in ROWS if name == "custom_fields"]
    type_of = {field.id: field.type for field in CATALOGUE.custom_fields}
    lines = [type_of[item["id"]] for fields in shown if isinstance(fields, list) for item in fields]
    assert sorted(lines) == sorted(FIELD_TYPES)


@pytest.mark.parametrize(("name", "example", "where"), CASES)
def test_an_example_is_taken_and_sent(tmp_path, name, example, where):
    given = yaml.safe_load(example)
    assert name in given
    template = given if where == "changes" or "comment" in given else {"description": "x"} | given
    (tmp_path / "it.yaml").write_text(yaml.safe_dump({where: template}))
    source = Source(tmp_path / "it.yaml")
    names.resolve(source, CATALOGUE)
    resolved = source.value[where]
    assert source.problems == []
    assert list(mistakes.of_template(MODELS[where], resolved, (where,))) == []
    sent = MODELS[where].model_validate(resolved).given()
    assert sent.keys() >= resolved.keys()
    if where == "ticket":
        unknown = []
        sieve(uploaded(sent, ["token"]), "create", unknown)
        assert {each.removeprefix("ticket.") for each in unknown} <= KNOWN_TO_NO_SIMULATOR
