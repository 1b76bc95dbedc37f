from contextlib import ExitStack

import pytest

from tests.builders import NOW
from tests.fakes import DOWN, Clock, Outage
from tests.fixtures import both_engines
from ticket_relay.errors import StaleRow
from ticket_relay.rate_limits.gate import PROBE_TIME, TOGETHER_TIME, Gate
from ticket_relay.rate_limits.headers import ACCOUNT, CREATE, INDEX, UPDATES, UPDATES_OF_TICKET, Limit
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.rate_limits.pressure import Pace
from ticket_relay.rate_limits.update_limits import UpdateLimits

pytestmark = both_engines

BY = Deadline.after(3600)


@pytest.fixture
def clock():
    clock = Clock()
    clock.time = NOW
    return clock


@pytest.fixture
def gate(table, clock):
    return Gate(table, UpdateLimits(table), clock)


@pytest.fixture
def take(gate):
    """A permit whose worker is still at work when the test ends."""
    with ExitStack() as workers:
        yield lambda *endpoints, **ticket: workers.enter_context(gate.permit(BY, *endpoints, **ticket))


def closed_until(gate, *endpoints, **ticket):
    """What a worker would be told that asks now and then calls nothing."""
    with gate.permit(BY, *endpoints, **ticket) as permit:
        return permit.closed_until


def test_a_new_gate_is_open_to_all(take):
    assert [(permit.closed_until, permit.probe) for permit in (take(), take())] == [(None, None)] * 2


def test_a_closed_gate_is_closed_for_everybody(gate, table, clock):
    gate.close(NOW + 30)
    assert closed_until(gate) == NOW + 30
    clock.advance(29)
    assert closed_until(Gate(table, UpdateLimits(table), clock)) == NOW + 30


def test_the_longest_wait_that_anybody_was_told_counts(gate):
    for until in (NOW + 30, NOW + 60, NOW + 10):
        gate.close(until)
    assert closed_until(gate) == NOW + 60


def test_afterwards_one_makes_the_trial_and_the_others_wait_for_it(gate, take):
    gate.close(NOW)
    first, second = take(), take()
    assert first.closed_until is None
    assert second.closed_until == NOW + PROBE_TIME


def test_of_two_that_ask_at_once_one_makes_the_trial(gate, dynamo, take):
    gate.close(NOW)
    permits = []

    def another_comes_between(operation, _request):
        if operation == "update_item":
            dynamo.before = lambda *_: None
            permits.append(take())

    dynamo.before = another_comes_between
    permits.append(take())
    assert sorted(permit.closed_until is None for permit in permits) == [False, True]


def test_it_is_open_to_all_when_the_trial_succeeded(gate):
    gate.close(NOW)
    with gate.permit(BY) as permit:
        permit.record_success([], [])
    with gate.permit(BY) as permit:
        assert (permit.closed_until, permit.probe) == (None, None)


def test_it_is_closed_for_exactly_as_long_as_the_trial_was_told(gate, clock):
    gate.close(NOW)
    with gate.permit(BY) as permit:
        permit.record_throttling(3, [], [])
        assert gate.closed_until() == NOW + 3
    assert closed_until(gate) == NOW + 3
    clock.advance(3)
    assert closed_until(gate) is None


def test_others_are_told_at_once_that_they_must_wait(gate):
    with gate.permit(BY) as permit:
        permit.record_throttling(30, [], [])
        assert closed_until(gate) == NOW + 30


def test_a_success_does_not_open_what_another_worker_has_closed(gate):
    gate.close(NOW)
    with gate.permit(BY) as permit:
        gate.close(NOW + 60)
        permit.record_success([], [])
    assert closed_until(gate) == NOW + 60


def test_a_success_without_the_trial_opens_nothing(gate):
    with gate.permit(BY) as permit:
        gate.close(NOW + 60)
        permit.record_success([], [])
    assert closed_until(gate) == NOW + 60


