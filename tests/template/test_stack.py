"""What the stack must be, whatever is added to it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ticket_relay.config import Settings

type Stack = dict[str, dict[str, Any]]


def properties(stack: Stack, kind: str) -> dict[str, dict[str, Any]]:
    return {name: resource["Properties"] for name, resource in stack.items() if resource["Type"] == kind}


def functions(stack: Stack) -> list[dict[str, Any]]:
    return list(properties(stack, "AWS::Lambda::Function").values())


def statements(stack: Stack) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each statement of each role's own policies, with the role's name."""
    for name, role in properties(stack, "AWS::IAM::Role").items():
        for policy in role.get("Policies", []):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement


def actions(statement: dict[str, Any]) -> list[str]:
    action = statement["Action"]
    return [action] if isinstance(action, str) else action


def test_a_statement_allows_one_to_three_actions(stack: Stack) -> None:
    assert [statement for _, statement in statements(stack) if not 1 <= len(actions(statement)) <= 3] == []


def test_no_statement_holds_a_star(stack: Stack) -> None:
    """But for the objects of the one bucket, whose names nobody knows before."""
    objects = json.dumps({"Fn::Sub": "${EventBucket.Arn}/*"})
    found = [json.dumps(statement).replace(objects, "") for _, statement in statements(stack)]
    assert [statement for statement in found if "*" in statement] == []


def test_policies_of_somebody_else_are_for_traces_and_for_codedeploy_alone(stack: Stack) -> None:
    policies = {
        name: [arn["Fn::Sub"].rpartition("/")[2] for arn in role["ManagedPolicyArns"]]
        for name, role in properties(stack, "AWS::IAM::Role").items()
        if role.get("ManagedPolicyArns")
    }
    functions = {f"{name}Role": ["AWSXRayDaemonWriteAccess"] for name in ("CreateTicket", "PollJobs", "UpdateTicket")}
    assert policies == functions | {"DeploymentRole": ["AWSCodeDeployRoleForLambdaLimited"]}


def test_each_function_has_a_role_of_its_own(stack: Stack) -> None:
    roles = [json.dumps(function["Role"]) for function in functions(stack)]
    assert len(set(roles)) == len(roles) == 3


def test_every_function_states_memory_timeout_runtime_and_tracing(stack: Stack) -> None:
    for function in functions(stack):
        assert {"MemorySize", "Timeout"} <= function.keys()
        assert function["Runtime"] == "python3.13"
        assert function["TracingConfig"] == {"Mode": "Active"}
        assert function["Architectures"] == [{"Ref": "Architecture"}]


def test_every_function_logs_to_a_group_of_its_own_that_forgets(stack: Stack) -> None:
    groups = [function["LoggingConfig"]["LogGroup"]["Ref"] for function in functions(stack)]
    assert len(set(groups)) == 3
    for group in groups:
        assert stack[group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}


def test_every_function_is_told_what_the_settings_read(stack: Stack) -> None:
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    for function in functions(stack):
        assert required <= function["Environment"]["Variables"].keys()


def test_no_function_is_told_what_nobody_reads(stack: Stack) -> None:
    known = {name.upper() for name in Settings.model_fields}
    for function in functions(stack):
        unknown = function["Environment"]["Variables"].keys() - known
        powertools = {"POWERTOOLS_SERVICE_NAME", "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_LOG_LEVEL"}
        assert unknown == powertools | {"PYDANTIC_DISABLE_PLUGINS", "AWS_LAMBDA_EXEC_WRAPPER"}


def test_a_tracer_is_loaded_only_where_a_parameter_names_its_layer(
    stack: Stack, template: dict[str, Any], built: Path
) -> None:
    """No function imports one by itself, so that it costs nothing where it is off."""
    assert template["Parameters"]["TracingLayerArn"]["Default"] == ""
    for function in functions(stack):
        layer = {"Fn::If": ["HasTracingLayer", {"Ref": "TracingLayerArn"}, {"Ref": "AWS::NoValue"}]}
        assert function["Layers"][-1] == layer
        wrapper = function["Environment"]["Variables"]["AWS_LAMBDA_EXEC_WRAPPER"]
        assert wrapper == {"Fn::If": ["HasTracingLayer", "/opt/otel-instrument", {"Ref": "AWS::NoValue"}]}
    installed = {path.name for path in (built / "DependenciesLayer" / "python").iterdir()}
    assert {name for name in installed if name.startswith(("opentelemetry", "aws_xray_sdk"))} == set()


@pytest.mark.parametrize(
    ("function", "secret"), [("CreateTicketFunction", "PartnerSecrets"), ("UpdateTicketFunction", "WebhookSecret")]
)
def test_a_function_is_told_the_keys_of_those_who_call_it(stack: Stack, function: str, secret: str) -> None:
    assert stack[function]["Properties"]["Environment"]["Variables"]["SIGNING_SECRETS_ARN"] == {"Ref": secret}


@pytest.mark.parametrize(
    ("role", "secrets"),
    [
        ("CreateTicketRole", [{"Ref": "ZendeskSecret"}, {"Ref": "PartnerSecrets"}]),
        ("PollJobsRole", [{"Ref": "ZendeskSecret"}, {"Ref": "PartnerSecrets"}]),
        ("UpdateTicketRole", [{"Ref": "ZendeskSecret"}, {"Ref": "WebhookSecret"}]),
    ],
)
def test_a_function_reads_its_own_secrets_only(stack: Stack, role: str, secrets: Any) -> None:
    (allowed,) = [
        statement["Resource"]
        for name, statement in statements(stack)
        if name == role and actions(statement) == ["secretsmanager:GetSecretValue"]
    ]
    assert allowed == secrets


