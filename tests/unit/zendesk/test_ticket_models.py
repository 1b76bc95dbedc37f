import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk.ticket_models import (
    MAX_REQUEST,
    RESERVED,
    Attachment,
    CommentWithFiles,
    TicketChanges,
    TicketCreate,
    to_request,
    uploaded,
)

COMMENT = {"body": "The printer is on fire"}
EVERYTHING_COMMON = {
    "subject": "Fire",
    "raw_subject": "{{dc.fire}}",
    "comment": {"html_body": "<p>Fire</p>", "public": True, "author_id": 1, "uploads": ["vz7ll9ud8oofowy"]},
    "requester": {"email": "pablito@example.org", "name": "Pablo", "locale_id": 8},
    "requester_id": 1,
    "assignee_id": None,
    "assignee_email": "agent@example.com",
    "organization_id": 2,
    "group_id": 3,
    "brand_id": 4,
    "problem_id": 5,
    "ticket_form_id": 6,
    "custom_status_id": 2**63 - 1,
    "priority": "urgent",
    "type": "task",
    "status": "open",
    "due_at": "2026-12-01T12:00:00Z",
    "custom_fields": [
        {"id": 1, "value": "text"},
        {"id": 2, "value": 4.5},
        {"id": 3, "value": True},
        {"id": 4, "value": ["hd_3000", "hd_5555"]},
        {"id": 5, "value": None},
        {"id": 6, "value": 7},
    ],
    "collaborators": [562, "someone@example.com", {"name": "Else", "email": "else@example.com"}],
    "additional_collaborators": ["someone@example.com"],
    "collaborator_ids": [1, 2],
    "followers": [{"user_id": 562624, "action": "put"}, {"user_email": "else@example.com"}],
    "email_ccs": [{"user_email": "else@example.com", "user_name": "Else", "action": "put"}],
    "metadata": {"time_spent": "4m12s", "nested": {"n": [1, 2.5, None]}},
    "attribute_value_ids": ["6ccddacf"],
    "sharing_agreement_ids": [84432],
    "macro_id": 1,
    "macro_ids": [1, 2],
}
ONLY_CREATION = {
    "description": "Fire",
    "tags": ["vip"],
    "submitter": "agent@example.com",
    "submitter_id": 7,
    "recipient": "support@example.com",
    "via": {"channel": "api"},
    "via_id": 5,
    "via_followup_source_id": 103,
}


def refused_fields(model, properties):
    with pytest.raises(ValidationError) as invalid:
        model.model_validate(properties)
    return {error["loc"][0] if error["loc"] else "" for error in invalid.value.errors()}


def created(**properties):
    return TicketCreate.model_validate({"comment": COMMENT} | properties).given()


def test_a_creation_takes_every_writable_property_and_changes_none():
    assert created(**EVERYTHING_COMMON, **ONLY_CREATION) == EVERYTHING_COMMON | ONLY_CREATION


def test_an_update_takes_every_writable_property_and_changes_none():
    changes = EVERYTHING_COMMON | {"tags": {"add": ["vip"], "remove": ["triage"]}}
    assert TicketChanges.model_validate(changes).given() == changes


@pytest.mark.parametrize("name", sorted(ONLY_CREATION.keys() - {"tags"}))
def test_an_update_refuses_what_only_a_creation_takes(name):
    assert refused_fields(TicketChanges, {name: ONLY_CREATION[name]}) == {name}


def test_an_update_refuses_a_list_of_tags_since_it_would_replace_them_all():
    assert refused_fields(TicketChanges, {"tags": ["vip"]}) == {"tags"}


@pytest.mark.parametrize("name", sorted(RESERVED | {"id", "updated_at", "priorty", "fields"}))
def test_what_only_the_relay_says_and_what_nobody_knows_is_refused(name):
    assert refused_fields(TicketCreate, {"comment": COMMENT, name: True}) == {name}
    assert refused_fields(TicketChanges, {name: True}) == {name}


