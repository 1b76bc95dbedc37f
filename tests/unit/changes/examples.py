"""A ticket, and updates of it, for the tests of changes."""

import json

import pytest
from hypothesis import strategies as st

from ticket_relay.changes.combine import together
from ticket_relay.changes.diff import applied_to, to_update
from ticket_relay.changes.follow_up import follow_up
from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk.ticket_models import TicketChanges

TICKET = {
    "id": 35436,
    "subject": "Fire",
    "raw_subject": "Fire",
    "status": "open",
    "custom_status_id": 81,
    "priority": "normal",
    "requester_id": 5,
    "assignee_id": 7,
    "due_at": "2026-12-01T12:00:00Z",
    "collaborator_ids": [21, 31],
    "follower_ids": [21],
    "email_cc_ids": [31],
    "sharing_agreement_ids": [1, 2],
    "tags": ["red", "Blue"],
    "custom_fields": [
        {"id": 1, "value": "a"},
        {"id": 2, "value": ["x", "y"]},
        {"id": 3, "value": None},
        {"id": 4, "value": "7"},
        {"id": 5, "value": False},
    ],
    "updated_at": "2026-11-21T22:00:00Z",
}


COMMENT = {"body": "Raised.", "public": False}


REPLY = {"body": "Raised.", "public": True}


ADDRESS = "someone@example.com"


def update(changes, ticket=TICKET):
    return to_update(TicketChanges.model_validate(changes), ticket)


def reasons(call, *arguments):
    with pytest.raises(MappingFailed) as failed:
        call(*arguments)
    return failed.value.code, failed.value.sentence


def with_ccs(number):
    return TICKET | {"email_cc_ids": list(range(1000, 1000 + number))}


tags = st.lists(st.sampled_from(["red", "Blue", "green", "vip", "a b", "late"]), unique=True)


people = st.lists(
    st.builds(
        lambda who, action: {"user_id": who, "action": action},
        st.sampled_from([21, 31, 41, 51]),
        st.sampled_from(["put", "delete"]),
    ),
    max_size=3,
)


values = st.none() | st.sampled_from(["a", "b", "7", "true"]) | st.booleans() | st.integers(6, 8) | st.just(["x"])


decided = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.sampled_from(["high", "normal", None]),
        "status": st.sampled_from(["open", "pending"]),
        "subject": st.sampled_from(["Fire", "Flood"]),
        "raw_subject": st.sampled_from(["Fire", "Storm"]),
        "requester": st.sampled_from([5, 6]),
        "assignee_id": st.sampled_from([7, 8, None]),
        "due_at": st.sampled_from(["2026-12-01T13:00:00+01:00", "2026-12-02T12:00:00Z"]),
        "tags": st.builds(
            lambda add, remove: {"add": add, "remove": [tag for tag in remove if tag not in add]}, tags, tags
        ),
        "custom_fields": st.lists(
            st.builds(lambda key, value: {"id": key, "value": value}, st.integers(1, 6), values), max_size=3
        ),
        "followers": people,
        "email_ccs": people,
        "comment": st.sampled_from([COMMENT, REPLY, {"body": "x"}]),
        "metadata": st.dictionaries(st.sampled_from("ab"), st.sampled_from(["1", "2", "x" * 450]), max_size=2).filter(
            lambda metadata: len(json.dumps(metadata)) < 900
        ),
        "macro_id": st.sampled_from([1, 2]),
    },
)


def known(ticket):
    """A ticket with what is a set to Zendesk as a set, and a number as the text in which a field may give it back."""
    shown = ticket | {name: set(ticket[name]) for name in ("follower_ids", "email_cc_ids", "tags")}
    values = {field["id"]: field["value"] for field in ticket["custom_fields"]}
    return shown | {
        "custom_fields": {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    }


def pair(one, other, ticket=TICKET):
    first = update(one, ticket)
    return together(first, update(other, applied_to(ticket, first)), ticket)


CLOSED = TICKET | {"status": "closed"}


def followed(changes, ticket=CLOSED):
    return follow_up(TicketChanges.model_validate(changes), ticket).given()
