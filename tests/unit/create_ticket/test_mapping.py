import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.create_ticket.mapping import map_event
from ticket_relay.definitions import budget
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.errors import MappingFailed
from ticket_relay.webhooks.payload import MAX_BODY
from ticket_relay.webhooks.signatures import Delivery
from ticket_relay.zendesk.ticket_models import to_request

ROOT = Path(__file__).parents[3]
DELIVERY = Delivery("evt-1", 1795298400.0, None)
CANARY = "canary-7f3"
PARTNERS = ["acme", "globex"]


def partner(ticket, when=None):
    return PartnerDefinition(partner="acme", scheme="standard-webhooks", sample="e.json", when=when, ticket=ticket)


def shipped(name):
    definition = PartnerDefinition.model_validate(
        yaml.safe_load((ROOT / f"layers/config/partners/{name}.yaml").read_text())
    )
    return definition, json.loads((ROOT / definition.sample).read_text())


def failure(ticket, event):
    with pytest.raises(MappingFailed) as failed:
        map_event(partner(ticket), event, DELIVERY)
    assert CANARY not in repr(failed.value)
    assert failed.value.__cause__ is None
    return failed.value.code, failed.value.sentence


def test_the_sample_of_acme_becomes_an_urgent_incident():
    ticket = map_event(*shipped("acme"), DELIVERY).given()
    assert ticket["subject"] == "[CRITICAL] Checkout answers 502 for one request in five"
    assert (ticket["type"], ticket["priority"]) == ("incident", "urgent")
    assert ticket["requester"] == {"name": "Marta Lindqvist", "email": "marta.lindqvist@acme.example.com"}
    assert "Regions: eu-central-1, eu-west-1\n" in ticket["comment"]["body"]
    assert ticket["tags"] == ["acme", "incident", "checkout_api"]
    assert ticket["custom_fields"] == [{"id": 360008591391, "value": "production"}]


@pytest.mark.parametrize(("severity", "priority"), [("major", "high"), ("minor", "normal"), ("cosmetic", "low")])
def test_each_severity_of_acme_has_its_priority(severity, priority):
    definition, event = shipped("acme")
    event["incident"]["severity"] = severity
    assert map_event(definition, event, DELIVERY).priority == priority


def test_the_sample_of_globex_lists_the_goods():
    ticket = map_event(*shipped("globex"), DELIVERY).given()
    assert "Desk lamp, brass (LAMP-07), 59.9 EUR: damaged\n- 4" in ticket["comment"]["body"]
    assert ticket["tags"] == ["globex", "refund", "refund_damaged", "refund_wrong_item"]
    assert ticket["custom_fields"][1]["value"] == pytest.approx(133.8)
    assert ticket["due_at"] == "2026-11-23T22:00:00.000Z"


@pytest.mark.parametrize("name", PARTNERS)
def test_a_shipped_definition_wants_its_sample(name):
    assert map_event(*shipped(name), DELIVERY) is not None


def test_a_condition_leaves_other_events_out():
    definition, event = shipped("globex")
    assert map_event(definition, event | {"event": "refund.paid"}, DELIVERY) is None


def test_the_largest_events_are_within_the_limits(monkeypatch):
    """But for the time, which is the machine's."""
    monkeypatch.setattr(budget, "MAX_SECONDS", 60)
    definition, event = shipped("globex")
    few, goods = len(json.dumps(event)), event["order"]["items"][0]
    event["order"]["items"] = [goods] * ((MAX_BODY - few) // (len(json.dumps(goods)) + 2))
    assert map_event(definition, event, DELIVERY).comment.body.count("Desk lamp") == len(event["order"]["items"])
    definition, event = shipped("acme")
    event["incident"]["summary"] = "ж" * ((MAX_BODY - len(json.dumps(event))) // 2)
    assert to_request(map_event(definition, event, DELIVERY), "a:b")


@pytest.mark.parametrize("name", PARTNERS)
def test_the_same_event_and_delivery_give_the_same_bytes(name):
    first, second = (to_request(map_event(*shipped(name), DELIVERY), "a:b") for _ in range(2))
    assert first == second


TICKET = {"comment": {"body": "It burns."}}


def test_without_a_condition_every_event_is_wanted():
    assert map_event(partner(TICKET), {}, DELIVERY) is not None


def test_a_condition_may_look_at_the_delivery():
    assert (
        map_event(partner(TICKET, when="delivery.id == 'evt-1' && delivery.timestamp == 1795298400"), {}, DELIVERY)
        is not None
    )


def test_a_condition_that_does_not_fit_the_event_fails_as_a_mapping():
    with pytest.raises(MappingFailed) as failed:
        map_event(partner(TICKET, when="event.kind == 'x'"), {}, DELIVERY)
    assert (failed.value.code, failed.value.sentence) == ("mapping_failed", 'when: object has no property "kind".')


def test_the_clock_of_a_template_is_the_deliverys():
    body = map_event(partner({"comment": {"body": "${now} ${delivery.timestamp}"}}), {}, DELIVERY).comment.body
    assert body == "2026-11-21T22:00:00.000Z 1795298400"


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("event.title", 'object has no property "title"'),
        ("nothing", "unknown context value nothing"),
        ("event.text.more", "infix: . expects objects"),
        ("uppercase(event.list)", "invalid arguments to builtin: uppercase"),
        ("event.list[9]", "index out of bounds"),
        ("1 / event.zero", "division by zero"),
        ("number(event.text)", "the expression does not fit the event"),
        ("event.text(1)", "the expression does not fit the event"),
        ("event.huge ** event.huge", "the expression does not fit the event"),
        ("event.text[event.text]", "the expression does not fit the event"),
        ("fromNow(event.text)", "the expression does not fit the event"),
        ("len", "the expression does not fit the event"),
        ("1 +", "the expression does not fit the event"),
    ],
)
def test_a_template_that_does_not_fit_names_its_place_and_no_value(expression, reason):
    event = {"text": CANARY, "list": [CANARY], "zero": 0, "huge": 1e308}
    template = {"comment": {"body": "fine"}, "custom_fields": [{"id": 1, "value": {"$eval": expression}}]}
    assert failure(template, event) == ("mapping_failed", f"ticket.custom_fields[0].value: {reason}.")


