"""What the deployed template says, as the plain CloudFormation that SAM's own translator makes. No AWS call here."""

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

from local.api_gateway.events import Route
from local.runtimes.runtime import REGION

ARTEFACTS_BUCKET = "artefacts"

type Template = dict[str, Any]


def translated(folder: Path, parameters: Mapping[str, str]) -> Template:
    """The built template in `folder` as CloudFormation. Code's S3 key is the artefact's name in `folder`."""
    template = yaml_parse((folder / "template.yaml").read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        for name in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][name] = f"s3://{ARTEFACTS_BUCKET}/{resource['Properties'][name]}"
    translator = Translator(managed_policy_map={}, sam_parser=Parser(), boto_session=boto3.Session(region_name=REGION))
    plain: Template = translator.translate(template, dict(parameters))
    return plain


def resources(template: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Logical id and properties of each resource of a kind such as `AWS::Lambda::Function`."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield name, resource.get("Properties", {})


def kinds(template: Template) -> set[str]:
    """The kinds of all resources."""
    return {resource["Type"] for resource in template["Resources"].values()}


def only(template: Template, kinds: set[str], known: Mapping[str, str]) -> Template:
    """The template with resources of these kinds only and no outputs; a `Ref` to a `known` one becomes its value."""
    cut = copy.deepcopy({key: value for key, value in template.items() if key != "Outputs"})
    cut["Resources"] = {name: value for name, value in cut["Resources"].items() if value["Type"] in kinds}
    replaced: Template = _known(cut, known)
    return replaced


def artefact(properties: Mapping[str, Any]) -> str:
    """The name of the built folder that holds a function's or a layer's code."""
    code = properties.get("Code") or properties["Content"]
    return str(code["S3Key"])


def layers(template: Template, function: Mapping[str, Any]) -> list[str]:
    """The names of the built folders of a function's layers, in their order; without those that a parameter adds."""
    ours = [layer["Ref"] for layer in function.get("Layers", []) if "Ref" in layer]
    return [artefact(template["Resources"][layer]["Properties"]) for layer in ours]


def routes(template: Template) -> list[Route]:
    """The HTTP API's routes, each with the logical id of its function, as the OpenAPI document made by SAM has them."""
    return [
        Route(_route_key(path, method), _invoked(template, operation["x-amazon-apigateway-integration"]["uri"]))
        for _, api in resources(template, "AWS::ApiGatewayV2::Api")
        for path, methods in api["Body"]["paths"].items()
        for method, operation in methods.items()
    ]


def scheduled(template: Template) -> list[str]:
    """Logical ids of the functions that a schedule calls."""
    targets = [properties["Target"]["Arn"] for _, properties in resources(template, "AWS::Scheduler::Schedule")]
    return [_function(template, target.get("Ref") or target["Fn::GetAtt"][0]) for target in targets]


def _route_key(path: str, method: str) -> str:
    if path == "$default":
        return path
    return f"{'ANY' if method == 'x-amazon-apigateway-any-method' else method.upper()} {path}"


def _invoked(template: Template, uri: Mapping[str, str]) -> str:
    # An Fn::Sub of arn:${AWS::Partition}:apigateway:…/functions/${CreateTicketFunction.Arn}/invocations, or an alias's.
    found = re.search(r"/functions/\$\{(\w+)(\.Arn)?\}/", uri["Fn::Sub"])
    if found is None:
        raise ValueError(f"no function in the integration {uri}")
    return _function(template, found[1])


def _function(template: Template, called: str) -> str:
    """The function itself, where one of its aliases is called."""
    resource = template["Resources"][called]
    return str(resource["Properties"]["FunctionName"]["Ref"] if resource["Type"] == "AWS::Lambda::Alias" else called)


def _known(node: Any, known: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        if node.keys() == {"Ref"} and node["Ref"] in known:
            return known[node["Ref"]]
        return {key: _known(value, known) for key, value in node.items()}
    if isinstance(node, list):
        return [_known(value, known) for value in node]
    return node
