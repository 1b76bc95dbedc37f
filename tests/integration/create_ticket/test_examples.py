"""The ready definitions at work: what a thing's events, as its sender tells them, leave in Zendesk."""

import dataclasses
import json

import pytest
import yaml

from functions.create_ticket import app as function
from layers.config.compile import FOLDER, Config
from local.partners import new_secret
from local.zendesk_simulator.audits import comments_of
from tests.builders import http_event
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.webhooks.signatures import sign

PARTNERS = {
    path.stem: PartnerDefinition.model_validate(yaml.safe_load(path.read_bytes()))
    for path in (FOLDER / "examples").glob("*.yaml")
}
SECRETS = {name: new_secret(partner.signature) for name, partner in PARTNERS.items()}


class Known:
    def signing(self, _arn, partner):
        return [SECRETS[partner]]


@pytest.fixture
def tell(services, monkeypatch, clock):
    """Sends a sample as the sender of a definition does, in a delivery of its own; the state in the answer."""
    monkeypatch.setattr(loader, "partners", lambda: PARTNERS)
    monkeypatch.setattr(function, "services", lambda: dataclasses.replace(services, secrets=Known()))
    deliveries = iter(range(100))

    def tell(name, sample):
        body = Config().sample(f"events/{name}-{sample}.json").read_bytes()
        headers = sign(
            PARTNERS[name].signature,
            id=f"dlv_{next(deliveries)}",
            timestamp=clock(),
            body=body,
            secret=SECRETS[name],
        )
        answer = function.webhook(http_event(body, headers, path=f"/webhooks/{name}"))
        assert answer["statusCode"] in {200, 202}, answer["body"]
        return json.loads(answer["body"])["state"]

    return tell


@pytest.fixture
def found(zendesk):
    """The status of the only ticket, and the number of its comments."""

    def found():
        (ticket,) = zendesk.account.tickets.all()
        return ticket["status"], len(comments_of(zendesk.account.tickets.audits(ticket["id"])))

    return found


@pytest.mark.parametrize(
    ("name", "samples", "left"),
    [
        # A repetition that says nothing new becomes no comment.
        ("alertmanager", ["firing", "firing", "one-resolved", "resolved", "without-severity"], ("open", 4)),
        ("github", ["issue-opened", "issue-labeled", "issue-closed", "issue-reopened"], ("open", 3)),
        ("github", ["dependabot-created", "dependabot-fixed"], ("solved", 2)),
        ("grafana", ["firing", "firing", "resolved"], ("solved", 2)),
        (
            "jira",
            ["issue-created", "comment-created", "issue-assigned", "issue-done", "issue-reopened"],
            ("open", 4),
        ),
        (
            "pagerduty",
            [
                "incident-triggered",
                "incident-acknowledged",
                "incident-priority-updated",
                "incident-annotated",
                "incident-resolved",
                "incident-reopened",
            ],
            ("open", 6),
        ),
        ("sentry", ["issue-created", "issue-assigned", "issue-resolved", "issue-unresolved"], ("open", 4)),
        ("shopify", ["order-created", "refund-created", "order-cancelled", "order-fulfilled"], ("solved", 4)),
        ("stripe", ["dispute-created", "dispute-funds-withdrawn", "dispute-closed"], ("solved", 3)),
        ("incidents", ["created", "updated", "resolved"], ("solved", 3)),
    ],
)
def test_all_that_is_told_about_a_thing_is_in_its_one_ticket(tell, drive, services, found, name, samples, left):
    for sample in samples:
        tell(name, sample)
        drive(services)
    assert found() == left


def test_a_refund_of_an_order_that_has_no_ticket_becomes_one(tell, drive, services, clock, found, zendesk):
    assert tell("shopify", "refund-created") == "accepted"
    clock.advance(601)
    drive(services)
    assert found() == ("new", 1)
    assert zendesk.account.tickets.all()[0]["subject"] == "Refund for order 6120045871234"


@pytest.mark.parametrize(
    ("name", "sample"), [("alertmanager", "resolved"), ("github", "dependabot-fixed"), ("sentry", "issue-assigned")]
)
def test_what_is_told_about_a_thing_that_has_no_ticket_is_ignored_after_an_hour(
    tell, drive, services, clock, zendesk, name, sample
):
    assert tell(name, sample) == "accepted"
    clock.advance(3601)
    drive(services)
    assert zendesk.account.tickets.all() == []
    assert not services.store.backlog().unfinished
