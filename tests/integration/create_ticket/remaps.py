"""Events that failed, and definitions that have changed since."""

import base64

import pytest

from local.zendesk_simulator.audits import comments_of
from ticket_relay.definitions import loader
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import ticket_pk


@pytest.fixture
def redefine(monkeypatch):
    """The definitions from now on: a partner's, with some of it changed."""

    def redefine(partner, **changes):
        changed = loader.partner(partner).model_copy(update=changes)
        monkeypatch.setattr(loader, "partners", lambda: {partner: changed})

    return redefine


@pytest.fixture
def fail(services):
    """The relay gives up an event that waits."""

    def fail(event_id="evt_1", partner="acme"):
        row = services.store.get(ticket_pk(partner, event_id))
        return services.store.move(row, ticket_states.failed(row, "RecordInvalid", "No.", services.now()))

    return fail


@pytest.fixture
def keep(services, deliver, clock):
    """An event that comes while the gate is closed; opened again by the time that passes."""

    def keep(event_id="evt_1", **more):
        services.gate.close(clock() + 5)
        receipt = deliver(services, event_id, **more)
        clock.advance(6)
        return receipt

    return keep


@pytest.fixture
def files_of(zendesk):
    """The names of the files of each comment of a ticket."""

    def files_of(ticket):
        comments = comments_of(zendesk.account.tickets.audits(ticket["id"]))
        return [[attached["file_name"] for attached in comment["attachments"]] for comment in comments]

    return files_of


def subject(template):
    return {"ticket": loader.partner("acme").ticket | {"subject": template}}


def file(name="goods.csv"):
    content = base64.b64encode(b"quantity,goods\n2,lamp\n").decode()
    return {"base64": content, "filename": name, "content_type": "text/csv"}


def with_files(*names, **comment):
    """A comment of a definition that attaches them; `TAKEN` lets it."""
    return {"body": "${event.text}", "attachments": [file(name) for name in names]} | comment


TAKEN = {"attachments": {"types": ["text/csv"]}}
