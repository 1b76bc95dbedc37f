"""Idempotency keys, rate limits, lists and uploads."""

import pytest

TICKET = {"ticket": {"subject": "Broken", "comment": {"body": "It broke."}, "external_id": "acme:1"}}


def create(zendesk, key, body=TICKET, query=""):
    return zendesk.post(f"tickets{query}", body, idempotency_key=key)


def number_of_tickets(zendesk):
    zendesk.later(10)
    return zendesk.get("tickets/count").json()["count"]["value"]


@pytest.mark.parametrize("query", ["", "?async=true"], ids=["sync", "async"])
def test_a_repeated_key_gets_the_first_answer_and_makes_no_second_ticket(zendesk, query):
    first, second = create(zendesk, "k", query=query), create(zendesk, "k", query=query)
    assert (first.headers["x-idempotency-lookup"], second.headers["x-idempotency-lookup"]) == ("miss", "hit")
    assert (second.status, second.json()) == (first.status, first.json())
    assert number_of_tickets(zendesk) == 1


def test_a_key_with_another_body_is_refused_as_documented(zendesk):
    create(zendesk, "k")
    refused = create(zendesk, "k", {"ticket": {"description": "another"}})
    assert refused.status == 400
    assert refused.json() == {
        "error": "IdempotentRequestError",
        "description": "Request parameters don't match the given idempotency key",
    }


def test_a_key_lives_for_two_hours(zendesk):
    create(zendesk, "k")
    zendesk.later(7199)
    assert create(zendesk, "k").headers["x-idempotency-lookup"] == "hit"
    zendesk.later(1)
    assert create(zendesk, "k").headers["x-idempotency-lookup"] == "miss"
    assert number_of_tickets(zendesk) == 2


def test_a_key_may_be_of_no_use_with_async(zendesk, account):
    account.settings.key_with_async = False
    answers = [create(zendesk, "k", query="?async=true") for _ in range(2)]
    assert all("x-idempotency-lookup" not in answer.headers for answer in answers)
    assert number_of_tickets(zendesk) == 2


def test_a_refused_creation_does_not_use_up_its_key(zendesk):
    create(zendesk, "k", {"ticket": {}})
    assert create(zendesk, "k").status == 201


def test_a_key_of_more_than_255_characters_is_refused(zendesk):
    assert create(zendesk, "k" * 255).status == 201
    assert create(zendesk, "k" * 256).status == 400


def test_every_answer_carries_the_accounts_rate(zendesk):
    headers = zendesk.get("tickets/1").headers
    assert (headers["X-Rate-Limit"], headers["X-Rate-Limit-Remaining"]) == ("700", "699")
    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"]) == ("700", "699")
    assert headers["ratelimit-reset"] == "60"


def test_a_call_over_the_accounts_rate_is_refused_in_plain_text_until_the_window_ends(zendesk, account):
    account.settings.limit_account = 2
    zendesk.get("tickets/count")
    zendesk.later(20)
    zendesk.get("tickets/count")
    refused = zendesk.get("tickets/count")
    assert (refused.status, refused.headers["Retry-After"]) == (429, "40")
    assert refused.headers["Content-Type"].startswith("text/plain")
    assert refused.text == "Number of allowed API requests per minute exceeded"
    assert refused.headers["X-Rate-Limit-Remaining"] == "0"
    zendesk.later(40)
    assert zendesk.get("tickets/count").status == 200


def test_creations_are_limited_by_user(zendesk, account):
    account.settings.limit_create = 1
    created = zendesk.post("tickets", TICKET)
    name = "Zendesk-RateLimit-ticket-request-create-by-user-and-ip"
    assert created.headers[name] == "total=1; remaining=0; resets=60"
    assert zendesk.post("tickets", TICKET).status == 429
    assert zendesk.agent("ada@example.com").post("tickets", TICKET).status == 201


def test_updates_are_limited_to_30_in_ten_minutes_by_user_and_ticket(zendesk):
    ticket, other = zendesk.ticket(), zendesk.ticket()
    statuses = [zendesk.put(f"tickets/{ticket['id']}", {"ticket": {}}).status for _ in range(31)]
    assert statuses == [200] * 30 + [429]
    refused = zendesk.put(f"tickets/{ticket['id']}", {"ticket": {}})
    assert refused.headers["Zendesk-RateLimit-per-ticket-updates"] == "total=30; remaining=0; resets=600"
    assert zendesk.put(f"tickets/{other['id']}", {"ticket": {}}).status == 200
    assert zendesk.agent("ada@example.com").put(f"tickets/{ticket['id']}", {"ticket": {}}).status == 200
    zendesk.later(600)
    assert zendesk.put(f"tickets/{ticket['id']}", {"ticket": {}}).status == 200


