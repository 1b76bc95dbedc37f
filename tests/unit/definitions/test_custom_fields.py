import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.definitions.custom_fields import check, problem
from ticket_relay.definitions.models import CustomField
from ticket_relay.errors import MappingFailed
from ticket_relay.zendesk.ticket_models import TicketCreate

OPTIONS = frozenset({"production", "staging"})


def of(type):
    return CustomField(title="Environment", type=type, options=OPTIONS)


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("text", "any"),
        ("text", 4),
        ("textarea", 4.5),
        ("regexp", "x"),
        ("checkbox", True),
        ("checkbox", "false"),
        ("date", "2020-02-24"),
        ("integer", 5),
        ("integer", "-5"),
        ("decimal", 5),
        ("decimal", 4.5),
        ("decimal", "4.50"),
        ("tagger", "production"),
        ("multiselect", ["staging", "production"]),
        ("lookup", 5),
        ("not known yet", ["x"]),
        *((type, empty) for type in ("date", "tagger", "multiselect", "integer") for empty in (None, "", [])),
    ],
)
def test_a_field_takes_its_type(type, value):
    assert problem(of(type), value) is None


@pytest.mark.parametrize(
    ("type", "value"),
    [
        ("text", True),
        ("text", ["a"]),
        ("checkbox", 1),
        ("checkbox", "yes"),
        ("date", "2020-02-24T10:00:00Z"),
        ("date", "2020-02-30"),
        ("date", "20200224"),
        ("date", "2020-W09-1"),
        ("date", 20200224),
        ("integer", 4.5),
        ("integer", "4.5"),
        ("integer", True),
        ("integer", "५"),
        ("decimal", "4,5"),
        ("decimal", "1e3"),
        ("tagger", "Production"),
        ("tagger", ["production"]),
        ("tagger", True),
        ("multiselect", "production"),
        ("multiselect", ["production", "prod"]),
    ],
)
def test_a_field_does_not_take_what_is_of_another_form(type, value):
    assert problem(of(type), value).startswith("Environment takes ")


@given(st.sampled_from(["text", "checkbox", "date", "integer", "decimal", "tagger", "multiselect", "other"]), st.data())
def test_whatever_the_value_it_is_judged_and_never_quoted(type, data):
    value = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(min_size=30) | st.lists(st.text(min_size=30))
    )
    reason = problem(of(type), value)
    assert reason is None or not isinstance(value, str) or value not in reason


def test_wrong_values_of_a_ticket_are_named_by_their_places():
    values = [{"id": 1, "value": "production"}, {"id": 1, "value": "canary-7f3a"}, {"id": 2, "value": "x"}]
    ticket = TicketCreate.model_validate({"comment": {"body": "x"}, "custom_fields": values})
    with pytest.raises(MappingFailed) as failed:
        check(ticket.custom_fields, {1: of("tagger")}, "events[0].ticket")
    assert failed.value.code == "ticket_invalid"
    assert failed.value.sentence == (
        "events[0].ticket.custom_fields[1].value: Environment takes the tag of one of its options; "
        "events[0].ticket.custom_fields[2].value: the account has no such field."
    )
