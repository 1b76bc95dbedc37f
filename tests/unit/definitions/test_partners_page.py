"""docs/partners.md says what is true: every key has its row, and every recipe does what stands below it."""

import dataclasses
import json
import re

import pytest
import yaml
from pydantic import BaseModel

from cli.schema import TABLES, meanings
from tests.builders import ROOT
from ticket_relay.create_ticket import mapping
from ticket_relay.definitions.models import Attachments, Case, Missing, PartnerDefinition, RuleSample, UpdateRule
from ticket_relay.webhooks.scheme import Basic, Bearer, Hmac, Place, Timestamp
from ticket_relay.webhooks.signatures import Delivery

PAGE = (ROOT / "docs" / "partners.md").read_text()
SCHEMES = (ROOT / "docs" / "schemes.md").read_text()
COOKBOOK = PAGE.split("\n## Cookbook\n")[1].split("\n## ")[0]
RECIPES = {recipe.split("\n")[0]: recipe for recipe in COOKBOOK.split("\n### ")[1:]}
DEFAULTS = {"partner": "initech", "scheme": "github", "sample": "events/it.json"}


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def definition(recipe):
    (given,) = blocks(recipe, "yaml")
    given = DEFAULTS | yaml.safe_load(given)
    if "events" not in given:
        given["ticket"] = {"comment": {"body": "x"}} | given.get("ticket", {})
    return PartnerDefinition.model_validate(given)


@pytest.mark.parametrize("title", TABLES)
def test_every_key_is_in_the_reference_and_no_other(title):
    """Two are the build's own."""
    assert sorted(meanings(title)) == sorted(TABLES[title].model_fields.keys() - {"fields_set", "forms_set"})


@pytest.mark.parametrize("settings", [Hmac, Bearer, Basic, Timestamp])
def test_every_setting_of_a_scheme_is_on_the_page_of_schemes(settings):
    names = {each.name for each in dataclasses.fields(settings)} - {each.name for each in dataclasses.fields(Place)}
    assert [name for name in names if f"`{name}" not in SCHEMES] == []


def test_the_page_has_tables_for_every_model_of_a_definition():
    found, waiting = set(), [PartnerDefinition, UpdateRule]
    while waiting:
        model = waiting.pop()
        found.add(model)
        text = " ".join(str(field.annotation) for field in model.model_fields.values())
        waiting += [
            each for each in (Attachments, Case, Missing, RuleSample) if each.__name__ in text and each not in found
        ]
    assert found == set(TABLES.values())
    assert all(issubclass(model, BaseModel) for model in found)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_right_definition(name):
    assert definition(RECIPES[name])


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if "```json" in recipe])
def test_a_recipe_makes_of_the_event_what_it_says(name):
    event, becomes = map(json.loads, blocks(RECIPES[name], "json"))
    (mapped,) = mapping.map_delivery(definition(RECIPES[name]), event, Delivery("evt", 1_795_300_000, None))
    ticket = mapped.ticket.given()
    assert {key: ticket.get(key) for key in becomes} == becomes


def test_most_recipes_show_what_becomes_of_an_event():
    assert len([recipe for recipe in RECIPES.values() if len(blocks(recipe, "json")) == 2]) >= 10
