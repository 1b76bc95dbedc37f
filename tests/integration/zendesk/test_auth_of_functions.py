"""Proving oneself to a Zendesk that issues, forgets and refuses tokens."""

import json
import threading

import pytest

from local.zendesk_simulator import Fault
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.zendesk.auth import LIFE
from ticket_relay.zendesk.errors import NotSent

TOKENS = {"method": "POST", "path": "/oauth/tokens"}


def own_user(services, seconds=3.0):
    return services.zendesk.own_user_id(Permit(Deadline.after(seconds)))


@pytest.fixture
def issued(zendesk):
    return lambda: len(zendesk.account.journal.calls(**TOKENS, status=201))


def test_processes_share_a_token_and_fetch_it_once(other_services, zendesk, issued):
    together, users = threading.Barrier(5), []

    def ask(services):
        together.wait()
        users.append(own_user(services))

    threads = [threading.Thread(target=ask, args=(other_services(),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert users == [zendesk.account.relay.id] * 5
    assert issued() == 1


def test_a_revoked_token_is_renewed_once_for_all(other_services, zendesk, issued):
    one, other = other_services(), other_services()
    own_user(one), own_user(other)
    zendesk.account.oauth.revoke_all()
    assert own_user(one) == own_user(other) == zendesk.account.relay.id
    assert issued() == 2


def test_an_event_that_meets_a_revoked_token_is_submitted_all_the_same(services, zendesk, deliver):
    deliver(services)
    zendesk.account.oauth.revoke_all()
    assert deliver(services, "evt_2").state == "submitted"


def test_a_token_that_has_ended_is_never_sent(services, zendesk, clock, issued):
    own_user(services)
    clock.advance(LIFE + 1)
    own_user(services)
    assert issued() == 2
    assert zendesk.account.journal.calls(status=401) == []


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500}, {"kind": "drop"}, {"kind": "malformed"}])
def test_without_the_token_endpoint_an_event_waits_and_is_not_doubtful(
    services, zendesk, deliver, drive, tickets, stored, fault
):
    zendesk.account.faults.add(Fault(**fault, **TOKENS))
    assert deliver(services).state == "accepted"
    assert not stored().in_doubt
    drive(services)
    assert len(tickets()) == 1


def test_a_client_that_zendesk_does_not_know_is_an_outage_and_not_the_tickets_end(
    services, zendesk, clock, deliver, drive, tickets, stored
):
    zendesk.account.oauth._client = ("ticket-relay", "rotated")
    assert deliver(services).state == "accepted"
    assert (stored().error_code, stored().in_doubt) == ("zendesk_unauthorized", False)
    zendesk.account.oauth._client = (zendesk.client_id, zendesk.client_secret)
    drive(services)
    assert len(tickets()) == 1


def test_credentials_that_are_always_refused_are_an_outage(services, zendesk, issued):
    zendesk.account.faults.add(Fault("status", status=401, path="/api/*", times=None))
    with pytest.raises(NotSent):
        own_user(services)
    assert issued() == 2


def test_an_api_token_is_the_legacy_way_in(services, zendesk, issued):
    legacy = {"email": "relay@example.com", "api_token": "any"}
    client = services.secrets._client
    client.put_secret_value(SecretId="zendesk-credentials", SecretString=json.dumps(legacy))
    assert own_user(services) == zendesk.account.relay.id
    assert issued() == 0
