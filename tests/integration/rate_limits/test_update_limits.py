import pytest

from tests.builders import NOW
from tests.fakes import DOWN, Outage
from tests.fixtures import both_engines
from ticket_relay.errors import StoreUnavailable
from ticket_relay.rate_limits.update_limits import KEPT_FOR, UpdateLimits

pytestmark = both_engines


@pytest.fixture
def limits(table):
    return UpdateLimits(table)


def test_where_nothing_was_used_up_nobody_waits(limits):
    assert limits.closed_until([1, 2], NOW) == {}


def test_a_tickets_limit_is_its_own_and_known_to_all(limits, table):
    limits.close(1, NOW + 600.25)
    assert UpdateLimits(table).closed_until([1, 2], NOW) == {1: NOW + 600.25}


def test_when_the_time_is_over_nobody_waits(limits):
    limits.close(1, NOW + 600)
    assert limits.closed_until([1, 2], NOW + 600) == {}


def test_the_longest_wait_that_anybody_was_told_counts(limits):
    for until in (NOW + 30, NOW + 60, NOW + 10):
        limits.close(1, until)
    assert limits.closed_until([1], NOW) == {1: NOW + 60}


def test_a_hundred_tickets_are_asked_about_together(limits):
    for ticket_id in (1, 100):
        limits.close(ticket_id, NOW + 60)
    assert limits.closed_until(range(1, 101), NOW) == {1: NOW + 60, 100: NOW + 60}


def test_what_is_long_over_is_left_to_ttl(limits, dynamo):
    limits.close(1, NOW + 60)
    (item,) = dynamo.scan(TableName="relay")["Items"]
    assert int(item["expires_at"]["N"]) == NOW + 60 + KEPT_FOR


def test_without_a_table_nothing_is_known(limits, dynamo):
    dynamo.outages = [Outage(("batch_get_item", "update_item"), DOWN, times=2)]
    with pytest.raises(StoreUnavailable):
        limits.closed_until([1], NOW)
    with pytest.raises(StoreUnavailable):
        limits.close(1, NOW + 60)