def test_when_the_trial_never_ends_another_worker_makes_it(gate, take, clock):
    gate.close(NOW)
    take()
    clock.advance(1 + PROBE_TIME)
    assert take().closed_until is None


def test_a_trial_without_an_answer_is_given_back(gate):
    gate.close(NOW)
    with gate.permit(BY) as permit:
        assert permit.probe is not None
    assert closed_until(gate) is None


def test_whatever_stops_the_trial_the_next_worker_may_make_it(gate):
    gate.close(NOW)
    with pytest.raises(StaleRow), gate.permit(BY):
        raise StaleRow("Another worker has it.")
    assert closed_until(gate) is None


def test_an_open_gate_stays_open_when_nothing_is_asked(gate, dynamo):
    assert closed_until(gate) is None
    assert dynamo.scan(TableName="relay")["Count"] == 0


@pytest.mark.parametrize("endpoint", [CREATE, INDEX, UPDATES])
def test_a_limit_of_one_endpoint_closes_the_gate_for_it_alone(gate, clock, endpoint):
    with gate.permit(BY) as permit:
        permit.record_throttling(5, [Limit(endpoint, 100, 0, 41)], [])
    assert closed_until(gate) is None
    for other in {CREATE, INDEX, UPDATES} - {endpoint}:
        assert closed_until(gate, other) is None
    assert closed_until(gate, CREATE, INDEX, UPDATES) == NOW + 41
    clock.advance(41)
    assert closed_until(gate, endpoint) is None


def test_an_endpoint_waits_as_long_as_retry_after_says_if_that_is_longer(gate):
    with gate.permit(BY) as permit:
        permit.record_throttling(90, [Limit(INDEX, 100, 0, 41)], [])
    assert closed_until(gate, INDEX) == NOW + 90


def test_a_limit_that_the_relay_does_not_know_closes_the_gate_for_all(gate):
    with gate.permit(BY) as permit:
        permit.record_throttling(20, [Limit("tags-index", 100, 0, 41)], [])
    assert closed_until(gate) == NOW + 20


def test_a_limit_that_a_success_used_up_is_not_tried(gate):
    with gate.permit(BY) as permit:
        permit.record_success([Limit(CREATE, 100, 0, 41)], [])
        assert closed_until(gate, CREATE) is None
    assert closed_until(gate, CREATE) == NOW + 41
    assert gate.closed_until(CREATE) == NOW + 41
    assert gate.closed_until() is None


def test_a_tickets_limit_is_its_own(gate):
    with gate.permit(BY, UPDATES, ticket_id=1) as permit:
        permit.record_success([Limit(UPDATES_OF_TICKET, 100, 0, 600)], [1])
    assert closed_until(gate, UPDATES, ticket_id=1) == NOW + 600
    assert closed_until(gate, UPDATES, ticket_id=2) is None


def test_of_a_tickets_limit_and_the_accounts_the_later_one_counts(gate):
    with gate.permit(BY) as permit:
        permit.record_success([Limit(UPDATES_OF_TICKET, 100, 0, 600), Limit(UPDATES, 100, 0, 40)], [1])
    assert closed_until(gate, UPDATES, ticket_id=1) == NOW + 600
    assert closed_until(gate, UPDATES, ticket_id=2) == NOW + 40


def test_an_endpoint_that_says_no_ends_the_trial_well(gate):
    gate.close(NOW)
    with gate.permit(BY) as permit:
        permit.record_throttling(5, [Limit(INDEX, 100, 0, 41)], [])
    with gate.permit(BY) as permit:
        assert (permit.closed_until, permit.probe) == (None, None)


def test_an_answer_in_hand_is_not_lost_with_the_table(gate, dynamo):
    dynamo.outages = [Outage(("update_item",), DOWN, times=9)]
    with gate.permit(BY) as permit:
        permit.record_throttling(5, [], [])
        permit.record_success([Limit(CREATE, 100, 0, 41)], [])


