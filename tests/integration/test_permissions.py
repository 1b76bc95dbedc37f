"""What the functions do to the table is what their roles allow: no engine here would refuse more."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests import builders
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.update_ticket import webhook


def allowed(role: str) -> set[str]:
    """The actions on DynamoDB of a role in the template."""
    resources = yaml_parse((builders.ROOT / "template.yaml").read_text(encoding="utf-8"))["Resources"]
    statements = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    actions = [
        action for it in statements for action in ([it["Action"]] if isinstance(it["Action"], str) else it["Action"])
    ]
    return {action.removeprefix("dynamodb:") for action in actions if action.startswith("dynamodb:")}


@pytest.fixture
def done(dynamo: Any) -> Callable[[], Any]:
    """Collects the names of the operations that are asked for meanwhile."""

    @contextmanager
    def collecting() -> Iterator[set[str]]:
        names: set[str] = set()
        dynamo.before = lambda operation, _: names.add("".join(word.capitalize() for word in operation.split("_")))
        yield names
        dynamo.before = lambda *_: None

    return collecting


def test_creating_takes_what_its_role_allows(done, services, deliver):
    with done() as names:
        deliver(services)
        deliver(services)
    assert names <= allowed("CreateTicketRole")
    assert "PutItem" in names


def test_updating_takes_what_its_role_allows(done, services, zendesk, clock):
    account = zendesk.account
    ticket, _ = account.tickets.create(
        {"comment": {"body": "It burns"}}, account.users.add("A", "a@example.com", "agent")
    )
    body = builders.body_of({"ticket_id": ticket["id"], "actor_id": 7, "changes": {"tags": {"add": ["vip"]}}})
    headers = builders.signed(body, sender="zendesk", at=clock())
    with done() as names:
        assert webhook.receive(services, headers, body, Deadline.after(20)).state == "applied"
        webhook.receive(services, headers, body, Deadline.after(20))
    assert names <= allowed("UpdateTicketRole")
    assert "BatchGetItem" in names


def test_polling_takes_what_its_role_allows(done, services, deliver, run_poller, clock):
    services.gate.close(clock() + 5)
    for number in range(12):
        deliver(services, f"evt_{number}")
    clock.advance(6)
    with done() as names:
        run_poller(services)
    assert names <= allowed("PollJobsRole")
    assert "Query" in names
