"""The meter before DynamoDB: the relay's writes arrive unchanged, and cost what the engine behind says they do."""

import asyncio

import boto3
import pytest
from botocore.exceptions import ClientError

from local.api_gateway.front import served
from local.bench.metering import Meter

TABLE = "metered"
KEY = {"pk": {"S": "a"}}


def client(url):
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="metering",
        aws_secret_access_key="metering",
    )


@pytest.fixture
def engine(dynamodb_local):
    dynamodb = client(dynamodb_local)
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "due")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "due",
                "KeySchema": [{"AttributeName": "due", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    yield dynamodb
    dynamodb.delete_table(TableName=TABLE)


def metered(engine, work):
    """The meter, and what the engine counted, after `work` with a client behind the meter."""

    async def main():
        meter = Meter(engine.meta.endpoint_url)
        async with served(meter.application(), 0) as url:
            meter.begin(engine.describe_table(TableName=TABLE)["Table"])
            return meter, await asyncio.to_thread(work, client(url))

    return asyncio.run(main())


def test_it_counts_what_the_engine_counts(engine):
    def work(dynamodb):
        kept = {"TableName": TABLE, "ReturnConsumedCapacity": "TOTAL"}
        item = KEY | {"due": {"S": "one"}, "payload": {"B": b"x" * 1500}}
        answers = [
            dynamodb.put_item(Item=item, ConditionExpression="attribute_not_exists(pk)", **kept),
            dynamodb.put_item(Item=item | {"due": {"S": "two"}}, **kept),
            dynamodb.update_item(Key=KEY, UpdateExpression="REMOVE due, payload", **kept),
            dynamodb.delete_item(Key=KEY, **kept),
        ]
        return sum(answer["ConsumedCapacity"]["CapacityUnits"] for answer in answers)

    meter, counted = metered(engine, work)
    assert meter.units == counted
    assert (meter.writes, meter.uncounted) == (4, set())


def test_a_failed_condition_costs_a_write_and_reaches_the_caller(engine):
    engine.put_item(TableName=TABLE, Item=KEY | {"payload": {"B": b"x" * 1500}})

    def work(dynamodb):
        with pytest.raises(ClientError) as refused:
            dynamodb.put_item(TableName=TABLE, Item=KEY, ConditionExpression="attribute_not_exists(pk)")
        return refused.value.response["Error"]["Code"]

    meter, code = metered(engine, work)
    assert (meter.units, code) == (2, "ConditionalCheckFailedException")


def test_reading_costs_no_write(engine):
    meter, item = metered(engine, lambda dynamodb: dynamodb.get_item(TableName=TABLE, Key=KEY).get("Item"))
    assert (meter.units, meter.writes, item) == (0, 0, None)


def test_a_write_that_it_cannot_count_is_named(engine):
    def work(dynamodb):
        dynamodb.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": KEY}}]})

    meter, _ = metered(engine, work)
    assert meter.uncounted == {"BatchWriteItem"}
