"""Who leads and who waits, under conditions that DynamoDB itself judges."""

import threading

import pytest

from tests.builders import NOW
from tests.fixtures import both_engines
from ticket_relay.storage import correlations
from ticket_relay.storage.correlations import Correlation, CorrelationFull, Correlations
from ticket_relay.storage.rows import UNFINISHED_RETENTION, correlation_pk

pytestmark = both_engines

PK = correlation_pk("acme", "incident-7")
A, B, C = (f"ticket#acme#{name}" for name in "abc")


@pytest.fixture
def items(table):
    return Correlations(table)


def at_once(work, *rows):
    together = threading.Barrier(len(rows))

    def run(row):
        together.wait()
        work(row)

    threads = [threading.Thread(target=run, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_correlation_that_nobody_has_named_is_empty(items):
    assert items.get(PK) == Correlation(PK)


def test_of_many_who_would_lead_at_once_one_does(table, items):
    leaders = []
    at_once(
        lambda row: leaders.append(Correlations(table).lead(PK, row, NOW)), *(f"{A}{number}" for number in range(8))
    )
    (won,) = [each for each in leaders if each]
    assert items.get(PK) == won


def test_who_leads_may_say_so_again_and_nobody_else_may(items):
    assert items.lead(PK, A, NOW).term == 1
    assert items.lead(PK, A, NOW).term == 2
    assert items.lead(PK, B, NOW) is None
    assert items.get(PK).leader == A


def test_many_who_join_at_once_all_stand_in_line_once(table, items):
    rows = [f"{A}{number}" for number in range(8)]
    at_once(lambda row: [Correlations(table).join(PK, row, NOW) for _ in range(2)], *rows)
    assert sorted(items.get(PK).pending) == rows


def test_the_line_keeps_the_order_and_is_left_at_its_front_only(items):
    items.lead(PK, A, NOW)
    items.join(PK, B, NOW)
    line = items.join(PK, C, NOW)
    assert line.pending == (B, C)
    assert items.leave(line, C, 7, NOW) == line
    assert items.leave(line, B, 7, NOW) == Correlation(PK, A, 1, 7, (C,))
    assert items.leave(line, B, 7, NOW).pending == (C,)  # a repetition of a write that landed


def test_who_leads_does_not_join(items):
    items.lead(PK, A, NOW)
    assert items.join(PK, A, NOW).pending == ()


def test_a_line_is_bounded_and_those_in_it_are_told_nothing_new(items, monkeypatch):
    monkeypatch.setattr(correlations, "MOST_PENDING", 2)
    items.join(PK, A, NOW)
    items.join(PK, B, NOW)
    with pytest.raises(CorrelationFull):
        items.join(PK, C, NOW)
    assert items.join(PK, B, NOW).pending == (A, B)


def test_one_of_the_line_takes_over_from_the_leader_that_it_saw(items):
    items.lead(PK, A, NOW)
    items.join(PK, B, NOW)
    seen = items.join(PK, C, NOW)
    assert items.take_over(seen, C, NOW) == Correlation(PK, C, 2, None, (B,))
    assert items.take_over(seen, C, NOW) is None
    assert items.take_over(seen, B, NOW) is None


def test_nobody_takes_over_from_a_place_that_is_another_ones_by_now(items):
    items.lead(PK, A, NOW)
    items.join(PK, B, NOW)
    seen = items.join(PK, C, NOW)
    items.leave(seen, B, None, NOW)
    assert items.take_over(seen, C, NOW) is None


def test_a_leader_that_went_on_meanwhile_keeps_the_lead(items):
    items.lead(PK, A, NOW)
    seen = items.join(PK, B, NOW)
    items.lead(PK, A, NOW)
    assert items.take_over(seen, B, NOW) is None
    assert items.get(PK).leader == A


def test_the_first_takes_the_lead_where_nobody_has_it(items):
    seen = items.join(PK, B, NOW)
    assert items.take_over(seen, B, NOW) == Correlation(PK, B, 1)


def test_the_former_leaders_ticket_is_forgotten_with_it(items):
    items.lead(PK, A, NOW)
    left = items.leave(items.join(PK, B, NOW), B, 7, NOW)
    assert left.ticket_id == 7
    seen = items.join(PK, C, NOW)
    assert items.take_over(seen, C, NOW).ticket_id is None


def test_a_correlation_outlives_its_last_event_by_a_year(items, table):
    items.lead(PK, A, NOW)
    items.join(PK, B, NOW + 1000)
    assert table.get(PK)["expires_at"] == int(NOW + 1000 + UNFINISHED_RETENTION)
