import pytest

from tests.builders import NOW
from tests.fakes import DOWN, Outage
from ticket_relay.errors import StoreUnavailable
from ticket_relay.rate_limits.headers import UPDATES, UPDATES_OF_TICKET, Limit
from ticket_relay.rate_limits.update_limits import KEPT_FOR, UpdateLimits


@pytest.fixture
def limits(table):
    return UpdateLimits(table)


def of_ticket(resets):
    return [Limit(UPDATES_OF_TICKET, 0, resets)]


def of_account(resets):
    return [Limit(UPDATES, 0, resets)]


def test_where_nothing_was_used_up_nobody_waits(limits):
    assert limits.closed_until([1, 2], NOW) == {}


def test_a_tickets_limit_is_its_own_and_known_to_all(limits, table):
    limits.record_throttling([1], of_ticket(600.25), NOW)
    assert UpdateLimits(table).closed_until([1, 2], NOW) == {1: NOW + 600.25}


def test_the_accounts_limit_holds_for_every_ticket(limits):
    limits.record_throttling([1], of_account(40), NOW)
    assert limits.closed_until([1, 2], NOW) == {1: NOW + 40, 2: NOW + 40}


def test_of_both_limits_the_later_one_counts(limits):
    limits.record_throttling([1], [*of_account(40), *of_ticket(600)], NOW)
    limits.record_throttling([2], of_ticket(10), NOW)
    assert limits.closed_until([1, 2, 3], NOW) == {1: NOW + 600, 2: NOW + 40, 3: NOW + 40}


def test_when_the_time_is_over_nobody_waits(limits):
    limits.record_throttling([1], [*of_account(40), *of_ticket(600)], NOW)
    assert limits.closed_until([1, 2], NOW + 40) == {1: NOW + 600}
    assert limits.closed_until([1, 2], NOW + 600) == {}


def test_the_longest_wait_that_anybody_was_told_counts(limits):
    for resets in (30, 60, 10):
        limits.record_throttling([1], of_ticket(resets), NOW)
    assert limits.closed_until([1], NOW) == {1: NOW + 60}


def test_a_limit_that_is_over_is_used_up_again(limits):
    limits.record_throttling([1], of_ticket(30), NOW)
    limits.record_throttling([1], of_ticket(30), NOW + 60)
    assert limits.closed_until([1], NOW + 60) == {1: NOW + 90}


def test_other_limits_are_not_of_updates(limits):
    limits.record_throttling([1], [Limit("tickets-index", 0, 60)], NOW)
    assert limits.closed_until([1], NOW) == {}


def test_a_hundred_tickets_and_the_account_are_asked_about_together(limits):
    for ticket_id in (1, 100):
        limits.record_throttling([ticket_id], of_ticket(60), NOW)
    limits.record_throttling([1], of_account(10), NOW)
    found = limits.closed_until(range(1, 101), NOW)
    assert (len(found), found[1], found[50], found[100]) == (100, NOW + 60, NOW + 10, NOW + 60)


def test_what_is_long_over_is_left_to_ttl(limits, dynamo):
    limits.record_throttling([1], of_ticket(60), NOW)
    (item,) = dynamo.scan(TableName="relay")["Items"]
    assert int(item["expires_at"]["N"]) == NOW + 60 + KEPT_FOR


def test_without_a_table_nothing_is_known(limits, dynamo):
    dynamo.outages = [Outage(("batch_get_item", "update_item"), DOWN, times=2)]
    with pytest.raises(StoreUnavailable):
        limits.closed_until([1], NOW)
    with pytest.raises(StoreUnavailable):
        limits.record_throttling([1], of_ticket(60), NOW)
