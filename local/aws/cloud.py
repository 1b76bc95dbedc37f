"""The AWS side: moto's server, and in it the stack made from the template, so that nothing is described twice."""

import asyncio
import contextlib
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import boto3
from botocore.config import Config
from mypy_boto3_cloudformation import CloudFormationClient
from mypy_boto3_dynamodb import DynamoDBClient
from mypy_boto3_secretsmanager import SecretsManagerClient

from local.api_gateway.events import Route
from local.aws import template
from local.aws.pipe import Definition, Pipe
from local.processes import free_port, listening, spawned
from local.runtimes.runtime import ACCESS_KEY, REGION, SECRET_KEY, Function

_STACK = "ticket-relay"
_TABLE = "Table"

# What the functions need and moto makes of a template. It makes no HTTP API, schedule or secret from one: routes and
# schedule are served by this package, and secrets are made first, through their own API.
_MADE_BY_MOTO = {
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::S3::BucketPolicy",
    "AWS::SQS::Queue",
}

# What watches a deployed stack, or replaces its versions, has nothing to do here. Any other kind of resource is refused
# until somebody has decided which of these it is.
_NOT_HERE = {
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::KMS::Key",
    "AWS::Logs::QueryDefinition",
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
}

# Served by this package, or made through their own API. Whoever calls an alias gets the function's one version.
_SERVED_HERE = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Stage",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Pipes::Pipe",
    "AWS::Scheduler::Schedule",
    "AWS::SecretsManager::Secret",
}

# Compiled for Lambda's Linux. Elsewhere `.runtime` holds the same dependencies, built for the system.
_LINUX_ONLY = "DependenciesLayer"
_ON_LINUX = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Cloud:
    """What was made. `functions` by name; each route's function, and `scheduled`, are such names.

    `deployed_name` is what the scheduled one is called in AWS. `pipe` is None in a stack that has none.
    """

    aws_url: str
    dynamodb_url: str
    table: str
    bus: str | None
    pipe: Pipe | None
    functions: dict[str, Function]
    routes: list[Route]
    scheduled: str
    deployed_name: str


def forget_aws_profile() -> None:
    """Keep the developer's own AWS configuration from redirecting this process's clients, or breaking them."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}


@contextlib.asynccontextmanager
async def moto() -> AsyncIterator[str]:
    """Moto's server for as long as the context lasts; gives its address. Its log of requests is dropped."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    noise = re.compile(r'HTTP/1\.\d(\x1b\[\d+m)*" \d{3}|development server|\* Running on|CTRL\+C')
    async with spawned("moto", *command, env=environment, hidden=noise) as process:
        await listening(f"127.0.0.1:{port}", process, within=60)
        yield f"http://127.0.0.1:{port}"


async def made(
    folder: Path,
    aws_url: str,
    dynamodb_url: str | None,
    parameters: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    endpoints: Mapping[str, str] = MappingProxyType({}),
) -> Cloud:
    """Make the stack from the built template in `folder`; `secrets` are values by logical id.

    Given `dynamodb_url`, the table is made there and not used in moto. `endpoints` are variables for the functions that
    name a service's address, where it is not moto's.
    """
    return await asyncio.to_thread(_made, folder, aws_url, dynamodb_url, parameters, secrets, others=endpoints)


def _made(
    folder: Path,
    aws_url: str,
    dynamodb_url: str | None,
    parameters: Mapping[str, str],
    secrets: Mapping[str, str],
    *,
    others: Mapping[str, str],
) -> Cloud:
    plain = template.translated(folder, parameters)
    if unknown := template.kinds(plain) - _MADE_BY_MOTO - _SERVED_HERE - _NOT_HERE:
        raise RuntimeError(f"local/aws does not know what to do with {', '.join(sorted(unknown))}")
    _put_artefacts(plain, aws_url)
    known = _put_secrets(plain, secrets, aws_url) | {
        name: f"{properties['FunctionName']['Ref']}:{properties['Name']}"
        for name, properties in template.resources(plain, "AWS::Lambda::Alias")
    }
    physical = _create_stack(template.only(plain, _MADE_BY_MOTO, known), parameters, aws_url)
    endpoints = {"AWS_ENDPOINT_URL": aws_url, **others}
    table = dict(template.resources(plain, "AWS::DynamoDB::Table"))[_TABLE]
    if dynamodb_url:
        _put_table(table, physical[_TABLE], dynamodb_url)
        endpoints["AWS_ENDPOINT_URL_DYNAMODB"] = dynamodb_url
    # Moto passes over this in a template.
    lifetime = table["TimeToLiveSpecification"]
    dynamodb = _client("dynamodb", dynamodb_url or aws_url)
    dynamodb.update_time_to_live(TableName=physical[_TABLE], TimeToLiveSpecification=lifetime)
    stream = dynamodb.describe_table(TableName=physical[_TABLE])["Table"].get("LatestStreamArn")
    functions = _functions(plain, physical, folder, endpoints, aws_url)
    bus = _bus(plain)
    (scheduled,) = template.scheduled(plain)
    return Cloud(
        aws_url=aws_url,
        dynamodb_url=dynamodb_url or aws_url,
        table=physical[_TABLE],
        bus=bus,
        pipe=_pipe(plain, stream, bus, dynamodb_url or aws_url, aws_url),
        functions={function.name: function for function in functions.values()},
        routes=[Route(route.key, functions[route.function].name) for route in template.routes(plain)],
        scheduled=functions[scheduled].name,
        deployed_name=_alias(plain, known, scheduled) or physical[scheduled],
    )


def _client(service: str, url: str) -> Any:
    config = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2})
    return boto3.client(  # type: ignore[call-overload] # the lite stubs know no service by name
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=config,
    )