def test_the_poller_runs_once_at_a_time(stack: Stack) -> None:
    assert stack["PollJobsFunction"]["Properties"]["ReservedConcurrentExecutions"] == 1


def test_a_run_of_the_poller_that_fails_is_kept_and_not_repeated(stack: Stack) -> None:
    (config,) = properties(stack, "AWS::Lambda::EventInvokeConfig").values()
    assert config["FunctionName"] == {"Ref": "PollJobsFunction"}
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 300)
    assert config["DestinationConfig"]["OnFailure"]["Destination"] == {"Fn::GetAtt": ["PollFailures", "Arn"]}


def test_a_run_of_the_poller_that_cannot_start_is_kept(stack: Stack) -> None:
    (schedule,) = properties(stack, "AWS::Scheduler::Schedule").values()
    assert schedule["Target"]["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["PollFailures", "Arn"]}
    assert schedule["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"] == 60


def test_the_schedule_has_no_name_that_a_second_stack_would_want(stack: Stack) -> None:
    (schedule,) = properties(stack, "AWS::Scheduler::Schedule").values()
    assert "Name" not in schedule


def test_queues_are_encrypted_and_keep_their_messages_for_two_weeks(stack: Stack) -> None:
    for queue in properties(stack, "AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] == {"Fn::If": ["HasKmsKey", {"Ref": "AWS::NoValue"}, True]}
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600


@pytest.mark.parametrize(
    ("path", "method", "function"),
    [
        ("/webhooks/{partner}", "post", "CreateTicketFunction"),
        ("/webhooks/{partner}/events/{id+}", "get", "CreateTicketFunction"),
        ("/zendesk/ticket-updates", "post", "UpdateTicketFunction"),
        ("$default", "x-amazon-apigateway-any-method", "CreateTicketFunction"),
    ],
)
def test_a_route_leads_to_its_function(stack: Stack, path: str, method: str, function: str) -> None:
    integration = stack["RelayHttpApi"]["Properties"]["Body"]["paths"][path][method]["x-amazon-apigateway-integration"]
    assert f"${{{function}Aliaslive}}" in integration["uri"]["Fn::Sub"]
    assert integration["payloadFormatVersion"] == "2.0"


def test_the_api_is_throttled(stack: Stack) -> None:
    (stage,) = properties(stack, "AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] == {"Ref": "ApiBurstLimit"}
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] == {"Ref": "ApiRateLimit"}


def test_zendesks_webhooks_have_a_limit_of_their_own_and_the_same_metrics_as_the_others(stack: Stack) -> None:
    """Settings of a route take the place of all default ones, and those for a route that is not there stop a deploy."""
    (stage,) = properties(stack, "AWS::ApiGatewayV2::Stage").values()
    ((route, settings),) = stage["RouteSettings"].items()
    method, path = route.split()
    assert method.lower() in stack["RelayHttpApi"]["Properties"]["Body"]["paths"][path]
    assert path == "/zendesk/ticket-updates"
    assert settings == {
        "ThrottlingBurstLimit": {"Ref": "WebhookBurstLimit"},
        "ThrottlingRateLimit": {"Ref": "WebhookRateLimit"},
        "DetailedMetricsEnabled": stage["DefaultRouteSettings"]["DetailedMetricsEnabled"],
    }


def test_updates_get_concurrency_of_their_own_only_on_demand(stack: Stack, template: dict[str, Any]) -> None:
    """A new account has a quota of 10, all of which must stay unreserved."""
    reserved = stack["UpdateTicketFunction"]["Properties"]["ReservedConcurrentExecutions"]
    assert reserved == {"Fn::If": ["ReservesForUpdates", {"Ref": "UpdateConcurrency"}, {"Ref": "AWS::NoValue"}]}
    assert template["Conditions"]["ReservesForUpdates"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "UpdateConcurrency"}, 0]}]
    }
    assert template["Parameters"]["UpdateConcurrency"]["Default"] == 0


def test_access_logs_are_json_and_hold_neither_headers_nor_bodies(stack: Stack) -> None:
    (stage,) = properties(stack, "AWS::ApiGatewayV2::Stage").values()
    logged = json.loads(stage["AccessLogSettings"]["Format"]).values()
    assert {value for value in logged if "header" in value.lower() or "body" in value.lower()} == set()


def test_the_table_survives_the_stack_and_its_own_mistakes(stack: Stack) -> None:
    table = stack["Table"]
    assert (table["DeletionPolicy"], table["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["SSESpecification"]["SSEEnabled"] is True


def test_the_index_of_what_is_due_holds_keys_and_the_age_only(stack: Stack) -> None:
    (index,) = stack["Table"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["IndexName"] == "due"
    assert index["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["created_at"]}
    assert [key["AttributeName"] for key in index["KeySchema"]] == ["due_shard", "due_at"]


def test_no_secret_gets_its_value_from_the_template(stack: Stack) -> None:
    for secret in properties(stack, "AWS::SecretsManager::Secret").values():
        assert secret.keys() == {"Name", "Description", "KmsKeyId"}
