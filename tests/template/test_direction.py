"""The folders show the architecture: imports go down its floors, and nothing takes a name of the standard library."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.artefacts import ROOT

LAYER = ROOT / "layers" / "ticket_relay" / "ticket_relay"
FLOORS = [
    {"observability", "errors", "config", "aws_clients"},
    {"storage", "api_gateway", "secrets_manager", "poller_start"},
    {"rate_limits"},
    {"zendesk"},
    {"webhooks", "states", "services"},
    {"definitions"},
    {"attachments"},
    {"create_ticket", "changes"},
    {"update_ticket"},
    {"poll_jobs"},
]
"""Packages and modules of the layer, from the ground up."""

FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}
MODULES = sorted(path for path in LAYER.rglob("*.py") if path != LAYER / "__init__.py")


def package_of(path: Path) -> str:
    """The package or, at the top of the layer, the module."""
    return path.relative_to(LAYER).parts[0].removesuffix(".py")


def imported(source: str) -> Iterator[str]:
    """What a source imports of the layer, under TYPE_CHECKING and in functions as well: packages and modules."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            # The version stands in the layer's root, below all floors.
            if name.startswith("ticket_relay.") and name != "ticket_relay.__version__":
                yield name.split(".")[1]


def upwards(package: str, source: str) -> list[str]:
    """The imports of another package that is not on a lower floor."""
    return sorted({name for name in imported(source) if name != package and FLOOR[name] >= FLOOR[package]})


def test_every_package_has_its_floor() -> None:
    assert {package_of(path) for path in MODULES} == set(FLOOR)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(LAYER)))
def test_imports_between_packages_go_down(path: Path) -> None:
    """So there is no circle of packages either."""
    assert upwards(package_of(path), path.read_text()) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from ticket_relay.poll_jobs.poller import run", ["poll_jobs"]),
        ("from ticket_relay import create_ticket, errors", ["create_ticket"]),
        ("import ticket_relay.update_ticket.webhook", ["update_ticket"]),
        ("from ticket_relay.states import ticket", ["states"]),
        ("def f():\n    from ticket_relay.services import services", ["services"]),
        ("from ticket_relay.zendesk.errors import Rejected\nfrom ticket_relay.webhooks import payload", []),
    ],
)
def test_an_import_that_goes_up_or_sideways_is_found(source: str, found: list[str]) -> None:
    assert upwards("webhooks", source) == found


def test_no_module_has_a_name_of_the_standard_library() -> None:
    folders = [ROOT / "layers", ROOT / "functions", ROOT / "local", ROOT / "cli"]
    modules = [path for folder in folders for path in folder.rglob("*.py") if "__pycache__" not in path.parts]
    names = {name for path in modules for name in path.relative_to(ROOT).with_suffix("").parts}
    assert names & (sys.stdlib_module_names - {"__main__"}) - {"__init__"} == set()


def test_a_package_of_the_layer_is_small() -> None:
    folders = {path.parent for path in MODULES}
    large = {
        folder.name: count
        for folder in folders
        if (count := len([path for path in folder.glob("*.py") if path.stem != "__init__"])) > 10
    }
    assert large == {}


def test_every_package_says_what_it_is_for() -> None:
    packages = [path for path in MODULES if path.name == "__init__.py"]
    assert [path.parent.name for path in packages if not ast.get_docstring(ast.parse(path.read_text()))] == []


def test_no_test_file_is_long() -> None:
    files = (ROOT / "tests").rglob("*.py")
    assert [str(path.relative_to(ROOT)) for path in files if len(path.read_text().splitlines()) > 400] == []
