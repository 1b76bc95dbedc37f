"""What the client makes of an update's answer."""

import json

import pytest
import requests

from tests.fakes import ZENDESK, Wire, answered
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.zendesk.client import Zendesk
from ticket_relay.zendesk.request_body import followed_up, followers_named, properties_named
from ticket_relay.zendesk.transport import Timeouts, Transport


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


def update(follower_ids, followers):
    ticket = {"id": 7} if follower_ids is None else {"id": 7, "follower_ids": follower_ids}
    wire = Wire(answered(200, {"ticket": ticket, "audit": {"author_id": 3}}))
    session = requests.Session()
    session.mount(ZENDESK, wire)
    client = Zendesk(Transport(ZENDESK, Timeouts(1, 1), lambda: session), None)
    return client.update_ticket(7, {"followers": followers}, Permit(Deadline.after(5)))


@pytest.mark.parametrize(
    ("follower_ids", "followers", "ignored"),
    [
        ([1], [{"user_id": 1}], 0),
        ([1, 2], [{"user_id": 1}, {"user_email": "a@example.com"}], 0),
        ([2], [{"user_id": 1}], 1),
        ([1], [{"user_id": 1}, {"user_email": "a@example.com"}], 1),
        ([], [{"user_email": "a@example.com", "action": "put"}], 1),
        ([], [{"user_id": 1, "action": "delete"}], 0),
        ([], [], 0),
        (None, [{"user_id": 1}], 0),
    ],
)
def test_followers_that_the_ticket_does_not_have_are_counted(follower_ids, followers, ignored, counted):
    assert update(follower_ids, followers) == 3
    assert counted("FollowersIgnored") == ignored


@pytest.mark.parametrize(
    ("followers", "number"),
    [
        ([{"user_id": 1}, {"user_id": 1}, {"user_email": "a@example.com"}, {"user_email": "A@example.com"}], 2),
        ([], None),
        (None, None),
    ],
)
def test_followers_of_a_request_are_counted_once_each(followers, number):
    request = json.dumps({"ticket": {"subject": '"followers"', "followers": followers}}).encode()
    assert followers_named(request) == number


@pytest.mark.parametrize(
    ("ticket", "named"),
    [
        (
            {"custom_fields": [{"id": 12, "value": "a"}, {"id": 13, "value": False}, {"id": 12, "value": "b"}]},
            ("12", "13"),
        ),
        ({"ticket_form_id": 4, "brand_id": 5, "custom_fields": []}, ("ticket_form_id", "brand_id")),
        ({"brand_id": None, "subject": '"custom_fields"'}, None),
        ({"custom_fields": [{"id": 14, "value": None}, {"id": 15, "value": ""}, {"id": 16, "value": []}]}, None),
    ],
)
def test_what_a_ticket_is_to_show_is_named_without_values(ticket, named):
    assert properties_named(json.dumps({"ticket": ticket}).encode()) == named


def test_a_request_without_what_is_asked_for_has_none():
    request = b'{"ticket":{"subject":"x"}}'
    assert (followers_named(request), followed_up(request), properties_named(request)) == (None, None, None)
