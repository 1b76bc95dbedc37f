import pytest

from local.zendesk_simulator.audits import comments_of
from local.zendesk_simulator.wire import Refusal


def put(zendesk, ticket, **changes):
    return zendesk.put(f"tickets/{ticket['id']}", {"ticket": changes})


@pytest.fixture
def ticket(zendesk):
    """A ticket that was made a minute ago."""
    ticket = zendesk.ticket(tags=["acme"], custom_fields=[{"id": 1, "value": "one"}])
    zendesk.later(60)
    return ticket


def test_an_update_moves_the_stamp_and_is_audited(zendesk, ticket):
    updated = put(zendesk, ticket, priority="high")
    assert updated.status == 200
    assert updated.json()["ticket"]["updated_at"] > ticket["updated_at"]
    [event] = updated.json()["audit"]["events"]
    assert {name: event[name] for name in ("type", "field_name", "value", "previous_value")} == {
        "type": "Change",
        "field_name": "priority",
        "value": "high",
        "previous_value": None,
    }


def test_an_update_that_changes_nothing_leaves_no_audit_and_keeps_the_stamp(zendesk, ticket):
    updated = put(zendesk, ticket, tags=["acme"], metadata={"lost": True})
    assert updated.status == 200
    assert "audit" not in updated.json()
    assert updated.json()["ticket"]["updated_at"] == ticket["updated_at"]
    assert len(zendesk.get(f"tickets/{ticket['id']}/audits").json()["audits"]) == 1


def test_metadata_is_kept_with_a_change(zendesk, ticket):
    updated = put(zendesk, ticket, priority="high", metadata={"marker": "m1"})
    assert updated.json()["audit"]["metadata"]["custom"] == {"marker": "m1"}


@pytest.mark.parametrize("safe", [True, False, "true"])
def test_a_stale_stamp_is_a_conflict_whether_safe_update_is_true_or_false(zendesk, ticket, safe):
    put(zendesk.agent("ada@example.com"), ticket, priority="low")
    refused = put(zendesk, ticket, priority="high", safe_update=safe, updated_stamp=ticket["updated_at"])
    assert refused.status == 409
    assert refused.json() == {
        "error": "UpdateConflict",
        "description": "Safe Update prevented the update due to outdated ticket data. "
        "Please fetch the latest ticket data and try again.",
    }
    assert zendesk.get(f"tickets/{ticket['id']}").json()["ticket"]["priority"] == "low"


@pytest.mark.parametrize("protection", [{"safe_update": True}, {"updated_stamp": "2020-01-01T00:00:00Z"}])
def test_half_a_protection_protects_nothing(zendesk, ticket, protection):
    assert put(zendesk, ticket, priority="high", **protection).status == 200


def test_the_tickets_own_stamp_passes(zendesk, ticket):
    assert put(zendesk, ticket, priority="high", safe_update=True, updated_stamp=ticket["updated_at"]).status == 200


def test_a_later_stamp_passes(zendesk, ticket):
    assert put(zendesk, ticket, priority="high", safe_update=True, updated_stamp="2099-01-01T00:00+0100").status == 200


def test_a_stamp_to_the_minute_is_too_early(zendesk, ticket):
    minute = ticket["updated_at"][:16] + "Z"
    assert put(zendesk, ticket, priority="high", safe_update=True, updated_stamp=minute).status == 409


def test_two_updates_in_one_second_cannot_be_told_apart(zendesk, ticket):
    stamp = put(zendesk, ticket, priority="low").json()["ticket"]["updated_at"]
    put(zendesk.agent("ada@example.com"), ticket, priority="urgent")
    assert put(zendesk, ticket, priority="high", safe_update=True, updated_stamp=stamp).status == 200


def test_a_stamp_that_is_no_time_is_refused(zendesk, ticket):
    assert put(zendesk, ticket, priority="high", safe_update=True, updated_stamp="yesterday").status == 400


