"""The console on the template's table in moto, as a browser on this machine asks it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from cli.console import checkup
from cli.console.app import make_app
from cli.console.board import Board
from cli.console.checkup import Checkup
from cli.console.parts import Parts
from cli.console.watch import Watch
from cli.doctor.finding import Finding, Status
from cli.where import Place, Where
from layers.config.compile import Config
from tests import builders, fixtures
from tests.fakes import Dynamo

TOKEN = "token-of-the-tests"
HOST = "127.0.0.1:8321"
FINDINGS = [
    Finding("table", Status.GOOD, "It is there."),
    Finding("secret webhook", Status.WRONG, "It is empty <b>.", "Put it."),
]
ORIGIN = {"Origin": f"http://{HOST}"}


@pytest.fixture(autouse=True)
def _findings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor finds these."""
    monkeypatch.setattr(checkup, "examine", lambda *_: iter(FINDINGS))


@pytest.fixture
def parts(dynamo: Dynamo) -> Iterator[Parts]:
    """Its watch has no thread, unless a test starts it: `load` reads the table."""
    place = Place(builders.TABLE, fixtures.client("dynamodb"), lambda: fixtures.client("s3"))
    board = Board()
    parts = Parts(
        name="tests",
        where=Where(endpoint_url="http://127.0.0.1:1"),
        place=place,
        config=Config(),
        board=board,
        watch=Watch(place, fixtures.client("dynamodbstreams"), board, days=7),
        checkup=Checkup(Where(endpoint_url="http://127.0.0.1:1"), Config()),
        zendesk_url="https://acme.zendesk.example",
    )
    yield parts
    parts.watch.stop()


@pytest.fixture
def client(parts: Parts) -> FlaskClient:
    app = make_app(parts, TOKEN, hosts=(HOST,))
    app.testing = True
    return app.test_client()


@pytest.fixture
def page(client: FlaskClient, parts: Parts) -> Callable[..., str]:
    """The text of a page, all being well, on the table as it is."""

    def get(path: str, **query: Any) -> str:
        parts.watch.load()
        answer = client.get(f"/{TOKEN}{path}", query_string=query, base_url=f"http://{HOST}")
        assert answer.status_code == 200, answer.text
        return answer.text

    return get
