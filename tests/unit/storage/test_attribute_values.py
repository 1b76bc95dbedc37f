"""DynamoDB's form of a value, held to what boto3 makes of it."""

from decimal import Decimal

import pytest
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.storage.attribute_values import from_wire, to_wire
from ticket_relay.storage.rows import TicketState

# What of a float outlives its rounding: milliseconds of some centuries.
MOMENTS = st.integers(-(10**13), 10**13).map(lambda milliseconds: milliseconds / 1000)
LEAVES = st.one_of(
    st.text(min_size=1), st.binary(), st.booleans(), st.integers(-(10**38) + 1, 10**38 - 1), MOMENTS, st.just(None)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
ITEMS = st.dictionaries(st.text(), VALUES, max_size=5)


def as_boto3_takes_it(value):
    match value:
        case float():
            return Decimal(f"{value:.3f}")
        case list():
            return [as_boto3_takes_it(each) for each in value]
        case dict():
            return {name: as_boto3_takes_it(each) for name, each in value.items() if each not in (None, "")}
    return value


def plain(value):
    """What boto3 read, in Python's own types."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case Binary():
            return value.value
        case list():
            return [plain(each) for each in value]
        case dict():
            return {name: plain(each) for name, each in value.items()}
    return value


def with_numbers(attribute):
    """The attribute with its numbers as such: 1.500 is 1.5, and DynamoDB stores no more than the number."""
    ((kind, value),) = attribute.items()
    match kind:
        case "N":
            return {"N": Decimal(value)}
        case "L":
            return {"L": [with_numbers(each) for each in value]}
        case "M":
            return {"M": {name: with_numbers(each) for name, each in value.items()}}
    return attribute


def without_absent(value):
    match value:
        case list():
            return [without_absent(each) for each in value]
        case dict():
            return {name: without_absent(each) for name, each in value.items() if each is not None}
    return value


@given(ITEMS)
def test_an_item_is_written_as_boto3_writes_it(item):
    assert with_numbers({"M": to_wire(item)}) == with_numbers(TypeSerializer().serialize(as_boto3_takes_it(item)))


@given(ITEMS)
def test_an_item_is_read_as_boto3_reads_it(item):
    wire = TypeSerializer().serialize(as_boto3_takes_it(item))["M"]
    assert from_wire(wire) == plain(TypeDeserializer().deserialize({"M": wire}))


@given(ITEMS)
def test_an_item_comes_back_as_it_was_but_for_what_is_absent(item):
    back = from_wire(to_wire(item))
    assert back == without_absent(item)
    assert all(type(back[name]) in {type(item[name]), int} for name in back)


def test_a_time_is_kept_to_the_millisecond():
    assert to_wire({"at": 1795300000.12345}) == {"at": {"N": "1795300000.123"}}


def test_a_state_is_a_text():
    assert from_wire(to_wire({"state": TicketState.ACCEPTED})) == {"state": "accepted"}


def test_nothing_and_the_empty_text_are_left_out():
    assert to_wire({"pk": "a", "none": None, "empty": "", "zero": 0, "no": False}) == {
        "pk": {"S": "a"},
        "zero": {"N": "0"},
        "no": {"BOOL": False},
    }


@pytest.mark.parametrize("value", [{"a"}, object(), Decimal(1)])
def test_what_no_row_holds_is_not_written(value):
    with pytest.raises(TypeError):
        to_wire({"value": value})


def test_what_no_row_holds_is_not_read():
    with pytest.raises(TypeError):
        from_wire({"value": {"SS": ["a"]}})