def test_a_creation_needs_a_comment_or_a_description():
    assert refused_fields(TicketCreate, {"subject": "Fire"}) == {""}
    assert TicketCreate.model_validate({"description": "Fire"}).given() == {"description": "Fire"}


def test_an_update_needs_neither():
    assert TicketChanges.model_validate({"priority": "low"}).given() == {"priority": "low"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("subject", 5),
        ("priority", "critical"),
        ("priority", "HIGH"),
        ("type", "bug"),
        ("status", "deleted"),
        ("assignee_id", True),
        ("assignee_id", 0),
        ("assignee_id", -1),
        ("assignee_id", 2**63),
        ("assignee_id", 1.5),
        ("assignee_id", "12a"),
        ("assignee_id", "٣"),
        ("comment", {}),
        ("comment", {"body": "  \n"}),
        ("comment", {"body": "x", "public": "yes"}),
        ("comment", {"body": "x", "text": "y"}),
        ("comment", "just text"),
        ("requester", "not an address"),
        ("requester", {"name": "Pablo"}),
        ("requester", []),
        ("assignee_email", "agent"),
        ("due_at", "tomorrow"),
        ("due_at", 1764590400),
        ("custom_fields", [{"id": 1}]),
        ("custom_fields", [{"value": 1}]),
        ("custom_fields", [{"id": 1, "value": {"a": 1}}]),
        ("custom_fields", [{"id": 1, "value": float("inf")}]),
        ("custom_fields", {"1": "text"}),
        ("followers", [{"action": "put"}]),
        ("followers", [{"user_id": 1, "action": "add"}]),
        ("followers", [{"user_email": "else@example.com", "user_name": "Else"}]),
        ("email_ccs", [{"user_id": number} for number in range(1, 50)]),
        ("metadata", {"note": "x" * 1024}),
        ("metadata", {"n": float("inf")}),
        ("metadata", "text"),
    ],
)
def test_a_wrong_value_is_refused_on_creation_and_on_update(name, value):
    assert refused_fields(TicketCreate, {"comment": COMMENT} | {name: value}) == {name}
    assert refused_fields(TicketChanges, {name: value}) == {name}


@pytest.mark.parametrize("name", sorted(name for name, value in EVERYTHING_COMMON.items() if isinstance(value, list)))
def test_a_list_is_judged_up_to_its_first_wrong_item(name):
    for model in (TicketCreate, TicketChanges):
        with pytest.raises(ValidationError) as invalid:
            model.model_validate({"comment": COMMENT, name: [{}] * 1000})
        places = [error["loc"] for error in invalid.value.errors()]
        assert {place[0] for place in places} == {name}
        assert {part for place in places for part in place if isinstance(part, int)} == {0}


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"followers": [{"user_id": 1}, {"user_id": 2, "action": "delete"}]}, "followers"),
        ({"email_ccs": [{"user_id": 1, "action": "delete"}]}, "email_ccs"),
        ({"email_ccs": [{"user_id": 1}], "comment": COMMENT | {"public": False}}, "email_ccs"),
        ({"due_at": "2026-12-01T12:00:00Z"}, "due_at"),
        ({"due_at": "2026-12-01T12:00:00Z", "type": "question"}, "due_at"),
    ],
)
def test_a_creation_refuses_what_zendesk_would_drop_in_silence(properties, named):
    assert refused_fields(TicketCreate, {"comment": COMMENT} | properties) == {named}
    assert TicketChanges.model_validate(properties)


@pytest.mark.parametrize(
    "properties",
    [
        {"followers": [{"user_id": 1}], "comment": COMMENT | {"public": False}},
        {"email_ccs": [{"user_id": 1}], "comment": COMMENT | {"public": True}},
        {"email_ccs": [], "comment": COMMENT | {"public": False}},
        {"due_at": None, "type": "question"},
    ],
)
def test_a_creation_takes_what_only_resembles_a_mistake(properties):
    assert created(**properties) == {"comment": COMMENT} | properties


