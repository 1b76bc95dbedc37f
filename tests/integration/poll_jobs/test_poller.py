"""The poller: alone, beside others, and cut off in the middle."""

import json
import threading
from dataclasses import replace

import pytest

from local.zendesk_simulator import Fault, JobPlan
from tests.builders import ticket_row
from tests.fakes import DOWN, Outage
from tests.fixtures import both_engines
from ticket_relay.errors import StoreUnavailable
from ticket_relay.poll_jobs import poll_run, poller
from ticket_relay.states.ticket import LEASE
from ticket_relay.storage.rows import TicketState

CREATE = {"method": "POST", "path": "/api/v2/tickets"}


@pytest.fixture
def accepted(services, clock):
    """Rows that nobody has sent yet, due now."""

    def accept(count, **changes):
        rows = [ticket_row(f"evt_{number}", now=clock(), **changes) for number in range(count)]
        for row in rows:
            assert services.store.claim(row) is None
        return rows

    return accept


def test_without_work_a_run_ends_at_once_and_asks_nobody(services, zendesk):
    poller.run(services, lambda: 60, nap=lambda _: pytest.fail("slept"))
    assert zendesk.account.journal.calls() == []


def test_twenty_tickets_in_flight_cost_a_create_each_and_one_poll_together(
    services, deliver, run_poller, clock, zendesk, stored
):
    for number in range(20):
        deliver(services, f"evt_{number}")
        clock.advance(0.05)
    run_poller(services)
    assert {stored(f"evt_{number}").state for number in range(20)} == {TicketState.CREATED}
    calls = [entry for entry in zendesk.account.journal.calls() if entry.path != "/oauth/tokens"]
    # One for the jobs, and one to see whether the tickets have all that was sent.
    assert [entry.method for entry in calls] == ["POST"] * 20 + ["GET"] * 2


@both_engines
def test_a_ticket_is_known_as_created_within_the_run_in_which_it_is(services, deliver, run_poller, clock, stored):
    start = clock()
    deliver(services)
    run_poller(services)
    assert stored().state == TicketState.CREATED
    assert stored().updated_at - start < 10


def test_many_jobs_are_one_question(services, deliver, run_poller, zendesk, stored):
    for number in range(12):
        deliver(services, f"evt_{number}")
    run_poller(services)
    assert {stored(f"evt_{number}").state for number in range(12)} == {TicketState.CREATED}
    assert len(zendesk.account.journal.calls("GET", "/api/v2/job_statuses/show_many")) == 1


@both_engines
def test_rows_that_wait_are_sent(services, accepted, drive, tickets):
    accepted(5)
    drive(services)
    assert [len(tickets(f"evt_{number}")) for number in range(5)] == [1] * 5


def test_a_row_that_was_never_sent_is_sent_without_a_look(services, accepted, run_poller, zendesk):
    accepted(1)
    run_poller(services)
    assert zendesk.account.journal.calls("GET", "/api/v2/tickets") == []


def test_a_doubtful_row_whose_ticket_exists_is_not_sent(
    services, deliver, drive, clock, accepted, tickets, zendesk, stored
):
    deliver(services)
    clock.advance(5)
    zendesk.account.settle()
    row = stored()
    lost = row.moved(clock(), state=TicketState.ACCEPTED, job_id=None, ticket_id=None, due_at=clock())
    services.store.move(row, lost)
    drive(services)
    assert (stored().state, stored().ticket_id) == (TicketState.CREATED, tickets()[0]["id"])
    assert len(zendesk.account.journal.calls(**CREATE)) == 1


