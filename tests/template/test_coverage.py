"""docs/coverage.md names tests that exist, and gives a reason where there is none."""

import ast
import re

import pytest

from local.artefacts import ROOT

TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROWS = [
    line
    for line in (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| Zendesk says")
]


def functions(path: str) -> set[str]:
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {it.name for it in ast.walk(module) if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_statements_are_read() -> None:
    assert len(ROWS) > 30


@pytest.mark.parametrize("row", ROWS)
def test_each_statement_is_held_by_tests_that_exist_or_does_not_apply(row: str) -> None:
    named = TEST.findall(row)
    assert named or "Does not apply: " in row
    assert [test for path, test in named if test not in functions(path)] == []
