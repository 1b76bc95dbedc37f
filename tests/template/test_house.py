"""Rules of the house that no linter knows."""

import ast
import re
from pathlib import Path

import pytest

from local.artefacts import ROOT
from ticket_relay import __version__

DOMAIN = sorted((ROOT / "layers" / "ticket_relay").rglob("*.py"))
HANDLERS = sorted(ROOT.glob("functions/*/app.py"))
LOCKS = [
    "requirements-dev.txt",
    "requirements-checkov.txt",
    "layers/dependencies/requirements.txt",
    "local/runtime-requirements.txt",
]


def length(path: Path) -> int:
    return len(path.read_text().splitlines())


def reads_the_environment(path: Path) -> bool:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return bool(names & {"environ", "getenv"})


def pins(lock: str) -> set[str]:
    """`name==version` of everything that a lock holds."""
    return {line.split()[0] for line in (ROOT / lock).read_text().splitlines() if "==" in line and line[0].isalpha()}


def test_there_are_three_handlers_and_a_domain() -> None:
    assert len(HANDLERS) == 3
    assert DOMAIN


def test_a_handler_is_short() -> None:
    assert [path for path in HANDLERS if length(path) >= 60] == []


def test_no_deployed_module_is_long() -> None:
    assert [path for path in DOMAIN + HANDLERS if length(path) > 400] == []


def test_only_the_settings_read_the_environment() -> None:
    assert [path.name for path in DOMAIN + HANDLERS if reads_the_environment(path)] == ["config.py"]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_no_address(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text()


def test_the_changelog_begins_with_the_version_that_the_logs_name() -> None:
    """Or with what is unreleased since."""
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(heading for heading in headings if heading != "Unreleased") == __version__


def test_what_is_deployed_is_what_is_tested() -> None:
    assert pins("layers/dependencies/requirements.txt") <= pins("requirements-dev.txt")