@pytest.fixture
def started():
    return []


@pytest.fixture
def worker(table, clock, started):
    """Makes gates as of processes of their own, to each of which more than two events in ten seconds are many."""

    def make(**options):
        start = lambda: started.append(clock())  # noqa: E731
        return Gate(table, UpdateLimits(table), clock, pace=Pace(3, 10), on_pressure=start, **options)

    return make


def may_send_alone(gate, endpoint=CREATE):
    with gate.permit(BY, endpoint, alone=True) as permit:
        return permit.closed_until is None


def test_events_that_come_fast_go_together_from_then_on_for_every_worker(worker, clock, started):
    one, other = worker(), worker()
    assert [may_send_alone(one) for _ in range(3)] == [True] * 3
    assert not may_send_alone(one)
    assert not may_send_alone(other)
    assert started == [NOW]


def test_what_goes_together_is_sent_by_whoever_sends_many(worker):
    gate = worker()
    for _ in range(4):
        may_send_alone(gate)
    assert closed_until(gate, CREATE) is None


def test_an_event_now_and_then_is_sent_at_once(worker, clock, started):
    gate = worker()
    for _ in range(20):
        assert may_send_alone(gate)
        clock.advance(6)
    assert started == []


def test_the_way_back_is_by_time(worker, clock, started):
    gate = worker()
    for _ in range(3):
        may_send_alone(gate)
    clock.advance(TOGETHER_TIME + 1)
    assert may_send_alone(gate)
    assert started == [NOW]


def test_of_two_who_see_the_burst_begin_one_starts_the_poller(worker, started):
    one, other = worker(), worker()
    for _ in range(2):
        may_send_alone(one)
        may_send_alone(other)
    with one.permit(BY, CREATE, alone=True), other.permit(BY, CREATE, alone=True):
        pass
    assert started == [NOW]


@pytest.mark.parametrize(("name", "little"), [(ACCOUNT, 20), (CREATE, 45), (UPDATES, 45)])
def test_when_little_is_left_of_a_limit_events_go_together(worker, started, name, little):
    gate = worker()
    with gate.permit(BY, CREATE, alone=True) as permit:
        permit.record_success([Limit(name, 100, little, 41)], [])
    assert [may_send_alone(gate, endpoint) for endpoint in (CREATE, UPDATES)] == [name == UPDATES, name == CREATE]
    assert closed_until(gate, CREATE, INDEX, UPDATES) is None
    assert started == [NOW]


def test_after_the_gate_was_closed_events_go_together_for_a_minute(worker, clock):
    gate = worker()
    gate.close(NOW + 20)
    clock.advance(21)
    assert not may_send_alone(gate)
    clock.advance(TOGETHER_TIME)
    assert may_send_alone(gate)


def test_under_pressure_the_half_open_trial_is_left_to_the_poller(worker, clock):
    gate = worker()
    gate.close(NOW + 20)
    clock.advance(21)
    assert not may_send_alone(gate)
    with gate.permit(BY, CREATE) as permit:
        assert permit.probe is not None


def test_signs_of_pressure_are_seldom_written(worker, dynamo, clock):
    gate = worker()
    writes = []
    dynamo.before = lambda operation, _: writes.append(operation) if operation == "update_item" else None
    for _ in range(20):
        with gate.permit(BY, CREATE) as permit:
            permit.record_success([Limit(CREATE, 100, 10, 41)], [])
        clock.advance(1)
    assert len(writes) == 1


def test_what_is_left_to_others_is_not_used(worker, clock):
    gate = worker(left_to_others=50)
    with gate.permit(BY) as permit:
        permit.record_success([Limit(ACCOUNT, 700, 51, 30)], [])
    assert closed_until(gate) is None
    with gate.permit(BY) as permit:
        permit.record_success([Limit(ACCOUNT, 700, 50, 30)], [])
    assert closed_until(gate) == NOW + 30
    clock.advance(31)
    assert closed_until(gate) is None