@pytest.mark.parametrize(
    ("requester", "sent"),
    [
        ("pablito@example.org", {"email": "pablito@example.org", "name": "pablito"}),
        ({"email": "pablito@example.org", "name": None}, {"email": "pablito@example.org", "name": "pablito"}),
        (
            {"email": "pablito@example.org", "locale_id": 8},
            {"email": "pablito@example.org", "locale_id": 8, "name": "pablito"},
        ),
        ({"email": "pablito@example.org", "name": "Pablo"}, {"email": "pablito@example.org", "name": "Pablo"}),
        (562, 562),
        (None, None),
    ],
)
def test_a_new_tickets_requester_without_a_name_gets_the_local_part_of_the_address(requester, sent):
    assert created(requester=requester)["requester"] == sent


def test_48_email_ccs_are_taken():
    assert len(created(email_ccs=[{"user_id": number} for number in range(1, 49)])["email_ccs"]) == 48


def test_an_id_may_be_a_text_of_digits():
    assert created(assignee_id="562624")["assignee_id"] == 562624


def test_tags_are_sent_in_lower_case_and_without_blanks():
    assert created(tags=["VIP", " Checkout  API "])["tags"] == ["vip", "checkout_api"]


def test_an_empty_tag_is_refused():
    assert refused_fields(TicketCreate, {"comment": COMMENT, "tags": [" "]}) == {"tags"}


def test_the_same_tag_cannot_be_added_and_removed():
    assert refused_fields(TicketChanges, {"tags": {"add": ["vip"], "remove": ["VIP"]}}) == {"tags"}


def test_a_request_holds_what_was_given_and_the_external_id():
    request = to_request(TicketCreate.model_validate({"comment": COMMENT, "assignee_id": None}), "acme:evt-1")
    assert json.loads(request) == {"ticket": {"comment": COMMENT, "assignee_id": None, "external_id": "acme:evt-1"}}


def test_a_request_is_canonical_utf_8():
    ticket = TicketCreate.model_validate({"subject": "Ångström", "comment": {"public": True, "body": "é"}})
    expected = '{"ticket":{"comment":{"body":"é","public":true},"external_id":"a:b","subject":"Ångström"}}'
    assert to_request(ticket, "a:b") == expected.encode()


@pytest.mark.parametrize("character", ["ж", "語", "😀"])
def test_a_text_of_any_script_may_be_as_large_as_its_event(character):
    body = character * (256 * 1024 // len(character.encode()))
    request = to_request(TicketCreate.model_validate({"comment": {"body": body}}), "a:b")
    assert json.loads(request)["ticket"]["comment"]["body"] == body


def test_a_literal_with_half_a_surrogate_pair_is_sent_without_it():
    ticket = TicketCreate.model_validate({"subject": "Fire \ud83d", "comment": COMMENT})
    assert json.loads(to_request(ticket, "a:b"))["ticket"]["subject"] == "Fire \ufffd"


@given(st.permutations(list(EVERYTHING_COMMON)))
def test_the_order_of_the_properties_does_not_change_the_bytes(order):
    shuffled = TicketCreate.model_validate({name: EVERYTHING_COMMON[name] for name in order})
    assert to_request(shuffled, "a:b") == to_request(TicketCreate.model_validate(EVERYTHING_COMMON), "a:b")


@pytest.mark.parametrize(
    "properties", [{"comment": {"body": "x" * MAX_REQUEST}}, {"comment": COMMENT, "via": {"n": float("inf")}}]
)
def test_a_ticket_that_cannot_be_sent_is_invalid(properties):
    with pytest.raises(MappingFailed) as failed:
        to_request(TicketCreate.model_validate(properties), "a:b")
    assert failed.value.code == "ticket_invalid"


def test_metadata_of_an_update_leaves_room_for_the_relays_marker():
    assert TicketCreate.model_validate({"comment": COMMENT, "metadata": {"note": "x" * 1000}})
    assert refused_fields(TicketChanges, {"metadata": {"note": "x" * 1000}}) == {"metadata"}


@pytest.mark.parametrize(("character", "most"), [("x", 1013), ("é", 168), ("語", 168), ("😀", 84)])
def test_metadata_is_counted_as_escaped_since_it_is_not_known_how_zendesk_counts(character, most):
    assert created(metadata={"note": character * most})
    assert refused_fields(TicketCreate, {"comment": COMMENT, "metadata": {"note": character * (most + 1)}}) == {
        "metadata"
    }


def test_the_relays_marker_is_not_for_a_rule_to_set():
    assert refused_fields(TicketChanges, {"metadata": {"ticket_relay": "mine"}}) == {"metadata"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a.png", "a.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\temp\\a.png", "a.png"),
        ("a\r\nX: y.png", "a__X_ y.png"),
        ("übersicht 7.pdf", "übersicht 7.pdf"),
        ("..a.", "a"),
        ("reports/2026/", "2026"),
        ("a" * 300, "a" * 255),
        (f"{'a' * 300}.pdf", f"{'a' * 251}.pdf"),
        (f"a.{'b' * 300}", f"a.{'b' * 253}"),
        *((name, "file") for name in ("", "/", "..", None)),
    ],
)
def test_a_file_name_is_the_last_part_of_a_path_without_what_no_header_takes(given, kept):
    assert Attachment(url="https://files.acme.example/a", filename=given).filename == kept