def test_safe_update_beside_the_ticket_is_unknown_and_does_not_protect(zendesk, ticket):
    body = {"ticket": {"priority": "high"}, "safe_update": True, "updated_stamp": "2020-01-01T00:00:00Z"}
    updated = zendesk.put(f"tickets/{ticket['id']}", body)
    assert updated.status == 200
    assert '"safe_update", "updated_stamp"' in updated.headers["x-zendesk-api-warn"]


def test_a_body_without_the_ticket_around_it_applies_nothing_with_200(zendesk, ticket):
    updated = zendesk.put(f"tickets/{ticket['id']}", {"priority": "high"})
    assert updated.status == 200
    assert updated.json()["ticket"]["priority"] is None


def test_tags_are_replaced(zendesk, ticket):
    assert put(zendesk, ticket, tags=["vip"]).json()["ticket"]["tags"] == ["vip"]


def test_custom_fields_that_are_not_sent_keep_their_values(zendesk, ticket):
    updated = put(zendesk, ticket, custom_fields=[{"id": 2, "value": "two"}])
    assert updated.json()["ticket"]["custom_fields"] == [{"id": 1, "value": "one"}, {"id": 2, "value": "two"}]
    assert updated.json()["audit"]["events"][0]["field_name"] == "2"


def test_a_description_is_ignored_after_creation(zendesk, ticket):
    assert put(zendesk, ticket, description="new").json()["ticket"]["description"] == "It broke."


def test_additional_tags_are_not_for_single_updates(zendesk, ticket):
    updated = put(zendesk, ticket, additional_tags=["vip"])
    assert updated.json()["ticket"]["tags"] == ["acme"]
    assert "ticket.additional_tags" in updated.headers["x-zendesk-api-warn"]


def test_a_comment_is_an_event_and_a_repeated_update_repeats_it(zendesk, ticket):
    for _ in range(2):
        put(zendesk, ticket, comment={"body": "Again.", "public": False})
    comments = zendesk.get(f"tickets/{ticket['id']}/comments").json()["comments"]
    assert [(comment["body"], comment["public"]) for comment in comments[1:]] == [("Again.", False)] * 2


def test_email_ccs_are_left_alone_with_an_internal_note(zendesk, ticket):
    ccs = [{"user_email": "zoe@example.com"}]
    with_note = put(zendesk, ticket, email_ccs=ccs, comment={"body": "x", "public": False})
    assert with_note.json()["ticket"]["email_cc_ids"] == []
    assert len(put(zendesk, ticket, email_ccs=ccs).json()["ticket"]["email_cc_ids"]) == 1


def test_email_ccs_that_add_up_to_more_than_48_are_cut(zendesk, ticket):
    put(zendesk, ticket, email_ccs=[{"user_email": f"a{number}@example.com"} for number in range(48)])
    updated = put(zendesk, ticket, email_ccs=[{"user_email": "one-more@example.com"}], priority="low")
    assert len(updated.json()["ticket"]["email_cc_ids"]) == 48


def test_an_unknown_address_to_be_removed_from_the_email_ccs_becomes_no_user(zendesk, ticket, account):
    """It "is not be created or added as an email CC" (Creating and updating tickets, "Setting email CCs")."""
    known = list(account.users)
    entries = [{"user_email": "nobody@example.com", "action": "delete"}, {"user_email": "else@example.com"}]
    updated = put(zendesk, ticket, email_ccs=entries).json()["ticket"]
    assert account.users.named("nobody@example.com") is None
    assert updated["email_cc_ids"] == [account.users.named("else@example.com").id]
    assert len(list(account.users)) == len(known) + 1


def test_followers_are_added_and_removed(zendesk, ticket, account):
    ada = account.users.agent("ada@example.com")
    added = put(zendesk, ticket, followers=[{"user_id": str(ada.id)}])
    assert added.json()["ticket"]["follower_ids"] == [ada.id]
    assert added.json()["audit"]["events"][0]["type"] == "FollowerChange"
    removed = put(zendesk, ticket, followers=[{"user_email": ada.email, "action": "delete"}])
    assert removed.json()["ticket"]["follower_ids"] == []


