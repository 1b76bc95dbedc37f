"""What a write costs by DynamoDB's documented rules: moto does not know them, and answers 1 whatever is written.

Sizes: developer guide, "DynamoDB Item sizes and formats". Units: "DynamoDB read and write operations" (a kilobyte or a
part of it, of the item before or after, whichever is larger; a condition that fails costs as much), and "Using global
secondary indexes", "Write capacity units" (an entry that is new, gone or changed is a write, one whose key changes
two). An item in a transaction costs twice.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil
from typing import Any

type Item = Mapping[str, Mapping[str, Any]]
"""In DynamoDB's own JSON: a name, then a type and a value."""

_UNIT = 1024
_CONTAINER = 3
_ELEMENT = 1


@dataclass(frozen=True, slots=True)
class Index:
    """A global secondary index; `projected` are all attributes that an entry holds, or None for the whole item."""

    key: tuple[str, ...]
    projected: frozenset[str] | None

    @classmethod
    def of(cls, description: Mapping[str, Any], table_key: tuple[str, ...]) -> "Index":
        """From DescribeTable's."""
        key = tuple(part["AttributeName"] for part in description["KeySchema"])
        projection = description["Projection"]
        if projection["ProjectionType"] == "ALL":
            return cls(key, None)
        return cls(key, frozenset({*key, *table_key, *projection.get("NonKeyAttributes", [])}))

    def entry(self, item: Item | None) -> Item | None:
        """What the index holds of an item: nothing of one without the index's key."""
        if item is None or not all(name in item for name in self.key):
            return None
        return item if self.projected is None else {name: item[name] for name in item if name in self.projected}


def write_units(before: Item | None, after: Item | None, indexes: tuple[Index, ...]) -> int:
    """Of one write, which found the item `before` and left it `after`; None: there is none."""
    return max(_units(before), _units(after)) + sum(_index_units(index, before, after) for index in indexes)


def item_size(item: Item) -> int:
    """Bytes."""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _units(item: Item | None) -> int:
    return max(1, ceil(item_size(item) / _UNIT)) if item else 1


def _index_units(index: Index, before: Item | None, after: Item | None) -> int:
    old, new = index.entry(before), index.entry(after)
    if old == new:
        return 0
    if old is None or new is None:
        return _units(old or new)
    if any(old[name] != new[name] for name in index.key):
        return _units(old) + _units(new)
    return max(_units(old), _units(new))


def _value_size(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _number_size(content)
        case "B":
            return len(content if isinstance(content, bytes) else base64.b64decode(content))
        case "BOOL" | "NULL":
            return 1
        case "L":
            return _CONTAINER + sum(_ELEMENT + _value_size(each) for each in content)
        case "M":
            return _CONTAINER + sum(_ELEMENT + len(name.encode()) + _value_size(each) for name, each in content.items())
    raise ValueError(f"DynamoDB knows no type {kind}")


def _number_size(text: str) -> int:
    """A byte for each two significant digits, and one more. That the pairs are counted from the decimal point, and that
    a minus is a byte too, is what DynamoDB Local does.
    """
    sign, digits, exponent = Decimal(text).normalize().as_tuple()
    if digits == (0,):
        return 1
    pairs = ceil((len(digits) + int(exponent) % 2) / 2)
    return pairs + 1 + sign
