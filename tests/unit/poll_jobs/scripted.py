"""A relay over a scripted Zendesk, its poller, and a backlog for it."""

from tests import builders
from tests.builders import NOW, ticket_row
from tests.fakes import MemoryStore, OpenGate
from ticket_relay.poll_jobs import poller, send_due
from ticket_relay.services import Services


def made_services(zendesk, clock):
    clock.time = NOW
    return Services(
        builders.settings(), None, MemoryStore(), OpenGate(), zendesk, None, None, now=clock, sleep=clock.advance
    )


def run(services, seconds=50):
    end = services.now() + seconds
    poller.run(services, lambda: end - services.now(), services.sleep)


def a_backlog(services, number=send_due.BACKLOG):
    for each in range(number):
        services.store.claim(ticket_row(f"evt_{each}", created_at=NOW + each, due_at=NOW))


def states(services):
    return {row.state for row in services.store.rows.values()}
