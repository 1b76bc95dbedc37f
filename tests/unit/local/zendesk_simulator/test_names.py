"""What the account calls its fields, and what a solved ticket needs."""

import pytest

from local.zendesk_simulator.names import ticket_field


@pytest.mark.parametrize("name", ["ticket_fields", "ticket_forms", "groups", "brands", "custom_statuses"])
def test_the_lists_of_names_are_answered(zendesk, name):
    answered = zendesk.get(name)
    assert (answered.status, answered.json()[name]) == (200, getattr(zendesk.account.names, name))


@pytest.fixture
def required(zendesk):
    """A field that agents must fill in, of a form of its own."""
    field = ticket_field(1, "Cause", "tagger", options=("paper",), required=True)
    zendesk.account.names.ticket_fields.append(field)
    zendesk.account.names.ticket_forms.append({"id": 2, "name": "Jam", "active": True, "ticket_field_ids": [1]})


@pytest.mark.usefixtures("required")
def test_a_ticket_is_solved_only_with_what_its_form_requires(zendesk):
    ticket = zendesk.ticket(ticket_form_id=2)
    refused = zendesk.put(f"tickets/{ticket['id']}", {"ticket": {"status": "solved"}})
    assert refused.status == 422
    [row] = refused.json()["details"]["base"]
    assert (row["error"], row["ticket_field_id"], row["ticket_field_type"]) == (None, 1, "FieldTagger")
    assert zendesk.get(f"tickets/{ticket['id']}").json()["ticket"]["status"] == "new"
    filled = {"status": "solved", "custom_fields": [{"id": 1, "value": "paper"}]}
    assert zendesk.put(f"tickets/{ticket['id']}", {"ticket": filled}).status == 200


@pytest.mark.usefixtures("required")
def test_a_ticket_of_another_form_needs_nothing_of_it(zendesk):
    assert zendesk.ticket(ticket_form_id=360000031, status="solved")["status"] == "solved"


@pytest.mark.usefixtures("required")
def test_a_ticket_is_not_born_solved_without_what_is_required(zendesk):
    assert zendesk.post("tickets", {"ticket": {"description": "x", "status": "solved"}}).status == 422
    assert zendesk.ticket()["status"] == "new"
