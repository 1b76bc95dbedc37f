"""The peer of a burst: what a client comes to that goes one by one. Its time is the simulator's, not this machine's."""

import pytest

from local.bench import one_by_one
from local.bench.conditions import Conditions


def test_a_client_as_slow_as_the_limit_is_never_refused():
    found = one_by_one.measured(1500, Conditions(call_seconds=0.2))
    assert (round(found.seconds), found.calls, found.refused) == (300, 1500, 0)
    assert found.seconds == pytest.approx(Conditions().one_by_one_seconds(1500))


def test_a_faster_client_waits_when_it_is_told_to():
    # 300 tickets in 15 s of each minute, four refusals, and the last 300 tickets after four minutes.
    found = one_by_one.measured(1500, Conditions(call_seconds=0.05))
    assert (found.calls, found.refused) == (1504, 4)
    assert found.seconds == pytest.approx(4 * 60 + 15, abs=5)


def test_the_accounts_limit_counts_as_well():
    assert one_by_one.measured(300, Conditions(account_limit=100, call_seconds=0.05)).refused == 2
