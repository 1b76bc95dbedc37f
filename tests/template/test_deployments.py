"""Versions, canaries, keys and environments: how the stack is put in place of the one before."""

import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

from local.artefacts import ROOT
from local.aws import template as templates

type Stack = dict[str, dict[str, Any]]

SECRET = ("Secret", "Secrets")
FUNCTIONS = ("CreateTicketFunction", "PollJobsFunction", "UpdateTicketFunction")
URL = {"ZendeskBaseUrl": "https://example.zendesk.com"}


def of_kind(stack: Stack, kind: str) -> dict[str, dict[str, Any]]:
    return {name: resource for name, resource in stack.items() if resource["Type"] == kind}


def references(node: Any) -> Iterator[str]:
    """What a part of the template refers to: parameters and resources."""
    match node:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            yield name
        case {"Fn::Sub": text}:
            yield from re.findall(r"\$\{(\w+)", json.dumps(text))
            yield from references(text[1:]) if isinstance(text, list) else ()
        case dict():
            yield from (name for value in node.values() for name in references(value))
        case list():
            yield from (name for value in node for name in references(value))


def versions(stack: Stack) -> set[str]:
    return set(of_kind(stack, "AWS::Lambda::Version"))


@pytest.fixture
def changed(built: Path, tmp_path: Path) -> Callable[[str, str], Stack]:
    """The stack after a replacement in the built template."""

    def change(old: str, new: str) -> Stack:
        text = (built / "template.yaml").read_text(encoding="utf-8")
        assert old in text
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        (tmp_path / "template.yaml").write_text(text.replace(old, new), encoding="utf-8")
        stack: Stack = templates.translated(tmp_path, URL)["Resources"]
        return stack

    return change


def test_a_function_gets_a_new_version_only_if_something_changed(
    stack: Stack, changed: Callable[[str, str], Stack]
) -> None:
    assert versions(changed("Transform", "Transform")) == versions(stack)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ContentUri: TicketRelayLayer", "ContentUri: AnotherRelayLayer"),
        ("ContentUri: ConfigLayer", "ContentUri: AnotherConfigLayer"),
        ("ContentUri: DependenciesLayer", "ContentUri: OtherDependenciesLayer"),
        ("Runtime: python3.13", "Runtime: python3.14"),
    ],
)
def test_new_code_or_settings_are_a_new_version_of_every_function(
    stack: Stack, changed: Callable[[str, str], Stack], old: str, new: str
) -> None:
    """Otherwise the alias would go on with the old ones, and nothing would say so."""
    assert versions(stack) & versions(changed(old, new)) == set()


def test_another_value_of_a_parameter_is_a_new_version_of_the_functions_that_it_is_for(
    stack: Stack, template: dict[str, Any]
) -> None:
    """CloudFormation replaces a version whose description changes. Reserved concurrency is not a version's affair."""
    for name in FUNCTIONS:
        (version,) = [
            it["Properties"]
            for it in of_kind(stack, "AWS::Lambda::Version").values()
            if it["Properties"]["FunctionName"] == {"Ref": name}
        ]
        function = {key: it for key, it in stack[name]["Properties"].items() if key != "ReservedConcurrentExecutions"}
        needed = set(references([function, *(stack[it] for it in references(function) if it.endswith(SECRET))]))
        described = set(references(version["Description"]))
        assert described == (needed & template["Parameters"].keys()) - {"KmsKeyArn"}, name


def test_whoever_calls_a_function_calls_its_alias(stack: Stack) -> None:
    aliases = of_kind(stack, "AWS::Lambda::Alias")
    assert {alias["Properties"]["FunctionName"]["Ref"] for alias in aliases.values()} == set(FUNCTIONS)
    paths = stack["RelayHttpApi"]["Properties"]["Body"]["paths"]
    uris = re.findall(r"functions/\$\{([\w.]+)\}/invocations", json.dumps(paths))
    (schedule,) = of_kind(stack, "AWS::Scheduler::Schedule").values()
    allowed = [it["Properties"]["FunctionName"]["Ref"] for it in of_kind(stack, "AWS::Lambda::Permission").values()]
    called = {*uris, schedule["Properties"]["Target"]["Arn"]["Ref"], *allowed}
    assert called == set(aliases)
    (failures,) = of_kind(stack, "AWS::Lambda::EventInvokeConfig").values()
    assert failures["Properties"]["Qualifier"] == "live"


