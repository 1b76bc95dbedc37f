"""What changed, and which webhooks were dropped, as the simulated account tells it."""

import itertools

import pytest

from local.zendesk_simulator import Drop, Trigger
from local.zendesk_simulator.deliveries import Attempt

from .conftest import NOW

EXPORT = "incremental/tickets/cursor"


def export(zendesk, **query):
    answer = zendesk.get(f"{EXPORT}?" + "&".join(f"{name}={value}" for name, value in query.items()))
    assert answer.status == 200, answer.text
    return answer.json()


def ids(page):
    return [ticket["id"] for ticket in page["tickets"]]


@pytest.fixture
def start():
    return int(NOW)


def test_the_minute_before_the_request_is_left_out(zendesk, start):
    ticket = zendesk.ticket()
    zendesk.later(59)
    assert export(zendesk, start_time=start - 100) == {
        "tickets": [],
        "after_cursor": None,
        "before_cursor": None,
        "after_url": None,
        "before_url": None,
        "end_of_stream": True,
    }
    zendesk.later(1)
    assert ids(export(zendesk, start_time=start - 100)) == [ticket["id"]]
    assert ids(export(zendesk, start_time=start)) == [ticket["id"]]


def test_a_cursor_goes_on_where_the_page_ended_and_sees_what_changes_later(zendesk, start):
    first, second, third = (zendesk.ticket()["id"] for _ in range(3))
    zendesk.later(60)
    page = export(zendesk, start_time=start, per_page=2)
    assert (ids(page), page["end_of_stream"]) == ([first, second], False)
    page = export(zendesk, cursor=page["after_cursor"], per_page=2)
    assert (ids(page), page["end_of_stream"]) == ([third], True)
    zendesk.put(f"tickets/{first}", {"ticket": {"priority": "high"}})
    assert ids(export(zendesk, cursor=page["after_cursor"])) == []
    zendesk.later(60)
    assert ids(export(zendesk, cursor=page["after_cursor"])) == [first]


def test_whatever_the_size_of_pages_each_ticket_comes_once(zendesk, account, start):
    account.settings.limit_export = 100
    made = []
    for _ in range(7):
        made.append(zendesk.ticket()["id"])
        zendesk.later(0.4)
    zendesk.later(60)
    for size in (1, 3, 7, 50):
        seen, query = [], {"start_time": start}
        for _ in itertools.count():
            page = export(zendesk, per_page=size, **query)
            seen += ids(page)
            if page["end_of_stream"]:
                break
            query = {"cursor": page["after_cursor"]}
        assert seen == made


def test_deleted_tickets_come_too_unless_excluded(zendesk, start):
    ticket = zendesk.ticket()
    zendesk.delete(f"tickets/{ticket['id']}")
    zendesk.later(60)
    [found] = export(zendesk, start_time=start)["tickets"]
    assert (found["id"], found["status"]) == (ticket["id"], "deleted")
    assert ids(export(zendesk, start_time=start, exclude_deleted="true")) == []


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("start_time=soon", 400),
        (f"start_time={int(NOW) - 59}", 422),
        ("cursor=nonsense", 400),
        ("cursor=bm9uc2Vuc2U=", 400),
    ],
)
def test_a_wrong_question_is_refused(zendesk, query, status):
    assert zendesk.get(f"{EXPORT}?{query}").status == status


def test_ten_requests_a_minute_and_no_more(zendesk, start):
    for left in reversed(range(10)):
        answer = zendesk.get(f"{EXPORT}?start_time={start - 100}")
        limit = answer.headers["Zendesk-RateLimit-incremental-exports-cursor"]
        assert (answer.status, limit) == (200, f"total=10; remaining={left}; resets=60")
    answer = zendesk.get(f"{EXPORT}?start_time={start - 100}")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "60")
    assert zendesk.get("tickets/count").status == 200


def test_an_agent_and_a_token_for_tickets_alone_see_none_of_it(zendesk, account, start):
    account.users.add("Agent", "agent@example.com", "agent")
    zendesk.ticket()
    trigger(account)
    agent = zendesk.agent("agent@example.com")
    assert [agent.get(path).status for path in (f"{EXPORT}?start_time={start - 100}", INVOCATIONS)] == [403, 403]
    token = zendesk.token(scope="tickets:read").json()["access_token"]
    narrow = {"authorization": f"Bearer {token}"}
    assert zendesk.get(f"{EXPORT}?start_time={start - 100}", **narrow).status == 403
    assert zendesk.get(INVOCATIONS, **narrow).status == 403


INVOCATIONS = "webhooks/w1/invocations?page[size]=100"


def trigger(account):
    account.triggers.rules.append(Trigger("http://relay/hook", "key", "{}", webhook_id="w1"))


@pytest.mark.parametrize("status", ["throttled", "circuit broken"])
def test_a_dropped_webhook_is_not_sent_and_is_told_of_without_a_status_code(zendesk, account, status):
    trigger(account)
    account.deliveries.drops.append(Drop(status=status))
    zendesk.ticket()
    zendesk.ticket()
    dropped, sent = account.deliveries.invocations
    assert account.deliveries.due(NOW) == [sent]
    found = zendesk.get(INVOCATIONS).json()["invocations"]
    # The newest first.
    assert found == [
        {"id": sent.id, "status": "accepted", "latest_completed_at": None},
        {"id": dropped.id, "status": status, "latest_completed_at": "2026-11-18T11:06:40Z"},
    ]


@pytest.mark.parametrize(
    ("outcome", "told"),
    [
        (202, {"status": "success", "status_code": 202}),
        (400, {"status": "client error", "status_code": 400}),
        (403, {"status": "terminated", "status_code": 403}),
        (500, {"status": "server error", "status_code": 500}),
        ("timeout", {"status": "timeout"}),
        ("unreachable", {"status": "failed"}),
    ],
)
def test_what_became_of_a_webhook_is_told(zendesk, account, outcome, told):
    trigger(account)
    zendesk.ticket()
    (invocation,) = account.deliveries.invocations
    invocation.attempts.append(Attempt(NOW, outcome))
    invocation.state = "failed"
    [found] = zendesk.get(INVOCATIONS).json()["invocations"]
    assert found == {"id": invocation.id, **told, "latest_completed_at": "2026-11-18T11:06:40Z"}


def test_invocations_are_paged_kept_for_a_week_and_those_of_one_webhook(zendesk, account):
    trigger(account)
    for _ in range(3):
        zendesk.ticket()
    page = zendesk.get("webhooks/w1/invocations?page[size]=2").json()
    rest = zendesk.get(f"webhooks/w1/invocations?page[size]=2&page[after]={page['meta']['after_cursor']}").json()
    newest_first = [invocation.id for invocation in reversed(account.deliveries.invocations)]
    assert [found["id"] for found in page["invocations"] + rest["invocations"]] == newest_first
    assert (page["meta"]["has_more"], rest["meta"]["has_more"]) == (True, False)
    assert zendesk.get("webhooks/other/invocations?page[size]=2").status == 404
    zendesk.later(7 * 24 * 3600 - 3600)
    zendesk.authorization = f"Bearer {zendesk.token().json()['access_token']}"
    assert len(zendesk.get(INVOCATIONS).json()["invocations"]) == 3
    zendesk.later(3600)
    zendesk.authorization = f"Bearer {zendesk.token().json()['access_token']}"
    assert zendesk.get(INVOCATIONS).json()["invocations"] == []
