import pytest
from botocore.exceptions import ClientError

from tests.fakes import DOWN, THROTTLED, Outage
from tests.fixtures import both_engines
from ticket_relay.errors import StoreUnavailable, WriteRefused
from ticket_relay.storage.dynamodb import ConditionFailed

pytestmark = both_engines

ABSENT = "attribute_not_exists(pk)"


def test_values_come_back_as_they_were(table):
    item = {"pk": "a", "text": "ü", "whole": 3, "moment": 1795300000.123, "raw": b"\x00\xff", "flag": True}
    table.put(item | {"nothing": None}, only_if=ABSENT)
    assert table.get("a") == item


def test_an_absent_item_is_none(table):
    assert table.get("a") is None


def test_a_put_whose_condition_fails_changes_nothing(table):
    table.put({"pk": "a", "by": "first"}, only_if=ABSENT)
    with pytest.raises(ConditionFailed):
        table.put({"pk": "a", "by": "second"}, only_if=ABSENT)
    assert table.get("a")["by"] == "first"


def test_an_update_whose_condition_fails_changes_nothing(table):
    table.put({"pk": "a", "n": 1}, only_if=ABSENT)
    with pytest.raises(ConditionFailed):
        table.update("a", "SET n = :two", only_if="n = :three", given={":two": 2, ":three": 3})
    assert table.get("a")["n"] == 1


def test_many_items_are_read_by_the_hundred(table, dynamo):
    pks = [f"item-{number}" for number in range(101)]
    for pk in pks:
        table.put({"pk": pk}, only_if=ABSENT)
    batches = []
    dynamo.before = lambda operation, request: batches.append(len(request["RequestItems"]["relay"]["Keys"]))
    assert {item["pk"] for item in table.get_many([*pks, *pks, "absent"])} == set(pks)
    assert batches == [100, 2]


def test_the_index_holds_what_is_due_earliest_first(table):
    for pk, due_at in (("later", 30.5), ("sooner", 10.0), ("too late", 31.0), ("never", None)):
        shard = None if due_at is None else "0"
        table.put({"pk": pk, "due_shard": shard, "due_at": due_at}, only_if=ABSENT)
    assert table.due("0", 30.5, limit=10) == [("sooner", 10), ("later", 30.5)]
    assert table.due("0", 30.5, limit=1) == [("sooner", 10)]
    assert table.due("1", 30.5, limit=10) == []


@pytest.mark.parametrize("error", [THROTTLED, DOWN])
@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("get_item", lambda table: table.get("a")),
        ("batch_get_item", lambda table: list(table.get_many(["a"]))),
        ("put_item", lambda table: table.put({"pk": "a"}, only_if=ABSENT)),
        ("update_item", lambda table: table.update("a", "SET n = :n", only_if=ABSENT, given={":n": 1})),
        ("query", lambda table: table.due("0", 1.0, limit=1)),
    ],
)
def test_whatever_is_wrong_with_dynamodb_is_one_error(table, dynamo, operation, call, error):
    dynamo.outages.append(Outage((operation,), error))
    with pytest.raises(StoreUnavailable) as raised:
        call(table)
    assert (raised.value.status, raised.value.retry_after) == (503, 5)


def test_the_error_does_not_quote_the_request(table, dynamo):
    error = ClientError({"Error": {"Code": "ValidationException", "Message": "value: canary"}}, "PutItem")
    dynamo.outages.append(Outage(("put_item",), error))
    with pytest.raises(WriteRefused, match=r"^DynamoDB answered ValidationException\.$"):
        table.put({"pk": "a"}, only_if=ABSENT)
