"""The conditions are the simulator's own: what the bench compares with is what the account then does."""

import json

import pytest

from local.bench.conditions import Conditions
from local.zendesk_simulator import Account
from local.zendesk_simulator.jobs import Step


@pytest.mark.parametrize(
    ("tickets", "rounds"), [(1, 1), (100, 1), (3000, 1), (3001, 2), (9000, 3), (10_000, 4), (12_000, 4)]
)
def test_jobs_go_in_rounds(tickets, rounds):
    assert Conditions(jobs=30, job_seconds=12.6).drain_seconds(tickets) == pytest.approx(rounds * 12.6)


def test_a_job_of_a_hundred_tickets_takes_as_long_as_the_conditions_say():
    now = 1_800_000_000.0
    account = Account("secret", source=lambda: now)
    Conditions(job_seconds=12.6).put_on(account)
    job = account.jobs.queue("Bulk Create Ticket", "Creating", [Step(dict, {})] * 100, now)
    account.jobs.settle(now + 12.5)
    assert not job.finished
    account.jobs.settle(now + 12.7)
    assert job.finished


def test_what_came_before_is_not_counted():
    account = Account("secret")
    account.limits.create({}, 1, "here", 0.0)
    conditions = Conditions(create_limit=1)
    conditions.put_on(account)
    headers: dict[str, str] = {}
    account.limits.create(headers, 1, "here", 0.0)
    assert "remaining=0" in json.dumps(headers)
    assert not account.journal.entries
