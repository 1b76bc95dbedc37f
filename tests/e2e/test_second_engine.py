"""The local stack on Amazon's own DynamoDB in place of moto's."""

from collections.abc import Iterator

import pytest

from tests import fixtures
from tests.builders import acme_event, body_of
from tests.e2e.conftest import stack_process
from tests.e2e.test_flow import World, eventually, new_id

dynamodb_local = fixtures.dynamodb_local


@pytest.fixture(scope="module")
def world(dynamodb_local: str) -> Iterator[World]:
    with stack_process("--dynamodb-url", dynamodb_local, "--poll-every", "1") as stack:
        yield World(stack)


def test_its_table_is_in_that_engine_and_not_in_moto(world: World, dynamodb_local: str) -> None:
    assert world.stack.ready["dynamodb_url"] == dynamodb_local
    assert world.stack.ready["aws_url"] != dynamodb_local


def test_events_become_one_ticket_each(world: World) -> None:
    events = [new_id() for _ in range(5)]
    for event_id in [*events, *events]:
        assert world.deliver(event_id).status_code == 202
    for event_id in events:
        row = world.created(event_id)
        assert [ticket["id"] for ticket in world.tickets(event_id)] == [row["ticket_id"]]


def test_an_event_whose_mapping_fails_is_kept(world: World) -> None:
    event_id, event = new_id(), acme_event()
    del event["incident"]["summary"]
    assert world.deliver(event_id, body_of(event)).json()["state"] == "unmapped"
    assert world.row(event_id)["state"] == "unmapped"


def test_what_zendesk_forgets_to_answer_is_looked_for(world: World) -> None:
    event_id = new_id()
    happened = world.fault(kind="drop", effect="before", method="POST", path="/api/v2/tickets")
    assert world.deliver(event_id).json()["state"] == "accepted"
    row = world.created(event_id, within=60)
    assert happened() == 1
    assert [ticket["id"] for ticket in world.tickets(event_id)] == [row["ticket_id"]]
    eventually(lambda: world.row(event_id).get("due_at") is None)