def test_a_place_shows_a_key_as_the_template_has_it():
    template = {"metadata": {"${event.text}": {"$eval": "event.nothing"}}}
    code, sentence = failure(template, {"text": CANARY})
    assert (code, sentence) == ("mapping_failed", 'ticket.metadata.${event.text}: object has no property "nothing".')


def test_an_expression_nested_too_deeply_fails_as_a_mapping():
    code, _ = failure({"comment": {"body": {"$eval": "(" * 5000 + "1" + ")" * 5000}}}, {})
    assert code == "mapping_failed"


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ({"priority": "${event.text}"}, "ticket.priority: Input should be 'urgent', 'high', 'normal' or 'low'."),
        ({"due_at": "${event.text}"}, "ticket.due_at: is not an ISO 8601 date and time."),
        ({"comment": {"body": ""}}, r"ticket.comment.body: String should match pattern '\S'."),
        ({"comment": {"$eval": "event"}}, "ticket.comment: unknown field."),
        ({"${event.text}": 1}, "ticket: unknown field."),
        (
            {"custom_fields": [{"id": 1, "val": 1}]},
            "ticket.custom_fields[0].value: Field required; ticket.custom_fields[0].val: unknown field.",
        ),
    ],
)
def test_a_wrong_ticket_names_its_fields_and_no_value(field, sentence):
    assert failure({"comment": {"body": "x"}} | field, {"text": CANARY}) == ("ticket_invalid", sentence)


def test_a_template_that_makes_no_ticket_at_all_is_invalid():
    code, sentence = failure({"$if": "false", "then": {}}, {})
    assert code == "ticket_invalid"
    assert sentence.startswith("ticket: ")


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5).map(CANARY.__add__),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5).map(CANARY.__add__), inner, max_size=3)
    ),
    max_leaves=8,
)
expressions = st.sampled_from(
    ["x", "x.a", "x[0]", "x[1:]", "x + 1", "x - x", "x * x", "x / x", "x < x", "x in x", "!x", "-x", "x['a']", "x()"]
    + [
        f"{function}(x)"
        for function in ("len", "str", "number", "lowercase", "min", "fromNow", "sqrt", "floor", "range")
    ]
    + ["split(x, '')", "join(x, ',')", "typeof(x)", "defined(x)", "strip(x)"]
)
operators = st.sampled_from(
    [
        "${EXPR}",
        {"${EXPR}": 1},
        {"$let": {"$eval": "EXPR"}, "in": 1},
        {"$map": {"$eval": "EXPR"}, "each(y)": "${y}"},
        *({name: {"$eval": "EXPR"}} for name in ("$sort", "$merge", "$fromNow", "$flatten", "$json", "$reverse")),
        {"$eval": "EXPR"},
    ]
)


@given(values, expressions, operators, st.sampled_from(["subject", "tags", "metadata", "requester", "custom_fields"]))
def test_whatever_an_event_holds_only_a_mapping_failure_without_its_values_escapes(x, expression, operator, field):
    template = json.loads(
        json.dumps({"comment": {"body": "x"}, field: operator}).replace("EXPR", expression.replace("x", "event.x"))
    )
    sentence = ""
    try:
        to_request(map_event(partner(template), {"x": x}, DELIVERY), "a:b")
    except MappingFailed as failed:
        sentence = failed.sentence
    assert CANARY not in sentence