def test_additional_collaborators_are_added_and_collaborators_replaced(zendesk, ticket):
    put(zendesk, ticket, additional_collaborators=["a@example.com"])
    both = put(zendesk, ticket, additional_collaborators=["b@example.com"]).json()["ticket"]["collaborator_ids"]
    replaced = put(zendesk, ticket, collaborators=["b@example.com"]).json()["ticket"]["collaborator_ids"]
    assert (len(both), replaced) == (2, both[1:])


def test_a_closed_ticket_refuses_updates_as_recorded(zendesk, ticket):
    put(zendesk, ticket, status="closed")
    refused = put(zendesk, ticket, priority="high")
    assert refused.status == 422
    assert refused.json()["details"]["status"][0]["description"] == "Status: closed prevents ticket update"


def test_a_ticket_that_is_not_there_is_not_found(zendesk):
    for refused in (
        zendesk.put("tickets/1", {"ticket": {}}),
        zendesk.get("tickets/1"),
        zendesk.get("tickets/1/audits"),
    ):
        assert refused.status == 404
        assert refused.json() == {"error": "RecordNotFound", "description": "Not found"}


def test_an_id_that_is_no_number_is_refused_as_recorded(zendesk):
    refused = zendesk.get("tickets/first")
    assert refused.status == 400
    assert refused.json()["error"]["message"].endswith("id must be an integer from api/v2/tickets/show")


def test_a_deleted_ticket_is_gone(zendesk, ticket):
    assert zendesk.delete(f"tickets/{ticket['id']}").status == 204
    assert zendesk.get(f"tickets/{ticket['id']}").status == 404


@pytest.mark.parametrize("call", [("GET", "triggers"), ("PATCH", "tickets/1"), ("POST", "/oauth/other")])
def test_a_path_that_zendesk_does_not_have_is_refused_as_recorded(zendesk, call):
    refused = zendesk.send(*call)
    assert refused.status == 404
    assert refused.json() == {"error": "InvalidEndpoint", "description": "Not found"}


@pytest.mark.parametrize(
    ("method", "status", "tags"), [("POST", 201, ["vip"]), ("PUT", 200, ["acme", "vip"]), ("DELETE", 200, ["acme"])]
)
def test_the_tags_endpoints_set_add_and_remove(zendesk, ticket, method, status, tags):
    answer = zendesk.send(method, f"tickets/{ticket['id']}/tags", {"tags": ["vip"]})
    assert (answer.status, answer.json()) == (status, {"tags": tags})
    assert zendesk.get(f"tickets/{ticket['id']}/tags").json() == {"tags": tags}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_adding_and_removing_tags_can_be_safe_at_the_top_level(zendesk, ticket, method):
    put(zendesk, ticket, priority="low")
    body = {"tags": ["acme2"], "safe_update": "true", "updated_stamp": ticket["updated_at"]}
    assert zendesk.send(method, f"tickets/{ticket['id']}/tags", body).status == 409


def test_an_update_in_anothers_name_has_that_author_in_its_audit(zendesk, ticket, account):
    ada = account.users.agent("ada@example.com")
    updated = put(zendesk, ticket, comment={"body": "x", "author_id": ada.id})
    assert updated.json()["audit"]["author_id"] == ada.id


def test_a_merged_ticket_is_closed_for_good_and_both_say_so(zendesk):
    source, target = (zendesk.post("tickets", {"ticket": {"description": "x"}}).json()["ticket"]["id"] for _ in "ab")
    tickets, agent = zendesk.account.tickets, zendesk.account.users.agent("dana@example.com")
    tickets.merge(source, target, agent)
    merged, into = tickets.get(source), tickets.get(target)
    assert (merged["status"], merged["tags"], into["status"]) == ("closed", ["closed_by_merge"], "new")
    assert [comment["public"] for comment in comments_of(tickets.audits(target))] == [True, False]
    assert zendesk.put(f"tickets/{source}", {"ticket": {"priority": "low"}}).status == 422
    with pytest.raises(Refusal):
        tickets.merge(source, target, agent)
