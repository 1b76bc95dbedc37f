from urllib.parse import urlencode

import pytest


def test_a_token_is_issued_for_the_clients_credentials(zendesk):
    issued = zendesk.token(expires_in=600)
    assert issued.status == 201
    assert issued.json()["token_type"] == "bearer"
    assert issued.json()["scope"] == "read write"
    assert issued.json()["expires_in"] == 600


def test_a_token_may_be_asked_for_with_a_form(zendesk):
    form = {"grant_type": "client_credentials", "client_id": "ticket-relay", "client_secret": "secret", "scope": "read"}
    issued = zendesk.send(
        "POST", "/oauth/tokens", urlencode(form).encode(), content_type="application/x-www-form-urlencoded"
    )
    assert issued.status == 201


def test_a_token_acts_as_the_relays_own_user(zendesk, account):
    assert zendesk.get("users/me").json()["user"]["id"] == account.relay.id


def test_a_wrong_secret_is_refused(zendesk):
    assert zendesk.token(client_secret="wrong").json()["error"] == "invalid_client"


def test_another_grant_is_refused(zendesk):
    assert zendesk.token(grant_type="password").json()["error"] == "unsupported_grant_type"


@pytest.mark.parametrize("seconds", [300, 172800, "soon"])
def test_a_life_outside_its_bounds_is_refused(zendesk, seconds):
    assert zendesk.token(expires_in=seconds).json()["error"] == "invalid_request"


@pytest.mark.parametrize("seconds", [301, 172799])
def test_a_life_within_its_bounds_is_granted(zendesk, seconds):
    assert zendesk.token(expires_in=seconds).json()["expires_in"] == seconds


def test_a_token_without_a_scope_is_refused(zendesk):
    assert zendesk.token(scope="").json()["error"] == "invalid_scope"


def test_a_token_lives_half_an_hour_unless_asked_otherwise(zendesk):
    assert zendesk.token().json()["expires_in"] == 1800


def test_an_expired_token_is_refused_as_recorded(zendesk):
    token = zendesk.token(expires_in=600).json()["access_token"]
    zendesk.later(600)
    refused = zendesk.get("users/me", authorization=f"Bearer {token}")
    assert refused.status == 401
    assert refused.json() == {
        "error": "invalid_token",
        "error_description": "The access token provided is expired, revoked, malformed or invalid for other reasons.",
    }


def test_a_token_that_was_never_issued_is_refused(zendesk):
    assert zendesk.get("tickets/count", authorization="Bearer invented").json()["error"] == "invalid_token"


def test_revoked_tokens_are_refused(zendesk, account):
    account.oauth.revoke_all()
    assert zendesk.get("tickets/count").status == 401


def test_a_scope_sent_as_an_array_gives_a_token_that_may_do_nothing(zendesk):
    issued = zendesk.token(scope=["read", "write"])
    assert issued.status == 201
    refused = zendesk.get("tickets/count", authorization=f"Bearer {issued.json()['access_token']}")
    assert refused.status == 403
    assert refused.json()["error"]["title"] == "Forbidden"


@pytest.mark.parametrize(
    ("scope", "path", "status"),
    [
        ("tickets:read", "tickets/count", 200),
        ("tickets:write", "tickets/count", 403),
        ("tickets:read", "job_statuses", 403),
        ("read", "job_statuses", 200),
    ],
)
def test_a_call_needs_its_scope(zendesk, scope, path, status):
    token = zendesk.token(scope=scope).json()["access_token"]
    assert zendesk.get(path, authorization=f"Bearer {token}").status == status


def test_a_missing_scope_is_named(zendesk):
    token = zendesk.token(scope="read").json()["access_token"]
    refused = zendesk.post("tickets", {}, authorization=f"Bearer {token}")
    assert refused.json() == {
        "error": "Forbidden",
        "description": "You are missing the following required scopes: write",
    }


def test_audits_need_the_broad_read_scope(zendesk):
    ticket = zendesk.ticket()
    token = zendesk.token(scope="tickets:read").json()["access_token"]
    assert zendesk.get(f"tickets/{ticket['id']}/audits", authorization=f"Bearer {token}").status == 403


def test_an_api_token_acts_as_the_agent_of_its_address(zendesk):
    assert zendesk.agent("ada@example.com").get("users/me").json()["user"]["email"] == "ada@example.com"


@pytest.mark.parametrize(
    "authorization",
    ["", "Basic !", "Basic YWRhQGV4YW1wbGUuY29tOnBhc3N3b3Jk", "Digest x"],
    ids=["none", "not base64", "a password", "unknown scheme"],
)
def test_other_credentials_are_refused(zendesk, authorization):
    refused = zendesk.get("tickets/count", authorization=authorization)
    assert refused.status == 401
    assert refused.json() == {"error": "Couldn't authenticate you"}


def test_nobody_in_particular_is_the_anonymous_user(zendesk):
    answer = zendesk.get("users/me", authorization="")
    assert answer.status == 200
    assert answer.json()["user"]["name"] == "Anonymous user"


def test_an_end_user_is_no_agent(zendesk):
    zendesk.ticket(requester={"name": "Zoe", "email": "zoe@example.com"})
    assert zendesk.agent("zoe@example.com").get("tickets/count").status == 403
