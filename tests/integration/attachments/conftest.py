"""A partner whose events bring files, its server, and the minutes that pass with a run of the poller in each."""

import pytest

from local.zendesk_simulator.audits import comments_of
from tests.file_server import file_server
from tests.integration.attachments.events import POLICY, TICKET
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.poll_jobs import poller


@pytest.fixture
def files(tmp_path):
    with file_server(tmp_path) as server:
        yield server


@pytest.fixture
def define(monkeypatch):
    def define(policy=POLICY, **parts):
        given = {"partner": "acme", "scheme": "standard-webhooks", "sample": "e.json", "attachments": policy} | parts
        made = PartnerDefinition.model_validate(given)
        monkeypatch.setattr(loader, "partners", lambda: {"acme": made})

    define(ticket=TICKET)
    return define


@pytest.fixture
def send(services, deliver, define):
    def send(*files, event_id="evt_1", kind="fired", by=None):
        event = {"kind": kind, "thing": "disk", "text": event_id, "files": list(files)}
        return deliver(by or services, event_id, event)

    return send


@pytest.fixture
def minutes(services, files, clock, zendesk):
    """Minutes pass, with a run of the poller in each, until nothing is unfinished."""

    def pass_by(count=15, *, by=None):
        for _ in range(count):
            end = clock() + 50

            def nap(seconds):
                clock.advance(3 * seconds)
                zendesk.account.settle()

            poller.run(by or services, lambda end=end: end - clock(), nap, files.network)
            if not services.store.backlog().unfinished:
                return
            clock.advance(10)
            zendesk.account.settle()

    return pass_by


@pytest.fixture
def attached(zendesk):
    """The comments of the tickets about the thing: their text, whether all may read them, and their files."""

    def attached():
        return [
            (
                comment["body"],
                comment["public"],
                [(it["file_name"], it["content_type"]) for it in comment["attachments"]],
            )
            for ticket in sorted(zendesk.account.tickets.all(), key=lambda ticket: ticket["id"])
            for comment in comments_of(zendesk.account.tickets.audits(ticket["id"]))
        ]

    return attached
