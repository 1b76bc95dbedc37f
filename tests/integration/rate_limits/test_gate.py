import pytest

from tests.builders import NOW
from ticket_relay.errors import StaleRow
from ticket_relay.rate_limits.gate import OPEN, PROBE_TIME, Gate


@pytest.fixture
def gate(table):
    return Gate(table)


def test_a_new_gate_is_open_to_all(gate):
    assert gate.take_permit(NOW) == gate.take_permit(NOW) == OPEN


def test_a_closed_gate_is_closed_for_everybody(gate, table):
    gate.close(NOW + 30, OPEN)
    assert gate.take_permit(NOW).closed_until == NOW + 30
    assert Gate(table).take_permit(NOW + 29).closed_until == NOW + 30


def test_the_longest_wait_that_anybody_was_told_counts(gate):
    for until in (NOW + 30, NOW + 60, NOW + 10):
        gate.close(until)
    assert gate.take_permit(NOW).closed_until == NOW + 60


def test_afterwards_one_asks_first_and_the_others_wait_for_it(gate):
    gate.close(NOW)
    first, second = gate.take_permit(NOW + 1), gate.take_permit(NOW + 1)
    assert first.closed_until is None
    assert second.closed_until == NOW + 1 + PROBE_TIME


def test_of_two_who_want_to_ask_first_at_once_one_does(gate, dynamo):
    gate.close(NOW)
    permits = []

    def another_comes_between(operation, _request):
        if operation == "update_item":
            dynamo.before = lambda *_: None
            permits.append(gate.take_permit(NOW + 1))

    dynamo.before = another_comes_between
    permits.append(gate.take_permit(NOW + 1))
    assert sorted(permit.closed_until is None for permit in permits) == [False, True]


def test_it_is_open_to_all_when_the_first_was_answered_well(gate):
    gate.close(NOW)
    gate.record_success(gate.take_permit(NOW + 1))
    assert gate.take_permit(NOW + 1) == OPEN


def test_it_is_closed_for_exactly_as_long_as_the_first_was_told(gate):
    gate.close(NOW)
    gate.close(NOW + 3, gate.take_permit(NOW + 1))
    assert gate.take_permit(NOW + 2).closed_until == NOW + 3


def test_a_success_does_not_open_what_somebody_else_has_closed(gate):
    gate.close(NOW)
    first = gate.take_permit(NOW + 1)
    gate.close(NOW + 60)
    gate.record_success(first)
    assert gate.take_permit(NOW + 2).closed_until == NOW + 60


def test_a_success_of_one_who_was_let_through_an_open_gate_opens_nothing(gate):
    gate.close(NOW + 60)
    gate.record_success(OPEN)
    assert gate.take_permit(NOW).closed_until == NOW + 60


def test_when_the_first_never_comes_back_another_asks(gate):
    gate.close(NOW)
    gate.take_permit(NOW + 1)
    assert gate.take_permit(NOW + 2 + PROBE_TIME).closed_until is None


def test_who_does_not_ask_after_all_lets_the_next_one(gate):
    gate.close(NOW)
    with gate.permit(lambda: NOW + 1) as permit:
        assert permit.probe is not None
    assert gate.take_permit(NOW + 1).closed_until is None


def test_whatever_stops_the_first_one_the_next_one_may_ask(gate):
    gate.close(NOW)
    with pytest.raises(StaleRow), gate.permit(lambda: NOW + 1):
        raise StaleRow("Somebody else has it.")
    assert gate.take_permit(NOW + 1).closed_until is None


def test_what_the_first_one_learned_is_not_undone_at_its_end(gate):
    gate.close(NOW)
    with gate.permit(lambda: NOW + 1) as permit:
        gate.close(NOW + 60, permit)
    assert gate.take_permit(NOW + 2).closed_until == NOW + 60


def test_the_first_one_who_was_answered_leaves_the_gate_open(gate):
    gate.close(NOW)
    with gate.permit(lambda: NOW + 1) as permit:
        gate.record_success(permit)
    assert gate.take_permit(NOW + 1) == OPEN


def test_an_open_gate_stays_open_when_nothing_is_asked(gate):
    with gate.permit(lambda: NOW) as permit:
        assert permit == OPEN
    assert gate.take_permit(NOW) == OPEN