@pytest.mark.parametrize("content_type", ["text/csv; charset=utf-8", " Text/CSV ", "text/csv;"])
def test_of_a_files_type_the_parameters_are_dropped(content_type):
    assert Attachment(base64="YQ==", filename="a", content_type=content_type).content_type == "text/csv"


@pytest.mark.parametrize(
    "said",
    [
        {"url": ""},
        {"url": None},
        {"url": None, "base64": None},
        {"url": f"https://files.acme.example/{'a' * 3000}"},
        {"url": "https://files.acme.example/a", "content_type": "pdf"},
        {"url": "https://files.acme.example/a", "content_type": ""},
        {"base64": "", "content_type": "text/csv"},
        {"base64": "YQ==", "content_type": None},
    ],
)
def test_whatever_an_event_says_of_a_file_the_ticket_is_valid_and_is_read_again(said):
    comment = {"body": "x", "attachments": [{"filename": "a"} | said]}
    given = TicketCreate(comment=comment).given()
    assert TicketCreate.model_validate(given).given() == given


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"url": "https://files.acme.example/a", "base64": "YQ==", "content_type": "text/csv"},
        {"base64": "YQ=="},
        {"url": 7},
    ],
)
def test_what_a_definition_must_name_of_a_file_is_not_left_to_the_event(template):
    with pytest.raises(ValidationError):
        Attachment.model_validate({"filename": "a"} | template)


@pytest.mark.parametrize(("count", "kept"), [(20, 20), (21, 21), (22, 21), (5000, 21)])
def test_of_very_many_files_one_stands_for_those_that_no_definition_allows(count, kept):
    files = [{"url": "https://files.acme.example/a", "filename": str(number)} for number in range(count)]
    given = TicketCreate(comment={"body": "x", "attachments": files}).given()
    assert TicketCreate.model_validate(given).given() == given
    *first, last = given["comment"]["attachments"]
    assert (len(first) + 1, first) == (kept, files[: kept - 1])
    assert last["filename"] == (f"{count - 20} more files" if count > 21 else str(count - 1))


def test_what_stands_for_the_others_is_required_if_one_of_them_is():
    files = [{"url": "https://files.acme.example/a", "filename": "a"}] * 30
    comment = CommentWithFiles(body="x", attachments=[*files, files[0] | {"required": True}])
    assert [file.required for file in comment.attachments] == [False] * 20 + [True]


def test_attachments_become_uploads_beside_those_that_are_there():
    comment = {"body": "x", "attachments": [{"filename": "a"}], "uploads": ["mine"]}
    given = {"subject": "s", "comment": comment}
    assert uploaded(given, ["t"]) == {"subject": "s", "comment": {"body": "x", "uploads": ["mine", "t"]}}
    assert uploaded({"comment": {"body": "x", "attachments": []}}, []) == {"comment": {"body": "x"}}
    assert uploaded({"subject": "s"}, []) == {"subject": "s"}
