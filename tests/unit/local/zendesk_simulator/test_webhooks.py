import json

import pytest

from local.zendesk_simulator import Trigger
from local.zendesk_simulator.deliveries import Invocation
from local.zendesk_simulator.triggers import render, signed

BODY = (
    '{"ticket_id": "{{ticket.id}}", "updated_at": "{{ticket.updated_at_with_timestamp}}", '
    '"actor_id": "{{current_user.id}}", "title": "{{ ticket.title }}", "nothing": "{{ticket.invented}}"}'
)


def trigger(account, **conditions):
    account.triggers.rules.append(Trigger("http://relay/hook", "key", BODY, **conditions))


def bodies(account):
    return [json.loads(invocation.body) for invocation in account.deliveries.invocations]


def test_an_account_without_triggers_sends_nothing(zendesk, account):
    zendesk.ticket()
    assert account.deliveries.invocations == []


def test_a_change_is_told_with_its_placeholders_filled_in(zendesk, account):
    trigger(account)
    ticket = zendesk.ticket(subject='Say "hello"\n')
    assert bodies(account) == [
        {
            "ticket_id": str(ticket["id"]),
            "updated_at": "2026-11-18T11:06Z",
            "actor_id": str(account.relay.id),
            "title": 'Say "hello"\n',
            "nothing": "",
        }
    ]


def test_the_stamp_may_have_seconds(zendesk, account):
    account.settings.stamp_precision = "second"
    trigger(account)
    zendesk.ticket()
    assert bodies(account)[0]["updated_at"] == "2026-11-18T11:06:40Z"


@pytest.mark.parametrize(("on", "fired"), [("create", 1), ("update", 1), ("any", 2)])
def test_a_trigger_fires_on_what_it_is_for(zendesk, account, on, fired):
    trigger(account, on=on)
    ticket = zendesk.ticket()
    zendesk.put(f"tickets/{ticket['id']}", {"ticket": {"priority": "high"}})
    assert len(bodies(account)) == fired


def test_an_update_that_changes_nothing_fires_nothing(zendesk, account):
    ticket = zendesk.ticket()
    trigger(account)
    zendesk.put(f"tickets/{ticket['id']}", {"ticket": {"priority": None}})
    assert bodies(account) == []


def test_a_trigger_may_wait_for_a_tag(zendesk, account):
    trigger(account, tag="vip")
    zendesk.ticket()
    vip = zendesk.ticket(tags=["vip"])
    assert [body["ticket_id"] for body in bodies(account)] == [str(vip["id"])]


def test_a_trigger_may_overlook_one_user(zendesk, account):
    trigger(account, on="update", not_by=account.relay.email)
    ticket = zendesk.ticket()
    zendesk.put(f"tickets/{ticket['id']}", {"ticket": {"priority": "high"}})
    zendesk.agent("ada@example.com").put(f"tickets/{ticket['id']}", {"ticket": {"priority": "low"}})
    ada = account.users.named("ada@example.com")
    assert [body["actor_id"] for body in bodies(account)] == [str(ada.id)]


def test_a_ticket_made_by_a_job_fires_when_the_job_makes_it(zendesk, account):
    trigger(account)
    zendesk.post("tickets?async=true", {"ticket": {"description": "x"}})
    assert bodies(account) == []
    zendesk.later(1)
    assert len(bodies(account)) == 1


@pytest.mark.parametrize(
    ("at", "body", "signature"),
    [
        (1616648967, b'{"event":"ticket.updated","id":123}', "S/RDdU2ERmj7LHDDoWJ2onPYH+t7/f2+LTM4dL7UiLM="),
        (1616648967, b"", "wCdBvXaHttn0wRVIYctzZ9O6O0bnqWakJMEKZ9VoRWw="),
        (1795298400, b'{"ticket_id":"35436"}', "JSz9X/iDAA3xZrBHAAZGJocbVfrH1h1PQEkrRMTa/Do="),
    ],
)
def test_signatures_are_zendesks(at, body, signature):
    rule = Trigger("http://relay/hook", "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ==", "")
    headers = signed(rule, body, at)
    assert headers["x-zendesk-webhook-signature"] == signature
    assert set(headers) == {
        "x-zendesk-account-id",
        "x-zendesk-webhook-id",
        "x-zendesk-webhook-signature",
        "x-zendesk-webhook-signature-timestamp",
    }


def test_an_unknown_placeholder_is_rendered_as_nothing():
    assert render("<{{ticket.invented}}>", {}) == "<>"


def attempts(*outcomes, retry_after=None):
    """The state after these outcomes, and how many of them there was an attempt for."""
    invocation = Invocation("1", "http://relay/hook", 1, b"", 0, lambda _: {})
    for made, outcome in enumerate(outcomes, 1):
        invocation.note(outcome, retry_after, now=100)
        if invocation.state != "pending":
            return invocation.state, made
    return invocation.state, len(outcomes)


@pytest.mark.parametrize(
    ("outcomes", "retry_after", "state", "made"),
    [
        ([202], None, "delivered", 1),
        ([500, 202], None, "failed", 1),
        ([404, 202], None, "failed", 1),
        ([409] * 9, None, "failed", 4),
        ([409, 202], None, "delivered", 2),
        ([503, 202], None, "failed", 1),
        ([503, 202], "5", "delivered", 2),
        ([503, 202], "60", "failed", 1),
        ([429, 202], "59", "delivered", 2),
        (["timeout"] * 9, None, "failed", 6),
        (["unreachable"], None, "failed", 1),
    ],
)
def test_only_what_is_documented_is_retried(outcomes, retry_after, state, made):
    assert attempts(*outcomes, retry_after=retry_after) == (state, made)


def test_a_retry_waits_for_as_long_as_it_was_told():
    invocation = Invocation("1", "http://relay/hook", 1, b"", 0, lambda _: {})
    invocation.note(503, "30", now=100)
    assert invocation.due_at == 130
