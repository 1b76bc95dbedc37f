"""DynamoDB's documented rules, by example; tests/integration holds them to what Amazon's engine answers."""

import pytest

from local.bench.capacity import Index, item_size, write_units

DUE = Index(("shard", "due_at"), frozenset({"pk", "shard", "due_at"}))
WHOLE = Index(("shard",), None)


def row(size=100, **attributes):
    """An item of about so many bytes."""
    return {"pk": {"S": "a"}, "body": {"B": b"x" * size}, **{name: {"S": value} for name, value in attributes.items()}}


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, row(), 1),
        (None, row(1024), 2),
        (row(), row(3000), 3),
        (row(3000), row(), 3),
        (row(3000), None, 3),
        (row(1500), row(1500), 2),  # as when the condition failed
        (None, None, 1),
    ],
)
def test_a_write_costs_the_kilobytes_of_the_larger_item(before, after, units):
    assert write_units(before, after, ()) == units


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        (None, row(shard="a", due_at="1"), 1),
        (row(shard="a", due_at="1"), row(shard="a", due_at="2"), 2),
        (row(shard="a", due_at="1"), row(shard="b", due_at="1"), 2),
        (row(shard="a", due_at="1"), row(), 1),
        (row(shard="a", due_at="1"), row(200, shard="a", due_at="1"), 0),
        (None, row(shard="a"), 0),
    ],
)
def test_an_index_costs_what_changes_in_it(before, after, units):
    assert write_units(before, after, (DUE,)) - write_units(before, after, ()) == units


def test_an_index_that_holds_all_is_as_large_as_the_item():
    assert write_units(row(1500, shard="a"), row(1500, shard="b"), (WHOLE,)) == 2 + 2 + 2
    assert write_units(row(1500, shard="a"), row(1600, shard="a"), (WHOLE,)) == 2 + 2


def test_an_index_is_read_from_dynamodbs_description():
    key = [{"AttributeName": "shard", "KeyType": "HASH"}]
    keys_only = Index.of({"KeySchema": key, "Projection": {"ProjectionType": "KEYS_ONLY"}}, ("pk",))
    included = {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["note"]}
    assert keys_only.projected == {"pk", "shard"}
    assert Index.of({"KeySchema": key, "Projection": included}, ("pk",)).projected == {"pk", "shard", "note"}
    assert Index.of({"KeySchema": key, "Projection": {"ProjectionType": "ALL"}}, ("pk",)).projected is None


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"S": "žluť"}, 6),
        ({"B": "AAEC"}, 3),
        ({"N": "0"}, 1),
        ({"N": "7"}, 2),
        ({"N": "-7"}, 3),
        ({"N": "1000000"}, 2),
        ({"N": "1234567"}, 5),
        ({"BOOL": True}, 1),
        ({"L": [{"S": "ab"}, {"BOOL": False}]}, 3 + 1 + 2 + 1 + 1),
        ({"M": {"ab": {"S": "c"}}}, 3 + 1 + 2 + 1),
    ],
)
def test_sizes_are_those_of_the_developer_guide(value, size):
    assert item_size({"n": value}) == 1 + size


def test_a_type_without_a_rule_is_not_guessed_at():
    with pytest.raises(ValueError, match="SS"):
        item_size({"n": {"SS": ["a"]}})
