"""When nobody can say whether a request had its effect: the pause, the look-up, the key, and the new key.

An idempotency key lives for two hours (Zendesk, "Idempotency"); the clock here is the relay's and Zendesk's alike.
"""

import pytest
import requests

from local.zendesk_simulator import Fault, JobPlan
from tests import builders
from tests.fakes import DOWN, Outage
from tests.fixtures import both_engines
from ticket_relay.create_ticket import submit
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states.ticket import KEY_LIFE
from ticket_relay.storage.rows import DAY, TicketState

CREATE = {"method": "POST", "path": "/api/v2/tickets"}
LOOK = {"method": "GET", "path": "/api/v2/tickets"}


@pytest.fixture(params=[True, False], ids=["key honoured", "key ignored"])
def honoured(request, zendesk):
    zendesk.account.settings.key_with_async = request.param
    return request.param


@pytest.fixture
def sent(zendesk):
    """The keys of all requests so far; what was sent under one key twice was the same, byte for byte, or refused."""
    return lambda: [entry.idempotency_key for entry in zendesk.account.journal.calls(**CREATE)]


@pytest.mark.usefixtures("honoured")
def test_a_ticket_in_doubt_is_not_looked_for_before_the_pause(services, zendesk, clock, deliver, drive, tickets):
    zendesk.account.faults.add(Fault("drop", effect="before", **CREATE))
    start = clock()
    deliver(services)
    drive(services)
    (look,) = zendesk.account.journal.calls(**LOOK)
    assert look.at >= start + builders.settings().doubtful_pause_seconds
    assert len(tickets()) == 1


@pytest.mark.usefixtures("honoured")
def test_a_ticket_that_is_found_is_not_sent_again(services, zendesk, deliver, drive, tickets, sent, stored):
    zendesk.account.faults.add(Fault("drop", effect="before", **CREATE))
    deliver(services)
    drive(services)
    assert len(sent()) == len(tickets()) == 1
    assert stored().state == TicketState.CREATED


@both_engines
@pytest.mark.usefixtures("honoured")
def test_what_is_not_found_is_sent_again_under_the_same_key(services, zendesk, deliver, drive, tickets, sent):
    zendesk.account.faults.add(Fault("drop", **CREATE, times=2))
    deliver(services)
    drive(services)
    assert len(sent()) == 3
    assert len(set(sent())) == len(tickets()) == 1


def test_a_repetition_brings_back_the_first_job_where_the_key_is_honoured(
    services, zendesk, deliver, drive, tickets, sent, stored
):
    """Its bytes were the same, or Zendesk would have refused them."""
    zendesk.account.jobs.plans.append(JobPlan("forgotten", effect=False))
    zendesk.account.faults.add(Fault("drop", effect="before", **CREATE))
    deliver(services)
    drive(services, minutes=2)
    (job,) = zendesk.account.jobs
    assert (stored().state, stored().job_id) == (TicketState.SUBMITTED, job.id)
    assert len(set(sent())) == 1
    drive(services)
    assert len(tickets()) == 1


@pytest.mark.usefixtures("honoured")
@pytest.mark.parametrize(("minutes", "keys"), [(100, 1), (111, 2)])
def test_a_key_is_used_for_less_than_its_two_hours(
    services, zendesk, clock, deliver, drive, tickets, sent, minutes, keys
):
    zendesk.account.faults.add(Fault("drop", **CREATE))
    deliver(services)
    clock.advance(minutes * 60)
    drive(services)
    assert len(set(sent())) == keys
    assert len(sent()) == 2
    assert len(tickets()) == 1


@pytest.mark.usefixtures("honoured")
def test_when_the_key_is_forgotten_the_look_alone_protects(services, zendesk, clock, deliver, drive, tickets, sent):
    zendesk.account.faults.add(Fault("drop", effect="before", **CREATE))
    deliver(services)
    clock.advance(KEY_LIFE + 60)
    zendesk.account.settle()
    drive(services)
    assert len(sent()) == len(tickets()) == 1


