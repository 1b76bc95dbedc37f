"""The command line as an operator meets it, on the template's table in moto."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import main
from cli.where import Place, Where
from tests import fixtures
from tests.builders import TABLE
from tests.fakes import Dynamo
from ticket_relay.storage.dynamodb import Table
from ticket_relay.storage.store import Store

VARIABLES = ("RELAY_STACK", "RELAY_ENDPOINT_URL", "RELAY_TABLE", "RELAY_CONFIG", "AWS_PROFILE")


@pytest.fixture(autouse=True)
def _nothing_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(dynamo: Dynamo, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`relay` with these words, about the table of the tests, which it need not look for: that takes its time."""
    monkeypatch.setattr(
        Where, "place", lambda _: Place(TABLE, fixtures.client("dynamodb"), lambda: fixtures.client("s3"))
    )
    return lambda *words, typed=None: CliRunner(mix_stderr=False).invoke(main, words, input=typed)


@pytest.fixture
def answer(run: Callable[..., Result]) -> Callable[..., Any]:
    """What it answers in JSON, all being well."""

    def read(*words: str) -> Any:
        result = run(*words, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    return read


@pytest.fixture
def store(table: Table) -> Store:
    return Store(table)