def test_updates_are_limited_by_account(zendesk, account):
    account.settings.limit_update = 1
    first, second = zendesk.ticket(), zendesk.ticket()
    assert zendesk.put(f"tickets/{first['id']}", {"ticket": {}}).status == 200
    assert zendesk.put(f"tickets/{second['id']}", {"ticket": {}}).status == 429


def test_lists_are_limited(zendesk, account):
    account.settings.limit_index = 1
    assert "Zendesk-RateLimit-tickets-index" in zendesk.get("tickets").headers
    assert zendesk.get("tickets?external_id=x").status == 429


def test_several_tickets_may_have_one_external_id(zendesk):
    ids = [zendesk.ticket(external_id="acme:1")["id"] for _ in range(2)]
    zendesk.ticket(external_id="acme:10")
    found = zendesk.get("tickets.json?external_id=acme:1").json()
    assert ([ticket["id"] for ticket in found["tickets"]], found["count"]) == (ids, 2)


def test_an_external_id_that_changed_is_found_under_its_new_value_only(zendesk):
    ticket = zendesk.ticket(external_id="old")
    zendesk.put(f"tickets/{ticket['id']}", {"ticket": {"external_id": "new"}})
    found = [zendesk.get(f"tickets?external_id={value}").json()["count"] for value in ("old", "new")]
    assert found == [0, 1]


def test_lists_have_pages_by_offset(zendesk):
    ids = [zendesk.ticket()["id"] for _ in range(3)]
    first = zendesk.get("tickets?per_page=2").json()
    second = zendesk.get("tickets?per_page=2&page=2").json()
    assert [ticket["id"] for ticket in first["tickets"] + second["tickets"]] == ids
    assert first["next_page"].endswith("page=2&per_page=2")
    assert (second["next_page"], second["count"]) == (None, 3)


def test_lists_have_pages_by_cursor(zendesk):
    ids = [zendesk.ticket()["id"] for _ in range(3)]
    first = zendesk.get("tickets?page[size]=2").json()
    after = first["meta"]["after_cursor"]
    second = zendesk.get(f"tickets?page[size]=2&page[after]={after}").json()
    assert [ticket["id"] for ticket in first["tickets"] + second["tickets"]] == ids
    assert (first["meta"]["has_more"], second["meta"]["has_more"]) == (True, False)
    assert second["links"]["next"] is None


def test_a_page_that_is_no_number_is_refused(zendesk):
    assert zendesk.get("tickets?page=two").status == 400


def test_show_many_shows_those_that_are_there(zendesk):
    ticket = zendesk.ticket()
    shown = zendesk.get(f"tickets/show_many?ids={ticket['id']},1").json()
    assert [one["id"] for one in shown["tickets"]] == [ticket["id"]]


def upload(zendesk, query="filename=x.png", body=b"abc"):
    return zendesk.post(f"uploads?{query}", body, content_type="image/png")


def test_an_upload_is_answered_with_a_token_as_text(zendesk):
    answer = upload(zendesk)
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    sent = answer.json()["upload"]
    assert (sent["attachment"]["file_name"], sent["attachment"]["size"]) == ("x.png", 3)
    assert sent["expires_at"] == "2026-11-18T12:06:40Z"


def test_files_are_collected_under_one_token(zendesk):
    token = upload(zendesk).json()["upload"]["token"]
    both = upload(zendesk, f"filename=y.png&token={token}").json()["upload"]
    assert [file["file_name"] for file in both["attachments"]] == ["x.png", "y.png"]


@pytest.mark.parametrize(("query", "body"), [("", b"abc"), ("filename=x.png", b"")])
def test_an_upload_needs_a_name_and_a_file(zendesk, query, body):
    assert upload(zendesk, query, body).json() == {"error": "File is required"}


def test_a_file_over_50_megabytes_is_refused(zendesk):
    refused = upload(zendesk, body=bytes(50 * 1024 * 1024 + 1))
    assert (refused.status, refused.json()["error"]) == (413, "AttachmentTooLarge")


def test_an_upload_expires_and_can_be_deleted(zendesk):
    tokens = [upload(zendesk).json()["upload"]["token"] for _ in range(2)]
    assert zendesk.delete(f"uploads/{tokens[0]}").status == 204
    assert zendesk.delete(f"uploads/{tokens[0]}").status == 404
    zendesk.later(3600)
    assert zendesk.delete(f"uploads/{tokens[1]}").status == 404
