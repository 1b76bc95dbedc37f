import json
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator
from pydantic import ValidationError

from cli import schema
from layers.config.compile import FOLDER, Config
from ticket_relay.definitions.models import PartnerDefinition, UpdateRule
from ticket_relay.webhooks.presets import NAMES

KINDS = {"partners": "partner.json", "examples": "partner.json", "updates": "update.json"}
FILES = [(path, kind) for folder, kind in KINDS.items() for path in sorted((FOLDER / folder).glob("*.yaml"))]
HOOLI = yaml.safe_load((FOLDER / "partners" / "hooli.yaml").read_text())
RULE = yaml.safe_load((FOLDER / "updates" / "escalate-vip.yaml").read_text())


def errors(definition, name="partner.json"):
    return [error.message for error in Draft7Validator(json.loads(schema.text(name))).iter_errors(definition)]


@pytest.mark.parametrize("name", schema.FILES)
def test_the_committed_schema_is_fresh(name):
    """`relay schema` writes it again."""
    assert (FOLDER / "schema" / name).read_text() == schema.text(name)
    Draft7Validator.check_schema(json.loads(schema.text(name)))


@pytest.mark.parametrize(("path", "kind"), FILES, ids=lambda value: getattr(value, "stem", value))
def test_each_file_names_its_schema_in_its_first_line_and_fits_it(path, kind):
    first = path.read_text().splitlines()[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named
    assert (path.parent / named[1]).resolve() == FOLDER / "schema" / kind
    assert errors(yaml.safe_load(path.read_text()), kind) == []


def test_it_is_written_beside_the_definitions(tmp_path):
    written = schema.write(Config(tmp_path / "new"))
    assert [path.relative_to(tmp_path / "new").as_posix() for path in written] == [
        "schema/partner.json",
        "schema/update.json",
    ]
    assert written[0].read_text() == schema.text("partner.json")


@pytest.mark.parametrize(
    "change",
    [
        {"scheme": "carrier-pigeon"},
        {"partner": "Hooli"},
        {"tiket": {}},
        {"when": ""},
        {"hmac": {"header": "x", "algorithm": "md5"}},
        {"ticket": {"subjet": "x"}},
        {"ticket": {"external_id": "x"}},
        {"ticket": "x"},
        {"events": []},
        {"events": [{"do": "close"}]},
        {"events": [{"do": "update", "changes": {"subjet": "x"}}]},
        {"events": [{"do": "update", "missing": "later"}]},
        {"sample": None},
    ],
)
def test_what_the_build_would_refuse_an_editor_marks(change):
    definition = HOOLI | change
    with pytest.raises(ValidationError):
        PartnerDefinition.model_validate(definition)
    assert errors(definition)


@pytest.mark.parametrize(
    "change",
    [
        *({"scheme": scheme} for scheme in sorted(NAMES - {"hmac"})),
        {"scheme": "hmac", "hmac": {"header": "X-Sig", "id": {"body": "/id"}}},
        {"events": [{"do": "update", "missing": "wait", "changes": {"tags": {"add": ["x"]}}}]},
        {"events": [{"do": "create", "ticket": {"$if": "x", "then": {}, "else": {"subject": "y"}}}]},
        {"events": [{"do": "create", "ticket": {"${event.field}": 1, "priority": {"$eval": "x"}}}]},
    ],
)
def test_what_the_build_takes_an_editor_does_not_mark(change):
    PartnerDefinition.model_validate(HOOLI | change)
    assert errors(HOOLI | change) == []


@pytest.mark.parametrize("change", [{"on_conflict": "win"}, {"changes": {"submitter": 1}}, {"sample": "x"}])
def test_rules_are_checked_as_well(change):
    with pytest.raises(ValidationError):
        UpdateRule.model_validate(RULE | change)
    assert errors(RULE | change, "update.json")


KEYS = st.sampled_from(
    ["subject", "priority", "external_id", "subjet", "$if", "then", "${event.x}", "$$escaped", "tags"]
)


@given(st.dictionaries(KEYS, st.just("x")))
def test_keys_of_a_template_are_judged_as_the_build_judges_them(template):
    definition = {"partner": "acme", "scheme": "github", "sample": "x", "ticket": template}
    try:
        PartnerDefinition.model_validate(definition)
    except ValidationError:
        assert errors(definition)
    else:
        assert errors(definition) == []
