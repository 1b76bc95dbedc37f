"""Whatever is sent is answered or refused; nothing falls out of the simulator as an accident."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.zendesk_simulator.properties import _COMMENT, _EXTRA, _WRITABLE

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PEOPLE = st.dictionaries(st.sampled_from(["user_id", "user_email", "name", "email", "action", "id", "value"]), VALUES)
COMMENTS = st.dictionaries(st.sampled_from([*_COMMENT]), VALUES, max_size=2)
TICKETS = st.dictionaries(
    st.sampled_from([*_WRITABLE, *_EXTRA["update_many"]]),
    VALUES | COMMENTS | PEOPLE | st.lists(PEOPLE, max_size=2),
    max_size=2,
)
QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@QUICK
@given(TICKETS)
def test_strange_creations_are_answered(zendesk, ticket):
    zendesk.account.settings.limit_account = zendesk.account.settings.limit_create = 10**9
    assert zendesk.post("tickets", {"ticket": {"description": "x", **ticket}}).status in {201, 400, 422}


@QUICK
@given(TICKETS)
def test_strange_updates_are_answered(zendesk, ticket):
    limits = zendesk.account.settings
    limits.limit_account = limits.limit_create = limits.limit_update = 10**9
    ticket_id = zendesk.ticket()["id"]
    assert zendesk.put(f"tickets/{ticket_id}", {"ticket": ticket}).status in {200, 400, 409, 422}
    assert zendesk.put(f"tickets/{ticket_id}/tags", ticket).status in {200, 400, 409, 422}


@QUICK
@given(st.lists(TICKETS, max_size=3))
def test_strange_batches_are_answered(zendesk, tickets):
    zendesk.account.settings.limit_account = 10**9
    for method, path in (("POST", "tickets/create_many"), ("PUT", "tickets/update_many")):
        assert zendesk.send(method, path, {"tickets": tickets}).status in {200, 400, 422}
    zendesk.later(1)


@QUICK
@given(st.binary(max_size=30), st.sampled_from(["application/json", "text/plain", ""]))
def test_strange_bytes_are_answered(zendesk, body, content_type):
    zendesk.account.settings.limit_account = zendesk.account.settings.limit_create = 10**9
    assert zendesk.post("tickets", body, content_type=content_type).status in {400, 422}
    assert zendesk.post("/oauth/tokens", body, content_type=content_type).status in {400, 401}


@QUICK
@given(st.dictionaries(st.sampled_from(["scope", "expires_in", "grant_type", "client_id", "client_secret"]), VALUES))
def test_strange_requests_for_a_token_are_answered(zendesk, asked):
    assert zendesk.token(**asked).status in {201, 400, 401}
