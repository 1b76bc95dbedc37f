import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from ticket_relay.rate_limits.headers import ACCOUNT, LONGEST_RETRY_AFTER, UPDATES, UPDATES_OF_TICKET, Limit, limits

NAMES = st.sampled_from(
    ["Zendesk-RateLimit-tickets-update", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]
)
USED_UP = "total=100; remaining=0; resets=41"


@pytest.mark.parametrize(
    "name",
    ["Zendesk-RateLimit-tickets-update", "Zendesk-Rate-Limit-tickets-update", "zendesk-ratelimit-TICKETS-UPDATE"],
)
def test_a_limit_is_read_in_both_spellings_of_its_header(name):
    assert limits({name: USED_UP}) == (Limit(UPDATES, 100, 0, 41.0),)


@pytest.mark.parametrize("value", [USED_UP, USED_UP.replace(" ", "")])
def test_a_limit_is_read_with_and_without_blanks(value):
    assert limits({"Zendesk-RateLimit-per-ticket-updates": value}) == (Limit(UPDATES_OF_TICKET, 100, 0, 41.0),)


def test_several_limits_may_be_used_up_at_once():
    headers = CaseInsensitiveDict(
        {
            "Zendesk-RateLimit-tickets-update": "total=100; remaining=0; resets=5",
            "Zendesk-RateLimit-per-ticket-updates": "total=30; remaining=0; resets=500",
        }
    )
    assert limits(headers) == (Limit(UPDATES, 100, 0, 5.0), Limit(UPDATES_OF_TICKET, 30, 0, 500.0))


def test_a_limit_of_which_something_is_left_is_told_as_well():
    (limit,) = limits({"Zendesk-RateLimit-tickets-update": "total=100; remaining=1; resets=41"})
    assert limit == Limit(UPDATES, 100, 1, 41.0)


def test_the_accounts_limit_has_three_headers_of_its_own():
    headers = CaseInsensitiveDict({"RateLimit-Limit": "700", "ratelimit-remaining": "12", "ratelimit-reset": "41"})
    assert limits(headers) == (Limit(ACCOUNT, 700, 12, 41.0),)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Rate-Limit": "700", "X-Rate-Limit-Remaining": "0", "ratelimit-reset": "41"},
        {"Zendesk-RateLimit-tickets-update": ""},
        {"Zendesk-RateLimit-tickets-update": "0"},
        {"Zendesk-RateLimit-tickets-update": "remaining=0; resets=41"},
        {"Zendesk-RateLimit-tickets-update": "total=100; remaining=-1; resets=41"},
        {"Zendesk-RateLimit-tickets-update": "total=100; remaining=0; resets=soon"},
        {"Zendesk-RateLimit-": USED_UP},
        {"My-Zendesk-RateLimit-tickets-update": USED_UP},
    ],
)
def test_what_is_no_limit_of_an_endpoint_is_none(headers):
    assert limits(headers) == ()


@pytest.mark.parametrize("resets", ["999999999", "1795300000", "1795300000000"])
def test_no_limit_lasts_longer_than_any_other_wait(resets):
    """A moment in place of a duration would stop all updates for years."""
    headers = {"Zendesk-RateLimit-tickets-update": f"total=100; remaining=0; resets={resets}"}
    assert all(limit.resets <= LONGEST_RETRY_AFTER for limit in limits(headers))


@given(st.dictionaries(st.text(max_size=40) | NAMES, st.text(max_size=60) | st.integers().map(str)))
def test_whatever_the_headers_say_is_read_or_passed_over(headers):
    assert all(limit.remaining >= 0 for limit in limits(headers))