def _put_artefacts(plain: template.Template, url: str) -> None:
    """Moto wants an archive where the template says that code is; the code itself is run from the build folder."""
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    s3 = _client("s3", url)
    s3.create_bucket(Bucket=template.ARTEFACTS_BUCKET)
    for kind in ("AWS::Lambda::Function", "AWS::Lambda::LayerVersion"):
        for _, properties in template.resources(plain, kind):
            s3.put_object(Bucket=template.ARTEFACTS_BUCKET, Key=template.artefact(properties), Body=empty.getvalue())


def _put_secrets(plain: template.Template, values: Mapping[str, str], url: str) -> dict[str, str]:
    manager = cast("SecretsManagerClient", _client("secretsmanager", url))
    return {
        name: manager.create_secret(Name=f"{_STACK}/{name}", SecretString=values[name])["ARN"]
        for name, _ in template.resources(plain, "AWS::SecretsManager::Secret")
    }


def _create_stack(cut: template.Template, parameters: Mapping[str, str], url: str) -> dict[str, str]:
    """Physical ids by logical ids, of those that have one: moto gives layers none."""
    cloudformation = cast("CloudFormationClient", _client("cloudformation", url))
    cloudformation.create_stack(
        StackName=_STACK,
        TemplateBody=json.dumps(cut),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )
    described = cloudformation.describe_stack_resources(StackName=_STACK)["StackResources"]
    return {made["LogicalResourceId"]: made["PhysicalResourceId"] for made in described if "PhysicalResourceId" in made}


def _functions(
    plain: template.Template, physical: Mapping[str, str], folder: Path, endpoints: dict[str, str], url: str
) -> dict[str, Function]:
    """By logical id. Values are moto's, which has resolved every reference, but for the three that it does not keep."""
    lambda_ = _client("lambda", url)
    functions = {}
    for name, properties in template.resources(plain, "AWS::Lambda::Function"):
        resolved = lambda_.get_function_configuration(FunctionName=physical[name])
        reserved = lambda_.get_function_concurrency(FunctionName=physical[name]).get("ReservedConcurrentExecutions")
        layers = [layer for layer in template.layers(plain, properties) if layer != _LINUX_ONLY or _ON_LINUX]
        functions[name] = Function(
            name=_plain_name(name),
            handler=resolved["Handler"],
            folder=folder / template.artefact(properties),
            layers=tuple(folder / layer for layer in layers),
            environment={key: str(value) for key, value in resolved["Environment"]["Variables"].items()} | endpoints,
            timeout=resolved["Timeout"],
            memory=resolved["MemorySize"],
            log_format=properties.get("LoggingConfig", {}).get("LogFormat", "Text"),
            reserved=int(reserved) if reserved else None,
        )
    return functions


def _alias(plain: template.Template, known: Mapping[str, str], function: str) -> str | None:
    """What callers call in its place, if it has an alias."""
    aliases = template.resources(plain, "AWS::Lambda::Alias")
    return next((known[name] for name, alias in aliases if alias["FunctionName"] == {"Ref": function}), None)


def _bus(plain: template.Template) -> str | None:
    """The template names it after the stack."""
    return next((_STACK for _ in template.resources(plain, "AWS::Events::EventBus")), None)


def _pipe(plain: template.Template, stream: str | None, bus: str | None, dynamodb_url: str, url: str) -> Pipe | None:
    """From the table's stream to the bus, as the template has it."""
    for _, properties in template.resources(plain, "AWS::Pipes::Pipe"):
        if stream and bus:
            streams, events = _client("dynamodbstreams", dynamodb_url), _client("events", url)
            return Pipe(Definition.of(properties), stream, bus, streams, events)
    return None


def _plain_name(logical_id: str) -> str:
    """`create_ticket` of `CreateTicketFunction`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", logical_id.removesuffix("Function")).lower()


def _put_table(properties: Mapping[str, Any], name: str, url: str) -> None:
    """Make the table in a DynamoDB that may be years older than the template: only with what every version knows."""
    dynamodb = cast("DynamoDBClient", _client("dynamodb", url))
    known = ("KeySchema", "AttributeDefinitions", "GlobalSecondaryIndexes", "BillingMode", "StreamSpecification")
    if "StreamSpecification" in properties:
        # CloudFormation enables a stream by naming what it shows; DynamoDB is told both.
        properties = {**properties, "StreamSpecification": {"StreamEnabled": True, **properties["StreamSpecification"]}}
    with contextlib.suppress(dynamodb.exceptions.ResourceInUseException):
        dynamodb.create_table(TableName=name, **{key: properties[key] for key in known if key in properties})
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
