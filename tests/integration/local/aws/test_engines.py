"""That DynamoDB is there twice, and that the relay needs nothing that only one of the two knows."""

import asyncio
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import requests
from botocore.exceptions import ClientError

from local.aws import dynamodb
from tests.builders import NOW, TABLE, ticket_row
from ticket_relay.storage.store import Store

WRONG = {
    "an index key of another type": {"Item": {"pk": {"S": "a"}, "due_shard": {"S": "0"}, "due_at": {"S": "soon"}}},
    "a value that no expression uses": {
        "Item": {"pk": {"S": "a"}},
        "ConditionExpression": "attribute_not_exists(pk)",
        "ExpressionAttributeValues": {":state": {"S": "created"}},
    },
    "a number of 39 digits": {"Item": {"pk": {"S": "a"}, "n": {"N": "9" * 39}}},
    "an operand compared with itself": {
        "Item": {"pk": {"S": "a"}},
        "ConditionExpression": "attribute_not_exists(pk) OR n = n",
    },
}


@pytest.mark.parametrize(("dynamo", "takes"), [("moto", True), ("dynamodb-local", False)], indirect=["dynamo"])
@pytest.mark.parametrize("put", WRONG.values(), ids=WRONG)
def test_what_moto_takes_amazons_engine_refuses(dynamo, takes, put):
    if takes:
        dynamo.put_item(TableName=TABLE, **put)
        return
    with pytest.raises(ClientError) as refused:
        dynamo.put_item(TableName=TABLE, **put)
    assert refused.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize(("dynamo", "returns_it"), [("moto", True), ("dynamodb-local", False)], indirect=["dynamo"])
def test_a_claim_needs_no_item_to_be_returned_with_a_failed_condition(dynamo, table, returns_it):
    winner = ticket_row()
    assert Store(table).claim(winner) is None
    with pytest.raises(ClientError) as lost:
        dynamo.put_item(
            TableName=TABLE,
            Item={"pk": {"S": winner.pk}},
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert ("Item" in lost.value.response) is returns_it
    assert Store(table).claim(ticket_row(due_at=NOW + 60)) == winner


def is_up(url):
    with suppress(requests.ConnectionError):
        requests.get(url, timeout=10)
        return True
    return False


@pytest.mark.usefixtures("dynamodb_local")
def test_amazons_engine_is_gone_with_its_context():
    async def main():
        async with dynamodb.dynamodb_local() as url:
            assert await asyncio.to_thread(is_up, url)
            return url

    assert not is_up(asyncio.run(main()))


@pytest.mark.usefixtures("dynamodb_local")
def test_amazons_engine_is_gone_with_a_process_that_is_killed():
    code = """
from local.aws.dynamodb import dynamodb_local_in_thread
with dynamodb_local_in_thread() as url:
    print(url, flush=True)
    input()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, "-c", code], text=True, **pipes) as process:
        url = process.stdout.readline().strip()
        assert is_up(url)
        process.kill()
    end = time.monotonic() + 20
    while is_up(url):
        assert time.monotonic() < end
        time.sleep(0.05)
