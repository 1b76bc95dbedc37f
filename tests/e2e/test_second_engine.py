"""The local stack on Amazon's own DynamoDB in place of moto's."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import fixtures
from tests.builders import acme_event, body_of
from tests.e2e.conftest import ROOT, LocalStack, stack_process
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


def relay(*words: str) -> Any:
    """What `relay` answers in JSON, as an operator runs it."""
    command = [Path(sys.executable).with_name("relay"), *words, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_events_of_one_stack_are_exported_and_replayed_to_another(
    world: World, local_stack: LocalStack, tmp_path: Path
) -> None:
    production, events = World(local_stack), [new_id(), new_id()]
    for number, event_id in enumerate(events):
        production.calm()
        assert production.deliver(event_id, body_of(acme_event(title=f"Replayed {number}"))).status_code == 202
        production.created(event_id)
    everything, ours = tmp_path / "everything.jsonl", tmp_path / "ours.jsonl"
    ready = local_stack.ready
    table = ("--endpoint-url", str(ready["dynamodb_url"]), "--table", str(ready["table"]))
    relay("export", str(everything), *table, "--partner", "acme", "--newer-than", "5m")
    lines = everything.read_text().splitlines(keepends=True)
    ours.write_text("".join(line for line in lines if any(event_id in line for event_id in events)))

    for _ in range(2):
        replayed = relay("replay", str(ours), "--url", world.stack.url, "--yes")
        assert [each["id"] for each in replayed["events"]] == events
        for number, event_id in enumerate(events):
            row = world.created(event_id)
            (ticket,) = world.tickets(event_id)
            assert ticket["id"] == row["ticket_id"]
            assert f"Replayed {number}" in ticket["subject"]
