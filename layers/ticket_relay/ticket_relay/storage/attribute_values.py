"""Items of Python's values as DynamoDB's (`{"S": "text"}`; API reference, AttributeValue), and back.

`boto3.dynamodb.types` does the same, but importing it loads all of boto3 at each cold start.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any


def to_wire(item: Mapping[str, Any]) -> Any:
    """Raises TypeError for what no row holds."""
    # Nothing is absent, and so is the empty text, which older engines refuse.
    return {name: _write(value) for name, value in item.items() if value not in (None, "")}


def from_wire(item: Mapping[str, Any]) -> dict[str, Any]:
    """Raises TypeError for sets, which no row holds."""
    return {name: _read(attribute) for name, attribute in item.items()}


def _write(value: Any) -> dict[str, Any]:
    wire: Any = value
    match value:
        case bool():  # before int, of which it is a kind
            kind = "BOOL"
        case int():
            kind, wire = "N", str(value)
        case float():
            # Milliseconds are enough for a time, and fit DynamoDB's decimals exactly.
            kind, wire = "N", f"{value:.3f}"
        case str():
            kind = "S"
        case bytes():
            kind = "B"
        case None:
            kind, wire = "NULL", True
        case list() | tuple():
            kind, wire = "L", [_write(each) for each in value]
        case dict():
            kind, wire = "M", to_wire(value)
        case _:
            raise TypeError(f"no row holds a {type(value).__name__}")
    return {kind: wire}


def _read(attribute: Mapping[str, Any]) -> Any:
    ((kind, value),) = attribute.items()
    match kind:
        case "S" | "B" | "BOOL":
            return value
        case "N":
            number = Decimal(value)
            return int(number) if number == number.to_integral_value() else float(number)
        case "L":
            return [_read(each) for each in value]
        case "M":
            return from_wire(value)
        case "NULL":
            return None
    raise TypeError(f"no row holds a {kind}")
