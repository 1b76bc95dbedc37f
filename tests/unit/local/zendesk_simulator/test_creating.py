import pytest


def test_a_created_ticket_is_answered_with_its_audit_and_location(zendesk):
    created = zendesk.post("tickets.json", {"ticket": {"subject": "Broken", "comment": {"body": "It broke."}}})
    assert created.status == 201
    ticket = created.json()["ticket"]
    assert created.headers["Location"] == ticket["url"]
    assert created.json()["audit"]["ticket_id"] == ticket["id"]
    assert (ticket["subject"], ticket["description"], ticket["status"]) == ("Broken", "It broke.", "new")


def test_a_description_will_do_for_a_comment(zendesk):
    assert zendesk.post("tickets", {"ticket": {"description": "It broke."}}).status == 201


@pytest.mark.parametrize(
    ("ticket", "reason"),
    [
        ({"subject": "Broken"}, "Description: cannot be blank"),
        ({"comment": {"body": " "}}, "Description: cannot be blank"),
        ({"subject": "", "comment": {"body": "x"}}, "Subject: cannot be blank"),
    ],
)
def test_what_must_not_be_blank_is_refused_as_recorded(zendesk, ticket, reason):
    refused = zendesk.post("tickets", {"ticket": ticket})
    assert refused.status == 422
    assert refused.json()["error"] == "RecordInvalid"
    [row] = refused.json()["details"]["base"]
    assert (row["description"], row["error"]) == (reason, "BlankValue")


def test_unknown_and_read_only_properties_are_dropped_and_named(zendesk):
    created = zendesk.post("tickets", {"ticket": {"id": 7, "colour": "red", "comment": {"body": "x", "font": "y"}}})
    assert created.status == 201
    assert created.json()["ticket"]["id"] != 7
    assert created.headers["x-zendesk-api-warn"] == (
        '{:allowed_parameters=>{:controller=>"tickets", :action=>"create", '
        ':unpermitted_keys=>["ticket.id", "ticket.colour", "ticket.comment.font"], :invalid_values=>[]}}'
    )


def test_a_clean_request_is_not_warned_about(zendesk):
    assert "x-zendesk-api-warn" not in zendesk.post("tickets", {"ticket": {"comment": {"body": "x"}}}).headers


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("subject", 5, "must be a string"),
        ("requester_id", "ada", "must be an integer"),
        ("tags", {"a": 1}, "must be an array of strings"),
        ("email_ccs", ["ada@example.com"], "must be an array of hashes"),
        ("comment", "hello", "must be a hash"),
    ],
)
def test_a_wrong_type_is_refused(zendesk, name, value, rule):
    refused = zendesk.post("tickets", {"ticket": {"description": "x", name: value}})
    assert refused.status == 400
    assert refused.json()["error"]["message"] == (
        f"You passed an invalid value for the ticket.{name} attribute. "
        f"Invalid parameter: ticket.{name} {rule} from api/v2/tickets/create"
    )


def test_a_word_outside_its_list_is_refused(zendesk):
    refused = zendesk.post("tickets", {"ticket": {"description": "x", "priority": "highest"}})
    assert refused.status == 422
    assert "priority" in refused.json()["details"]


def test_a_body_that_is_not_json_is_refused(zendesk):
    assert zendesk.post("tickets", b"{").status == 400


def test_a_body_under_another_content_type_sets_nothing(zendesk):
    refused = zendesk.post("tickets", {"ticket": {"description": "x"}}, content_type="text/plain")
    assert refused.json()["details"]["base"][0]["description"] == "Description: cannot be blank"


def test_a_new_requester_becomes_an_end_user_and_is_known_the_next_time(zendesk):
    first = zendesk.ticket(requester={"name": "Zoe", "email": "zoe@example.com"})
    again = zendesk.ticket(requester={"name": "Another Name", "email": "ZOE@example.com"})
    user = zendesk.get(f"users/{first['requester_id']}").json()["user"]
    assert first["requester_id"] == again["requester_id"]
    assert (user["name"], user["role"]) == ("Zoe", "end-user")


def test_a_new_requester_needs_a_name(zendesk):
    refused = zendesk.post("tickets", {"ticket": {"description": "x", "requester": {"email": "zoe@example.com"}}})
    assert refused.status == 422


def test_a_requester_id_wins_over_a_requester(zendesk, account):
    ticket = zendesk.ticket(requester="zoe@example.com", requester_id=account.relay.id)
    assert ticket["requester_id"] == account.relay.id


def test_the_submitter_writes_the_first_comment(zendesk, account):
    ada = account.users.agent("ada@example.com")
    ticket = zendesk.ticket(submitter_id=ada.id)
    [comment] = zendesk.get(f"tickets/{ticket['id']}/comments").json()["comments"]
    assert comment["author_id"] == ada.id


def test_html_in_a_plain_body_is_stripped(zendesk):
    assert zendesk.ticket(comment={"body": "It <b>really</b> broke, 1 < 2."})["description"] == (
        "It really broke, 1 < 2."
    )


def test_a_private_first_comment_makes_a_private_ticket(zendesk):
    assert zendesk.ticket(comment={"body": "x", "public": False})["is_public"] is False


def test_tags_are_lower_case_unique_and_sorted(zendesk):
    assert zendesk.ticket(tags=["VIP", "acme", "vip"])["tags"] == ["acme", "vip"]


def test_an_assigned_ticket_is_open(zendesk, account):
    ticket = zendesk.ticket(assignee_email=account.relay.email)
    assert (ticket["assignee_id"], ticket["status"]) == (account.relay.id, "open")


