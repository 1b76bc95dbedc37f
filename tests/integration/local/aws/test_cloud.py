"""The stack that moto makes of a template: what a function is told, and where its table and secrets are."""

import asyncio
import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from local.api_gateway.events import Route
from local.aws import cloud

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Parameters:
  Address: {Type: String}
  Seconds: {Type: Number, Default: 7}
  Reserved: {Type: Number, Default: 0}
Conditions:
  Reserves: !Not [!Equals [!Ref Reserved, 0]]
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
  TakeOrderFunction:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: TakeOrderFunction
      AutoPublishAlias: live
      Timeout: !Ref Seconds
      MemorySize: 512
      ReservedConcurrentExecutions: !If [Reserves, !Ref Reserved, !Ref AWS::NoValue]
      Layers: [!Ref CommonLayer]
      Environment: {Variables: {ADDRESS: !Ref Address, TABLE: !Ref Table, KEYS: !Ref Keys, SECONDS: !Ref Seconds}}
      Events:
        Order: {Type: HttpApi, Properties: {ApiId: !Ref Api, Method: POST, Path: "/orders/{shop}"}}
  SweepFunction:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: sweep.handler
      CodeUri: SweepFunction
      AutoPublishAlias: live
      ReservedConcurrentExecutions: 1
      LoggingConfig: {LogFormat: JSON}
      Environment: {Variables: {TABLE: !Ref Table}}
      Events:
        Often: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minute)}}
  CommonLayer:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: CommonLayer}
  Keys:
    Type: AWS::SecretsManager::Secret
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}, {AttributeName: due, AttributeType: N}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: due
          KeySchema: [{AttributeName: pk, KeyType: HASH}, {AttributeName: due, KeyType: RANGE}]
          Projection: {ProjectionType: KEYS_ONLY}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}
"""


def client(service: str, url: str) -> Any:
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "template.yaml").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path


def test_the_functions_are_told_what_the_template_says(folder: Path) -> None:
    async def main() -> None:
        async with cloud.moto() as url:
            made = await cloud.made(folder, url, None, {"Address": "http://somewhere"}, {"Keys": '{"a": 1}'})
            order, sweep = made.functions["take_order"], made.functions["sweep"]
            assert (order.handler, order.timeout, order.memory, order.reserved) == ("app.handler", 7, 512, None)
            assert (order.folder, order.layers) == (folder / "TakeOrderFunction", (folder / "CommonLayer",))
            assert order.environment == {
                "ADDRESS": "http://somewhere",
                "SECONDS": "7",
                "TABLE": made.table,
                "KEYS": order.environment["KEYS"],
                "AWS_ENDPOINT_URL": url,
            }
            assert (sweep.handler, sweep.reserved, sweep.log_format, sweep.layers) == ("sweep.handler", 1, "JSON", ())
            assert (made.routes, made.scheduled) == ([Route("POST /orders/{shop}", "take_order")], "sweep")

            secret = client("secretsmanager", url).get_secret_value(SecretId=order.environment["KEYS"])
            assert json.loads(secret["SecretString"]) == {"a": 1}
            assert made.table in client("dynamodb", url).list_tables()["TableNames"]

    asyncio.run(main())


def test_a_kind_of_resource_that_nobody_has_thought_of_is_refused(folder: Path) -> None:
    more = TEMPLATE + "  Surprise:\n    Type: AWS::Kinesis::Stream\n"
    (folder / "template.yaml").write_text(more, encoding="utf-8")

    async def main() -> None:
        async with cloud.moto() as url:
            with pytest.raises(RuntimeError, match="AWS::Kinesis::Stream"):
                await cloud.made(folder, url, None, {"Address": "http://somewhere"}, {"Keys": "{}"})

    asyncio.run(main())


def test_a_concurrency_that_a_parameter_sets_is_known(folder: Path) -> None:
    async def main() -> None:
        async with cloud.moto() as url:
            parameters = {"Address": "http://somewhere", "Reserved": "3"}
            made = await cloud.made(folder, url, None, parameters, {"Keys": "{}"})
            assert made.functions["take_order"].reserved == 3

    asyncio.run(main())


def test_another_dynamodb_gets_the_table_with_its_index_and_its_lifetime(folder: Path) -> None:
    async def main() -> None:
        async with cloud.moto() as url, cloud.moto() as other:
            made = await cloud.made(folder, url, other, {"Address": "http://somewhere"}, {"Keys": "{}"})
            dynamodb = client("dynamodb", other)
            table = dynamodb.describe_table(TableName=made.table)["Table"]
            assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["due"]
            assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
            lifetime = dynamodb.describe_time_to_live(TableName=made.table)["TimeToLiveDescription"]
            assert lifetime == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
            assert made.functions["sweep"].environment["AWS_ENDPOINT_URL_DYNAMODB"] == other
            assert made.dynamodb_url == other

    asyncio.run(main())
