"""What the local stack reads from the deployed template."""

import json
from pathlib import Path

import pytest
from samtranslator.yaml_helper import yaml_parse

from local.artefacts import ROOT
from local.aws import template


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> template.Template:
    """The template as `sam build` leaves it: each resource's code is a folder beside it."""
    built = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    del built["Globals"]["Function"]["CodeUri"]
    for name, resource in built["Resources"].items():
        if resource["Type"] in {"AWS::Serverless::Function", "AWS::Serverless::LayerVersion"}:
            resource["Properties"]["CodeUri" if resource["Type"].endswith("Function") else "ContentUri"] = name
    folder: Path = tmp_path_factory.mktemp("build")
    (folder / "template.yaml").write_text(json.dumps(built), encoding="utf-8")
    return template.translated(folder, {"ZendeskBaseUrl": "http://127.0.0.1:1"})


def test_every_route_of_the_api_is_found_with_its_function(plain: template.Template) -> None:
    assert {route.key: route.function for route in template.routes(plain)} == {
        "POST /webhooks/{partner}": "CreateTicketFunction",
        "GET /webhooks/{partner}/events/{id+}": "CreateTicketFunction",
        "POST /zendesk/ticket-updates": "UpdateTicketFunction",
        "$default": "CreateTicketFunction",
    }


def test_the_poller_is_what_the_schedule_calls(plain: template.Template) -> None:
    assert template.scheduled(plain) == ["PollJobsFunction"]


def test_each_function_has_the_three_layers_in_their_order(plain: template.Template) -> None:
    functions = dict(template.resources(plain, "AWS::Lambda::Function"))
    assert len(functions) == 3
    for name, function in functions.items():
        assert template.artefact(function) == name
        assert template.layers(plain, function) == ["DependenciesLayer", "TicketRelayLayer", "ConfigLayer"]


def test_a_cut_template_holds_only_the_kinds_asked_for_and_known_references_by_value() -> None:
    whole = {
        "Outputs": {"Url": {"Value": {"Ref": "Api"}}},
        "Resources": {
            "Api": {"Type": "AWS::ApiGatewayV2::Api"},
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {"Arns": [{"Ref": "Secret"}, {"Ref": "Table"}]},
            },
        },
    }
    cut = template.only(whole, {"AWS::Lambda::Function"}, {"Secret": "arn:secret"})
    assert cut == {
        "Resources": {
            "Function": {"Type": "AWS::Lambda::Function", "Properties": {"Arns": ["arn:secret", {"Ref": "Table"}]}}
        }
    }