def test_a_version_that_rings_an_alarm_is_rolled_back(stack: Stack) -> None:
    groups = of_kind(stack, "AWS::CodeDeploy::DeploymentGroup")
    assert set(groups) == {f"{name}DeploymentGroup" for name in FUNCTIONS}
    for name in FUNCTIONS:
        group = groups[f"{name}DeploymentGroup"]["Properties"]
        errors = f"{name.removesuffix('Function')}ErrorsAlarm"
        alarms = [alarm["Name"]["Ref"] for alarm in group["AlarmConfiguration"]["Alarms"]]
        assert alarms == [errors, "UnexpectedErrorsAlarm"]
        assert "DEPLOYMENT_STOP_ON_ALARM" in group["AutoRollbackConfiguration"]["Events"]
        policy = stack[f"{name}Aliaslive"]["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]
        assert policy["DeploymentGroupName"] == {"Ref": f"{name}DeploymentGroup"}


def test_one_parameter_puts_versions_in_place_at_once(built: Path) -> None:
    stack: Stack = templates.translated(built, URL | {"CanaryDeployments": "false"})["Resources"]
    assert [name for name, it in stack.items() if it["Type"].startswith("AWS::CodeDeploy")] == []
    assert [name for name, it in stack.items() if "UpdatePolicy" in it] == []
    assert len(of_kind(stack, "AWS::Lambda::Alias")) == len(FUNCTIONS)


def test_nothing_needs_what_needs_it(stack: Stack) -> None:
    """CloudFormation refuses a circle; one through an alias's update policy is seen by no linter."""

    needs = {
        name: {it for it in [*references(resource), *resource.get("DependsOn", [])] if it in stack and it != name}
        for name, resource in stack.items()
    }
    TopologicalSorter(needs).prepare()


ENCRYPTED = {
    "AWS::DynamoDB::Table": lambda it: it["SSESpecification"]["KMSMasterKeyId"],
    "AWS::SQS::Queue": lambda it: it["KmsMasterKeyId"],
    "AWS::Logs::LogGroup": lambda it: it["KmsKeyId"],
    "AWS::SecretsManager::Secret": lambda it: it["KmsKeyId"],
    "AWS::SNS::Topic": lambda it: it["KmsMasterKeyId"],
}
"""Where each kind of resource names its key."""


@pytest.mark.parametrize("kind", ENCRYPTED)
def test_an_operators_own_key_encrypts_whatever_holds_something(stack: Stack, kind: str) -> None:
    resources = of_kind(stack, kind)
    assert resources
    for name, resource in resources.items():
        condition, given, _ = ENCRYPTED[kind](resource["Properties"])["Fn::If"]
        assert (condition, given) == ("HasKmsKey", {"Ref": "KmsKeyArn"}), name


def test_who_reads_what_an_operators_key_encrypts_may_use_it(stack: Stack) -> None:
    policy = stack["KeyPolicy"]
    assert policy["Condition"] == "HasKmsKey"
    assert {role["Ref"] for role in policy["Properties"]["Roles"]} == {
        *("CreateTicketRole", "PollJobsRole", "UpdateTicketRole", "PollJobsFunctionEveryMinuteRole", "OutcomePipeRole")
    }
    (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
    assert statement["Resource"] == {"Ref": "KmsKeyArn"}


SAMCONFIG = tomllib.loads((ROOT / "samconfig.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_an_environment_sets_parameters_that_there_are(environment: str, template: dict[str, Any]) -> None:
    given = dict(it.split("=", 1) for it in SAMCONFIG[environment]["deploy"]["parameters"]["parameter_overrides"])
    for name, value in given.items():
        allowed = template["Parameters"][name].get("AllowedValues")
        assert allowed is None or value in map(str, allowed), name
    assert "ZendeskBaseUrl" in given


def test_two_environments_can_be_in_one_account() -> None:
    settings = [SAMCONFIG[name] for name in ("dev", "prod")]
    assert len({it["global"]["parameters"]["stack_name"] for it in settings}) == 2
    given = [dict(pair.split("=", 1) for pair in it["deploy"]["parameters"]["parameter_overrides"]) for it in settings]
    for secret in ("ZendeskSecretName", "PartnerSecretsName", "WebhookSecretName"):
        assert len({parameters[secret] for parameters in given}) == 2
