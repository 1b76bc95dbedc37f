"""docs/openapi.yaml says what the code does, and docs/partner-api.md says the same."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
import yaml

from docs.partner_api import PAGE, SOURCE, Page
from ticket_relay.create_ticket.status import REASONS
from ticket_relay.storage.rows import TicketState, UpdateState
from ticket_relay.webhooks import proofs

Stack = dict[str, dict[str, Any]]

DOCUMENT = yaml.safe_load(SOURCE.read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]


def constants(schema: Any) -> Iterator[str]:
    """All that it lists, in itself and in what it refers to."""
    if isinstance(schema, list):
        for each in schema:
            yield from constants(each)
    elif isinstance(schema, dict):
        if "const" in schema:
            yield schema["const"]
        if "$ref" in schema:
            yield from constants(SCHEMAS[schema["$ref"].rpartition("/")[2]])
        yield from constants(list(schema.values()))


def answers(path: str, method: str, status: str) -> set[str]:
    """The codes that a refusal may have."""
    return set(constants(DOCUMENT["paths"][path][method]["responses"][status]["content"]))


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text() == str(Page(DOCUMENT)), "make docs"


def test_it_is_an_openapi_document() -> None:
    schemathesis.openapi.from_dict(DOCUMENT).validate()


def test_it_has_the_routes_of_the_stack_and_no_others(stack: Stack) -> None:
    deployed = stack["RelayHttpApi"]["Properties"]["Body"]["paths"]
    routes = {(path.replace("+}", "}"), method) for path, methods in deployed.items() for method in methods}
    described = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert described == routes - {("$default", "x-amazon-apigateway-any-method")}


def test_it_has_every_state_and_no_other() -> None:
    assert set(constants(SCHEMAS["EventState"])) == set(TicketState)
    assert set(constants(SCHEMAS["UpdateReceipt"])) == set(UpdateState)


def test_it_has_every_reason_that_a_partner_is_told() -> None:
    assert set(constants(SCHEMAS["Status"]["properties"]["reason"])) == REASONS.keys()


@pytest.mark.parametrize(
    ("path", "method"),
    [("/webhooks/{partner}", "post"), ("/webhooks/{partner}/events/{id}", "get"), ("/zendesk/ticket-updates", "post")],
)
def test_it_has_every_reason_of_a_401(path: str, method: str) -> None:
    assert answers(path, method, "401") == proofs._REASONS.keys()


def test_everything_that_is_listed_is_explained() -> None:
    """A comma in a short YAML map ends a text, and begins another key."""

    def unexplained(node: Any) -> Iterator[Any]:
        if isinstance(node, list):
            for each in node:
                yield from unexplained(each)
        elif isinstance(node, dict):
            if node.keys() - {"const", "description"} and "const" in node:
                yield node
            for each in node.values():
                yield from unexplained(each)

    assert list(unexplained(SCHEMAS)) == []