def test_a_due_date_is_only_for_tasks(zendesk):
    assert zendesk.ticket(due_at="2026-12-01T00:00:00Z")["due_at"] is None
    assert zendesk.ticket(due_at="2026-12-01T00:00:00Z", type="task")["due_at"] == "2026-12-01T00:00:00Z"


def test_custom_fields_are_echoed_under_both_names(zendesk):
    ticket = zendesk.ticket(custom_fields=[{"id": 25, "value": "x"}])
    assert ticket["custom_fields"] == ticket["fields"] == [{"id": 25, "value": "x"}]


def test_the_first_audit_has_the_comment_and_a_create_event_for_each_property(zendesk, account):
    ticket = zendesk.ticket(priority="high", tags=["vip"], custom_fields=[{"id": 25, "value": "x"}], metadata={"a": 1})
    [audit] = zendesk.get(f"tickets/{ticket['id']}/audits").json()["audits"]
    comment, *creates = audit["events"]
    assert (comment["type"], comment["body"], comment["public"]) == ("Comment", "It broke.", True)
    assert {event["field_name"]: event["value"] for event in creates} == {
        "subject": "Broken",
        "requester_id": str(account.relay.id),
        "status": "new",
        "priority": "high",
        "type": None,
        "tags": ["vip"],
        "25": "x",
    }
    assert audit["metadata"]["custom"] == {"a": 1}
    assert audit["author_id"] == account.relay.id


def test_metadata_over_a_kilobyte_is_refused(zendesk):
    refused = zendesk.post("tickets", {"ticket": {"description": "x", "metadata": {"a": "x" * 1100}}})
    assert refused.status == 422


def test_a_follow_up_refers_to_its_closed_ticket_and_inherits_its_tags(zendesk):
    parent = zendesk.ticket(tags=["vip"], status="closed")
    child = zendesk.ticket(via_followup_source_id=parent["id"])
    assert child["via"]["source"]["rel"] == "follow_up"
    assert child["tags"] == ["vip"]
    assert zendesk.get(f"tickets/{parent['id']}").json()["ticket"]["followup_ids"] == [child["id"]]


def test_a_follow_up_of_an_open_ticket_is_an_ordinary_ticket(zendesk):
    parent = zendesk.ticket(tags=["vip"])
    child = zendesk.ticket(via_followup_source_id=parent["id"])
    assert child["tags"] == []
    assert child["via"]["source"]["rel"] is None


def test_an_upload_is_attached_once(zendesk):
    upload = zendesk.post("uploads?filename=x.png", b"abc", content_type="image/png").json()["upload"]
    first = zendesk.ticket(comment={"body": "x", "uploads": [upload["token"]]})
    second = zendesk.ticket(comment={"body": "x", "uploads": [upload["token"]]})
    files = [
        zendesk.get(f"tickets/{ticket['id']}/comments").json()["comments"][0]["attachments"]
        for ticket in (first, second)
    ]
    assert [[file["file_name"] for file in some] for some in files] == [["x.png"], []]


def test_collaborators_become_followers_or_email_ccs(zendesk, account):
    ada = account.users.agent("ada@example.com")
    ticket = zendesk.ticket(collaborators=[ada.id, {"name": "Zoe", "email": "zoe@example.com"}])
    zoe = account.users.named("zoe@example.com")
    assert (ticket["follower_ids"], ticket["email_cc_ids"]) == ([ada.id], [zoe.id])
    assert ticket["collaborator_ids"] == [ada.id, zoe.id]


def test_a_follower_that_nobody_knows_is_ignored(zendesk):
    assert zendesk.ticket(followers=[{"user_email": "nobody@example.com"}])["follower_ids"] == []


@pytest.mark.parametrize(
    ("named", "name"), [({"user_name": "Someone Else"}, "Someone Else"), ({}, "else"), ({"user_name": ""}, "else")]
)
def test_a_new_email_cc_has_the_user_name_or_the_local_part_of_the_address(zendesk, account, named, name):
    """Creating and updating tickets, "Setting email CCs"; that an empty name is none is an assumption."""
    ticket = zendesk.ticket(email_ccs=[{"user_email": "else@example.com", **named}])
    made = account.users.named("else@example.com")
    assert (made.name, made.role) == (name, "end-user")
    assert ticket["email_cc_ids"] == [made.id]


def test_an_email_cc_that_is_known_keeps_its_name(zendesk, account):
    """The name is for "a new user" ("Setting email CCs")."""
    zoe = account.users.add("Zoe", "zoe@example.com", "end-user")
    ticket = zendesk.ticket(email_ccs=[{"user_email": zoe.email, "user_name": "Someone Else"}])
    assert (ticket["email_cc_ids"], account.users.get(zoe.id).name) == ([zoe.id], "Zoe")


def test_more_than_48_email_ccs_are_refused(zendesk):
    ccs = [{"user_email": f"cc{number}@example.com"} for number in range(49)]
    assert zendesk.post("tickets", {"ticket": {"description": "x", "email_ccs": ccs}}).status == 400
    assert len(zendesk.ticket(email_ccs=ccs[:48])["email_cc_ids"]) == 48


def test_a_ticket_of_a_suspended_user_is_refused_as_recorded(zendesk):
    users = zendesk.account.users
    users.suspended.add(users.add("Contact Form", "form@example.com", "end-user").id)
    refused = zendesk.post("tickets", {"ticket": {"description": "x", "requester": "form@example.com"}})
    assert (refused.status, refused.json()["error"]) == (422, "RecordInvalid")
    assert refused.json()["details"] == {
        "requester": [{"description": "Requester: Contact Form is suspended.", "error": "UserSuspended"}]
    }
    assert zendesk.post("tickets", {"ticket": {"description": "x", "requester": "other@example.com"}}).status == 201
