"""JSON-e within limits. A signed event says how often a template's loops run and how large its numbers are, and JSON-e
itself knows no limit: an event past them would be lost with the function's time or memory.

jsone renders by two things that it looks up by name at each call: `renderValue` for templates, which calls itself, and
`Interpreter` for the expressions in them. Ours stand in their places, and ask the budget after each step whether to go
on. What may be huge in a single step is judged beforehand: powers, and the functions `range` and `join`.
"""

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from jsone import builtins
from jsone.interpreter import Interpreter, test_math_operands
from jsone.shared import DeleteMarker, TemplateError

from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk.ticket_models import MAX_REQUEST

MAX_SECONDS = 2.0
"""A partner waits for five. The largest event takes the largest of our own definitions about one."""
MAX_VALUE = 1024 * 1024
"""Characters of JSON of any value on the way: four times the largest event."""
MAX_MEMORY = 128 * 1024 * 1024
"""Bytes of all values made on the way. The smallest function has 512 MB."""

LONG_TEXT = 256
"""Characters. Shorter ones are counted only as parts of what holds them."""
LONGEST_NUMBER = 16_384
"""Bits, about what Python would write down."""
OWN_SHARE = 200
"""Bytes that the budget takes for each value that it counts."""

_CONTAINERS = (list, dict)

# As an attribute of the package, `render` is its function.
_jsone: Any = importlib.import_module("jsone.render")
_render_value: Callable[[object, dict[str, Any]], Any] = _jsone.renderValue


class _Budget:
    """Of one rendering, called `name`. Raises MappingFailed."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._until = time.monotonic() + MAX_SECONDS
        self._memory = MAX_MEMORY
        # By identity; the values are held as well, so that no identity comes twice.
        self._counted: dict[int, tuple[object, int]] = {}

    def spend(self, value: object) -> None:
        """A step was taken, and this came out."""
        if time.monotonic() > self._until:
            raise MappingFailed("mapping_too_slow", f"{self._name}: takes more than {MAX_SECONDS:g} seconds.")
        if not isinstance(value, str) or len(value) > LONG_TEXT:
            self.size(value)

    def size(self, value: object) -> int:
        """Characters of JSON, at the least. A value that stands in several places counts in each, as it will be written
        and walked through; but it is made, and looked at here, only once.
        """
        if isinstance(value, str):
            return self._count(value, len(value) + 2) if len(value) > LONG_TEXT else len(value) + 2
        if isinstance(value, _CONTAINERS):
            if known := self._counted.get(id(value)):
                return known[1]
            size = 2 + len(value) + sum(map(self.size, value))
            return self._count(value, size + sum(map(self.size, value.values())) if isinstance(value, dict) else size)
        if isinstance(value, int):
            self.allow_bits(value.bit_length())
            return max(1, value.bit_length() // 4)
        return 1

    def allow(self, size: int, most: int = MAX_VALUE) -> None:
        if size > most:
            raise self._too_large()

    def allow_bits(self, bits: int) -> None:
        if bits > LONGEST_NUMBER:
            raise self._too_large()

    def _count(self, value: object, size: int) -> int:
        self.allow(size)
        if id(value) not in self._counted:
            self._memory -= sys.getsizeof(value) + OWN_SHARE
            if self._memory < 0:
                raise self._too_large()
            self._counted[id(value)] = value, size
        return size

    def _too_large(self) -> MappingFailed:
        return MappingFailed("mapping_too_large", f"{self._name}: becomes too large.")


_budget: ContextVar[_Budget] = ContextVar("budget")


@contextmanager
def limited(name: str) -> Iterator[None]:
    """All that is rendered in here, by this thread, has one budget. `name` stands in the sentence of a failure."""
    before = _budget.set(_Budget(name))
    try:
        yield
    finally:
        _budget.reset(before)


def render(template: object, context: dict[str, Any]) -> Any:
    """What `jsone.render` does. Raises whatever jsone raises, and MappingFailed (`mapping_too_slow`,
    `mapping_too_large`). Only to be called where it is `limited`.
    """
    value = _limited_render_value(template, _FUNCTIONS | context)
    if value is DeleteMarker:
        return None
    _budget.get().allow(_budget.get().size(value), most=MAX_REQUEST)
    if _jsone.containsFunctions(value):
        raise TemplateError("evaluated template contained uncalled functions")
    return value


def _limited_render_value(template: object, context: dict[str, Any]) -> Any:
    value = _render_value(template, context)
    _budget.get().spend(value)
    return value


class _LimitedInterpreter(Interpreter):  # type: ignore[misc]
    def interpret(self, tree: Any) -> Any:
        value = self.visit(tree)
        _budget.get().spend(value)
        return value

    def visit_BinOp(self, node: Any) -> Any:  # noqa: N802
        if node.token.kind != "**":
            return Interpreter.visit_BinOp(self, node)
        exponent, base = self.visit(node.left), self.visit(node.right)  # jsone's parser has them in this order
        test_math_operands("**", exponent, base)
        if isinstance(base, int) and isinstance(exponent, int):
            _budget.get().allow_bits(base.bit_length() * exponent)
        return base**exponent


def _range(context: dict[str, Any], *args: Any) -> Any:
    if len(args) in {2, 3} and all(isinstance(arg, int) for arg in args) and args[2:] != (0,):
        _budget.get().allow(len(range(*args)))
    return _BUILTINS["range"](context, *args)


def _join(context: dict[str, Any], *args: Any) -> Any:
    if len(args) == 2 and isinstance(args[0], list):
        budget, parts = _budget.get(), args[0]
        budget.allow(budget.size(parts) + len(parts) * budget.size(args[1]))
    return _BUILTINS["join"](context, *args)


_range._jsone_builtin = _join._jsone_builtin = True  # type: ignore[attr-defined] # noqa: SLF001
_BUILTINS = builtins.build()
_FUNCTIONS = _BUILTINS | {"range": _range, "join": _join}
_jsone.renderValue = _limited_render_value
_jsone.Interpreter = _LimitedInterpreter
