"""That our count of write units is Amazon's own: its engine counts what its service does."""

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.bench.capacity import Index, item_size, write_units

TABLE = "capacity"
BY_NUMBER = {
    "IndexName": "by-number",
    "KeySchema": [{"AttributeName": "shard", "KeyType": "HASH"}, {"AttributeName": "due", "KeyType": "RANGE"}],
    "Projection": {"ProjectionType": "KEYS_ONLY"},
}
BY_TEXT = {
    "IndexName": "by-text",
    "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]},
}
KEY = {"pk": {"S": "one"}}

numbers = st.decimals(-(10**12), 10**12, places=6).map(lambda number: {"N": format(number, "f")})
texts = st.text(min_size=1, max_size=40).map(lambda text: {"S": text})
long_texts = st.integers(1, 3000).map(lambda length: {"S": "x" * length})
scalars = texts | numbers | st.sampled_from([{"BOOL": True}, {"NULL": True}])
values = (
    scalars
    | long_texts
    | st.binary(min_size=1, max_size=1500).map(lambda content: {"B": content})
    | st.lists(scalars, max_size=5).map(lambda each: {"L": each})
    | st.dictionaries(st.text(min_size=1, max_size=8), scalars, max_size=5).map(lambda each: {"M": each})
)
# Of an index with two keys an item has both or none: with one of them gone, Amazon's local engine counts a write of no
# entry, which the documentation does not.
due = st.fixed_dictionaries({"shard": st.sampled_from([{"S": "a"}, {"S": "b"}]), "due": numbers})
others = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from([{"S": "a"}, {"S": "b"}]),
        "note": texts | long_texts,
        "body": values,
        "other": values,
    },
)
items = st.builds(lambda some, more: KEY | some | more, st.just({}) | due, others)


@pytest.fixture(scope="module")
def amazons(dynamodb_local):
    client = boto3.client(
        "dynamodb",
        endpoint_url=dynamodb_local,
        region_name="us-east-1",
        aws_access_key_id="capacity",
        aws_secret_access_key="capacity",
    )
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "shard", "AttributeType": "S"},
            {"AttributeName": "due", "AttributeType": "N"},
            {"AttributeName": "kind", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[BY_NUMBER, BY_TEXT],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(old=st.none() | items, new=items)
def test_a_write_costs_what_amazons_engine_says(amazons, old, new):
    indexes = tuple(Index.of(each, ("pk",)) for each in (BY_NUMBER, BY_TEXT))
    amazons.delete_item(TableName=TABLE, Key=KEY)
    if old is not None:
        amazons.put_item(TableName=TABLE, Item=old)
    before = amazons.get_item(TableName=TABLE, Key=KEY).get("Item")
    answer = amazons.put_item(TableName=TABLE, Item=new, ReturnConsumedCapacity="TOTAL")
    after = amazons.get_item(TableName=TABLE, Key=KEY)["Item"]
    assert write_units(before, after, indexes) == answer["ConsumedCapacity"]["CapacityUnits"]


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values, more=st.sampled_from([0, 1]))
def test_a_size_is_amazons_to_the_byte(amazons, value, more):
    """At a whole number of kilobytes by our count, and one byte past it."""
    item = KEY | {"value": value, "filling": {"S": ""}}
    filling = -item_size(item) % 1024 or 1024
    item["filling"] = {"S": "x" * (filling + more)}
    # The other test leaves an item behind, and a put costs what the larger of the two does.
    amazons.delete_item(TableName=TABLE, Key=KEY)
    answer = amazons.put_item(TableName=TABLE, Item=item, ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"]["Table"]["CapacityUnits"] == item_size(item) // 1024 + more
