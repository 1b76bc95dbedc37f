"""Updates of many tickets that wait for the poller, and the job that they go out in."""

import json

import pytest

from local.zendesk_simulator.audits import comments_of
from local.zendesk_simulator.jobs import JobPlan
from ticket_relay.poll_jobs import send_due

MANY = range(send_due.BACKLOG)


def note(number):
    return {"body": f"Note {number}", "public": False}


class Updaters:
    """As many tickets as go together, and what is told of them."""

    def __init__(self, agent, wire, row):
        self._desk = agent
        self._wire = wire
        self._row = row
        self.ids = [agent.new(subject=f"Fire {number}") for number in MANY]

    def ticket(self, number):
        return self._desk.account.tickets.get(self.ids[number])

    def edit(self, number, **changes):
        with self._desk.account.lock:
            self._desk.account.tickets.update(self.ids[number], changes, self._desk.agent)

    def comments(self, number):
        found = comments_of(self._desk.account.tickets.audits(self.ids[number]))
        return [comment["body"] for comment in found[1:]]

    def row(self, number, invocation=None):
        return self._row(invocation or f"inv_{number}", self.ids[number])

    def states(self):
        return [str(self.row(number).state) for number in MANY]

    @property
    def jobs(self):
        """What went out in each job, by number."""
        puts = [put for put in self._wire.puts if "update_many" in put.path_url]
        return [{self.ids.index(it["id"]): it for it in json.loads(put.body)["tickets"]} for put in puts]

    @property
    def alone(self):
        """The numbers of the tickets of which something was sent alone, in that order."""
        return [
            self.ids.index(int(put.path_url.rsplit("/", 1)[1]))
            for put in self._wire.puts
            if "update_many" not in put.path_url
        ]

    def served_once(self):
        """Each has its priority and, once, its note."""
        assert self.states() == ["applied"] * len(MANY)
        assert [self.comments(number) for number in MANY] == [[f"Note {number}"] for number in MANY]
        assert {self.ticket(number)["priority"] for number in MANY} == {"high"}
        return True


@pytest.fixture
def updaters(agent, wire, row):
    return Updaters(agent, wire, row)


@pytest.fixture
def all_wait(updaters, services, webhook, clock):
    """A webhook for each ticket comes while the gate is closed; `more` says what differs, by number."""

    def wait(more=None):
        services.gate.close(clock() + 30)
        for number, ticket_id in enumerate(updaters.ids):
            clock.advance(1)
            given = {"changes": {"priority": "high", "comment": note(number)}} | (more or {}).get(number, {})
            stamp = updaters.ticket(number)["updated_at"]
            assert webhook(f"inv_{number}", ticket_id=str(ticket_id), updated_at=stamp, **given).state == "accepted"

    return wait


@pytest.fixture
def next_job(zendesk):
    return lambda outcome, **how: zendesk.account.jobs.plans.append(JobPlan(outcome, **how))