@pytest.mark.usefixtures("honoured")
@pytest.mark.parametrize("outcome", ["killed", "failed_without_results"])
def test_a_failed_job_is_followed_by_a_look_and_an_attempt_with_a_key_of_its_own(
    services, zendesk, deliver, drive, tickets, sent, stored, outcome
):
    zendesk.account.jobs.plans.append(JobPlan(outcome, times=2))
    deliver(services)
    drive(services)
    calls = zendesk.account.journal.calls(path=CREATE["path"])
    assert [call.method for call in calls if call.status] == ["POST", "GET", "GET", "POST", "GET", "GET", "POST"]
    assert len(set(sent())) == len(sent()) == stored().attempt == 3
    assert len(tickets()) == 1


@pytest.mark.usefixtures("honoured")
def test_a_job_of_many_whose_worker_died_while_it_told_them_makes_no_second_ticket(
    services, clock, zendesk, dynamo, tickets, drive
):
    rows = [builders.ticket_row(f"evt_{number}", now=clock()) for number in range(6)]
    for row in rows:
        services.store.claim(row)
    # Six are held and three are told of the job, which is under way for longer than the lease.
    zendesk.account.jobs.plans.append(JobPlan(queued_seconds=60))
    writes = iter(range(100))
    dynamo.outages.append(Outage(("put_item",), DOWN, times=3, fits=lambda _: next(writes) >= 9))
    untold = []
    sent = submit.send_together(services, rows, Deadline.after(8), lambda row, _: untold.append(row.event_id))
    assert ([row.event_id for row in sent], untold) == (["evt_0", "evt_1", "evt_2"], ["evt_3", "evt_4", "evt_5"])
    clock.advance(45)
    zendesk.account.settle()
    drive(services)
    assert [len(tickets(f"evt_{number}")) for number in range(6)] == [1] * 6


def test_what_was_given_up_is_not_sent_beside_its_last_job_when_it_is_redriven(
    services, zendesk, clock, tickets, drive, stored
):
    zendesk.account.jobs.plans.append(JobPlan(queued_seconds=3600))
    zendesk.account.faults.add(Fault("drop", effect="before", **CREATE))
    services.store.claim(builders.ticket_row(now=clock() - 3 * DAY, due_at=clock()))
    drive(services, minutes=1)
    services.store.move(stored(), ticket_states.failed(stored(), "zendesk_timeout", "Given up.", clock()))
    services.store.move(stored(), ticket_states.redriven(stored(), clock()))
    drive(services, minutes=5)
    assert tickets() == []
    drive(services, minutes=90)
    assert len(tickets()) == 1


@pytest.mark.parametrize("others", ["ours", "foreign"])
def test_a_lost_answer_behind_many_newer_jobs_is_not_sent_again(services, zendesk, deliver, drive, tickets, others):
    zendesk.account.settings.key_with_async = False
    zendesk.account.settings.job_queued_seconds = 75
    zendesk.account.settings.limit_account = zendesk.account.settings.limit_create = 10_000
    zendesk.account.faults.add(Fault("drop", effect="after", **CREATE))
    assert deliver(services, "lost").state == TicketState.ACCEPTED
    ids = [f"evt_{number}" for number in range(130)]
    if others == "ours":
        for event_id in ids:
            deliver(services, event_id)
    else:
        headers = {"Authorization": services.zendesk._auth.header(Permit(Deadline.after(60)))}
        for event_id in ids:
            body = {"ticket": {"comment": {"body": "Theirs"}, "external_id": event_id}}
            url = f"{zendesk.url}/api/v2/tickets?async=true"
            assert requests.post(url, json=body, headers=headers, timeout=30).status_code == 202
    drive(services)
    assert len(tickets("lost")) == 1
    if others == "ours":
        assert {len(tickets(event_id)) for event_id in ids} == {1}
