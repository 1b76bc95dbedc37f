"""What is lost and what is doubled is seen, however the numbers add up."""

from hypothesis import given
from hypothesis import strategies as st

from local.bench import tally
from local.zendesk_simulator.journal import Entry

NAMES = [f"acme:{number}" for number in range(5)]


def tickets(*names):
    return [{"external_id": name} for name in names]


def call(path, status=200, method="POST"):
    return Entry(at=0, method=method, path=path, query="", status=status, idempotency_key=None, size=0)


def test_one_ticket_each_is_what_was_promised():
    assert tally.broken(NAMES, tickets(*NAMES, "others")) == ()


def test_a_lost_event_is_not_made_up_for_by_a_doubled_one():
    assert tally.broken(NAMES, tickets(*NAMES[:4], NAMES[0])) == (
        "1 events of 5 have no ticket.",
        "1 events have several.",
    )


@given(st.lists(st.sampled_from(NAMES), max_size=20))
def test_only_one_ticket_each_is_whole(made):
    assert (tally.broken(NAMES, tickets(*made)) == ()) == (sorted(made) == NAMES)


def test_refusals_are_counted():
    assert (
        tally.refused([call("/api/v2/tickets", 429), call("/api/v2/tickets", 202), call("/api/v2/tickets", None)]) == 1
    )


def test_calls_are_counted_by_endpoint_and_not_by_id():
    calls = [
        call("/api/v2/tickets/12", method="GET"),
        call("/api/v2/tickets/13.json", method="GET"),
        call("/api/v2/tickets"),
    ]
    calls += [call("/api/v2/job_statuses/V3-ab12", method="GET")]
    assert tally.kinds(calls) == "Calls to Zendesk: 2 GET tickets/{id}, 1 POST tickets, 1 GET job_statuses/{id}."