def test_pollers_that_overlap_send_each_row_once(other_services, accepted, clock, zendesk, tickets):
    zendesk.account.settings.key_with_async = False
    accepted(8)
    together, end = threading.Barrier(3), clock() + 30

    def nap(seconds):
        clock.advance(seconds)
        zendesk.account.settle()

    def run(services):
        together.wait()
        poller.run(services, lambda: end - clock(), nap)

    threads = [threading.Thread(target=run, args=(other_services(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(zendesk.account.journal.calls(**CREATE)) == 8
    assert [len(tickets(f"evt_{number}")) for number in range(8)] == [1] * 8


def test_who_reads_a_row_that_another_has_taken_meanwhile_does_not_send_it(
    services, other_services, accepted, clock, dynamo, run_poller, zendesk
):
    accepted(1)
    other = other_services()

    def another_takes_it(operation, request):
        if operation == "put_item" and "version" in request["ConditionExpression"]:
            dynamo.before = lambda *_: None
            run_poller(other)

    dynamo.before = another_takes_it
    run_poller(services)
    assert len(zendesk.account.journal.calls(**CREATE)) == 1


def test_a_run_that_is_cut_off_is_continued_by_the_next(services, accepted, drive, clock, tickets, zendesk):
    accepted(4)
    left = iter([50.0, 50.0, 50.0])
    with pytest.raises(StopIteration):
        poller.run(services, lambda: next(left), nap=lambda _: None)
    drive(services)
    assert [len(tickets(f"evt_{number}")) for number in range(4)] == [1] * 4


def test_a_poller_killed_between_request_and_row_leaves_one_ticket(
    services, accepted, run_poller, drive, tickets, dynamo, stored
):
    accepted(1)
    moves = []

    def killed_at_the_second_move(operation, _request):
        moves.append(operation)
        if moves.count("put_item") == 2:
            dynamo.before = lambda *_: None
            raise KeyboardInterrupt

    dynamo.before = killed_at_the_second_move
    with pytest.raises(KeyboardInterrupt):
        run_poller(services)
    assert (stored("evt_0").state, stored("evt_0").after_lease().in_doubt) == (TicketState.ACCEPTED, True)
    drive(services)
    assert stored("evt_0").state == TicketState.CREATED
    assert len(tickets("evt_0")) == 1


def test_a_row_that_cannot_be_read_stops_nobody_and_makes_the_run_fail(
    services, table, accepted, clock, run_poller, tickets
):
    item = {"pk": "ticket#acme#broken", "due_shard": "send0", "due_at": clock() - 60}
    table.put(item, only_if="attribute_not_exists(pk)")
    accepted(2)
    with pytest.raises(poller.Unfinished):
        run_poller(services)
    assert [len(tickets(f"evt_{number}")) for number in range(2)] == [1, 1]
    # Deferred, or a hundred of them would leave no room for others.
    assert table.get("ticket#acme#broken") == item | {
        "due_at": pytest.approx(clock() + poll_run.DEFERRED_SECONDS, abs=60)
    }


def test_a_bug_met_by_one_row_stops_nobody_and_makes_the_run_fail(
    services, accepted, run_poller, tickets, capfd, monkeypatch
):
    accepted(3)
    create_ticket = services.zendesk.create_ticket

    def buggy(request, key, by):
        return create_ticket(request, key, by) if b"evt_1" not in request else {}[request]

    monkeypatch.setattr(services.zendesk, "create_ticket", buggy)
    with pytest.raises(poller.Unfinished):
        run_poller(services)
    assert [len(tickets(f"evt_{number}")) for number in range(3)] == [1, 0, 1]
    printed = capfd.readouterr().out
    assert "KeyError" in printed
    assert "It burns" not in printed


def test_a_store_that_fails_for_one_row_leaves_it_to_the_next_run(services, accepted, drive, dynamo, tickets, counted):
    accepted(3)
    dynamo.outages.append(Outage(("put_item",), DOWN, times=2))
    drive(services)
    assert [len(tickets(f"evt_{number}")) for number in range(3)] == [1] * 3


def test_a_store_that_is_down_ends_the_run(services, accepted, run_poller, dynamo, zendesk):
    accepted(1)
    dynamo.outages.append(Outage(("query",), DOWN))
    with pytest.raises(StoreUnavailable):
        run_poller(services)
    assert zendesk.account.journal.calls() == []


def test_a_run_ends_before_its_time_is_up(services, deliver, clock, zendesk):
    zendesk.account.jobs.plans.append(JobPlan("never_finishes"))
    deliver(services)
    end = clock() + 50
    poller.run(services, lambda: end - clock(), nap=clock.advance)
    assert clock() <= end - poll_run.CALL_TIME + poller.LONGEST_NAP


def test_behind_a_closed_gate_jobs_are_not_asked_after(services, deliver, run_poller, clock, zendesk, stored):
    deliver(services)
    services.gate.close(clock() + 300)
    before = len(zendesk.account.journal.calls())
    run_poller(services)
    assert len(zendesk.account.journal.calls()) == before
    assert stored().state == TicketState.SUBMITTED


def test_when_the_gate_opens_one_asks_first(services, accepted, run_poller, clock, zendesk):
    accepted(6)
    services.gate.close(clock())
    zendesk.account.faults.add(Fault("status", status=429, headers={"Retry-After": "120"}, **CREATE))
    clock.advance(1)
    run_poller(services)
    assert len(zendesk.account.journal.calls(**CREATE)) == 1


def test_the_age_of_what_waits_longest_is_measured(services, accepted, clock, run_poller, counted):
    accepted(1, created_at=clock() - 500)
    run_poller(services)
    assert counted("OldestUnfinished") >= 500


@pytest.mark.parametrize(("seconds", "closed"), [(300, 1), (0, 0)])
def test_each_run_says_whether_it_leaves_the_gate_closed(
    services, accepted, clock, run_poller, counted, seconds, closed
):
    accepted(1)
    services.gate.close(clock() + seconds)
    run_poller(services)
    assert counted("GateClosed") == closed


def test_a_lease_keeps_others_away(services, accepted, clock, run_poller, zendesk):
    (row,) = accepted(1)
    services.store.move(row, row.moved(clock(), due_at=clock() + LEASE + 60, sent_at=clock()))
    run_poller(services)
    assert zendesk.account.journal.calls(**CREATE) == []


def following(number, *emails):
    followers = [{"user_email": email} for email in emails]
    ticket = {"comment": {"body": "x"}, "external_id": f"acme:evt_{number}", "followers": followers}
    return json.dumps({"ticket": ticket}).encode()


def test_followers_who_are_no_agents_are_counted_and_their_ticket_logged(
    services, clock, zendesk, run_poller, stored, counted, capsys
):
    zendesk.account.users.agent("dana@example.com")
    requests = [following(0, "dana@example.com"), following(1, "dana@example.com", "customer@example.com")]
    for number, request in enumerate(requests):
        services.store.claim(ticket_row(f"evt_{number}", now=clock(), request=request))
    run_poller(services)
    assert counted("FollowersIgnored") == 1
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ignored followers" in line]
    assert [line["ticket_id"] for line in logged] == [stored("evt_1").ticket_id]
    assert "@" not in json.dumps(logged)


def with_field(number, field=360008591391):
    ticket = {
        "comment": {"body": "x"},
        "external_id": f"acme:evt_{number}",
        "custom_fields": [{"id": field, "value": "v"}],
    }
    return json.dumps({"ticket": ticket}).encode()


@pytest.mark.parametrize("by_partner", [True, False])
def test_a_field_that_the_account_does_not_have_is_counted_and_its_ticket_logged(
    services, clock, zendesk, run_poller, stored, counted, capsys, by_partner
):
    zendesk.account.names.closed = True
    for number, field in enumerate((360008591391, 999)):
        services.store.claim(ticket_row(f"evt_{number}", now=clock(), request=with_field(number, field)))
    settings = services.settings.model_copy(update={"metrics_by_partner": by_partner})
    run_poller(replace(services, settings=settings))
    assert counted("PropertyIgnored") == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (logged,) = [line for line in lines if line.get("message") == "Zendesk ignored properties"]
    assert (logged["ticket_id"], logged["properties"]) == (stored("evt_1").ticket_id, ["999"])
    assert [line["partner"] for line in lines if "PropertyIgnored" in line] == ["acme"] * by_partner


@pytest.mark.parametrize(("field", "calls"), [(999, 2), (360008591391, 1)])
def test_a_hundred_tickets_are_looked_at_in_one_call_and_none_for_a_field_that_was_seen(
    services, clock, zendesk, run_poller, stored, field, calls
):
    zendesk.account.names.closed = True
    for number in range(150):
        request = with_field(number, field)
        services.store.claim(ticket_row(f"evt_{number}", now=clock(), due_at=clock(), request=request))
    run_poller(services)
    assert {stored(f"evt_{number}").state for number in range(150)} == {TicketState.CREATED}
    assert len(zendesk.account.journal.calls(path="/api/v2/tickets/show_many")) == calls


def test_a_ticket_with_nothing_to_compare_is_not_looked_at(services, accepted, zendesk, run_poller):
    accepted(1)
    run_poller(services)
    assert zendesk.account.journal.calls(path="/api/v2/tickets/show_many") == []


def test_a_look_at_followers_that_fails_changes_nothing(services, clock, zendesk, run_poller, stored, counted):
    zendesk.account.faults.add(Fault("status", path="/api/v2/tickets/show_many", status=500))
    services.store.claim(ticket_row(now=clock(), request=following(1, "customer@example.com")))
    run_poller(services)
    assert (stored().state, counted("FollowersIgnored")) == (TicketState.CREATED, 0)
    assert len(zendesk.account.journal.calls(path="/api/v2/tickets/show_many")) == 1
