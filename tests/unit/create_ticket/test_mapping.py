import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.create_ticket import mapping
from ticket_relay.create_ticket.mapping import map_delivery
from ticket_relay.definitions import budget
from ticket_relay.definitions.models import FormNeeds, PartnerDefinition
from ticket_relay.errors import MappingFailed
from ticket_relay.webhooks.payload import MAX_BODY
from ticket_relay.webhooks.signatures import Delivery
from ticket_relay.zendesk.ticket_models import to_request

ROOT = Path(__file__).parents[3]
DELIVERY = Delivery("evt-1", 1795298400.0, None)
CANARY = "canary-7f3"
PARTNERS = ["acme", "globex"]


def map_event(definition, event, delivery):
    """The ticket of a delivery that is one event."""
    (mapped,) = map_delivery(definition, event, delivery)
    return mapped and mapped.ticket


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
    largest = 256 * 1024  # of what a template takes from an event, and a ticket can hold
    few, goods = len(json.dumps(event)), event["order"]["items"][0]
    event["order"]["items"] = [goods] * ((largest - few) // (len(json.dumps(goods)) + 2))
    assert map_event(definition, event, DELIVERY).comment.body.count("Desk lamp") == len(event["order"]["items"])
    definition, event = shipped("acme")
    event["incident"]["summary"] = "ж" * ((largest - len(json.dumps(event))) // 2)
    event["log"] = "x" * (MAX_BODY - len(json.dumps(event)) - 20)
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


ALERTS = {
    "partner": "acme",
    "scheme": "standard-webhooks",
    "sample": "e.json",
    "split": "${event.alerts}",
    "id": "${item.id}",
    "correlate": "${item.name}",
    "events": [
        {"when": "item.on", "do": "create", "ticket": {"comment": {"body": "${event.group}: ${item.text}"}}},
        {"do": "solve", "on_closed": "follow_up"},
    ],
}


def mapped(*alerts, **changes):
    definition = PartnerDefinition.model_validate(ALERTS | changes)
    return map_delivery(definition, {"group": "g", "alerts": list(alerts)}, DELIVERY)


def alert(**changes):
    return {"id": "1", "name": "disk", "on": True, "text": "It burns"} | changes


def test_each_item_is_an_event_that_finds_its_first_case():
    first, second = mapped(alert(), alert(id=2, on=False))
    assert (first.event_id, first.case, first.correlate) == ("1", 0, "disk")
    assert first.ticket.given() == {"comment": {"body": "g: It burns"}}
    assert (second.event_id, second.case, second.ticket) == ("2", 1, None)
    assert (second.joining.do, second.joining.on_closed, second.joining.wait) == ("solve", "follow_up", 600)


@pytest.mark.parametrize(("name", "correlate"), [(7, "7"), (1.5, "1.5"), ("x" * 100_000, "x" * 100_000), ("é", "é")])
def test_what_correlates_is_a_text_or_a_number(name, correlate):
    assert mapped(alert(name=name))[0].correlate == correlate


@pytest.mark.parametrize("name", [None, "", [], {}, True])
def test_an_event_about_nothing_has_its_own_ticket_and_updates_none(name):
    (one,) = mapped(alert(name=name))
    assert (one.correlate, one.joining) == (None, None)
    with pytest.raises(MappingFailed) as failed:
        mapped(alert(name=name, on=False))
    assert failed.value.code == "correlate_missing"


@pytest.mark.parametrize("id", ["a" * 257, "a b", "é", "a\nb", CANARY * 100])
def test_an_id_that_no_header_could_hold_is_hashed(id):
    (one,), (same,), (other,) = mapped(alert(id=id)), mapped(alert(id=id)), mapped(alert(id=f"{id}!"))
    assert one.event_id == same.event_id != other.event_id
    assert len(one.event_id) == len("sha256:") + 64


@pytest.mark.parametrize("id", ["a" * 256, "!~", "a#b/c"])
def test_an_id_that_a_header_could_hold_is_kept(id):
    assert mapped(alert(id=id))[0].event_id == id


@pytest.mark.parametrize(
    ("alerts", "changes", "sentence"),
    [
        ([alert(id="")], {}, "id: of item 1 is neither a text nor a number."),
        ([alert(), alert(id="")], {}, "id: of item 2 is neither a text nor a number."),
        ([{}], {}, 'id: object has no property "id".'),
        ([alert()] * 101, {}, "split: has more than 100 items."),
        ([alert()], {"id": "${delivery.id}"}, "id: is that of the delivery itself."),
        ([alert()], {"split": "${event.group}"}, "split: is not a list."),
        ([alert()], {"split": "event.alerts"}, "split: is not a list."),
        ([alert()], {"split": {"$eval": "event.none"}}, 'split: object has no property "none".'),
    ],
)
def test_a_delivery_that_cannot_be_split_fails_as_a_mapping(alerts, changes, sentence):
    with pytest.raises(MappingFailed) as failed:
        mapped(*alerts, **changes)
    assert failed.value.sentence == sentence


def test_a_case_that_does_not_fit_names_its_place():
    with pytest.raises(MappingFailed) as failed:
        mapped({"id": "1", "name": "disk", "on": True})
    assert failed.value.sentence == 'events[0].ticket.comment.body: object has no property "text".'
    bad = ALERTS["events"][0] | {"ticket": {"comment": {"body": "x"}, "priority": "${item.text}"}}
    with pytest.raises(MappingFailed) as invalid:
        mapped(alert(), events=[bad])
    assert (invalid.value.code, invalid.value.sentence.partition(":")[0]) == (
        "ticket_invalid",
        "events[0].ticket.priority",
    )


def test_many_events_have_the_time_of_one(monkeypatch):
    monkeypatch.setattr(mapping, "MAX_SECONDS", -1)
    with pytest.raises(MappingFailed) as failed:
        mapped(alert())
    assert failed.value.code == "mapping_too_slow"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_whatever_a_delivery_holds_it_is_split_or_fails_as_a_mapping(value):
    for content in (
        {"alerts": value, "group": "g"},
        {"alerts": [value], "group": "g"},
        {"alerts": [alert(id=value, name=value)], "group": value},
    ):
        try:
            events = map_delivery(PartnerDefinition.model_validate(ALERTS), content, DELIVERY)
        except MappingFailed:
            continue
        assert all(0 < len(event.event_id) <= 256 for event in events if event)


@pytest.mark.parametrize(
    ("event", "lacking"),
    [
        ({"form": 21, "fields": [{"id": 11, "value": "staging"}]}, None),
        ({"form": "21", "fields": [{"id": 11, "value": False}]}, None),
        ({"form": 22, "fields": []}, None),
        ({"form": None, "fields": []}, None),
        ({"form": 21, "fields": []}, "Environment"),
        ({"form": "21", "fields": None}, "Environment"),
        ({"form": 21, "fields": [{"id": 11, "value": CANARY}], "status": "solved"}, "Cause"),
        *(({"form": 21, "fields": [{"id": 11, "value": empty}]}, "Environment") for empty in (None, "", [])),
    ],
)
def test_an_event_whose_form_lacks_a_value_does_not_map(event, lacking):
    template = {
        "comment": {"body": "x"},
        "ticket_form_id": {"$eval": "event.form"},
        "custom_fields": {"$eval": "event.fields"},
        "status": {"$if": "'status' in event", "then": {"$eval": "event.status"}, "else": "new"},
    }
    needs = FormNeeds(title="Incident", needs={11: "Environment"}, to_solve={13: "Cause"})
    definition = partner(template).model_copy(update={"forms_set": {21: needs}})
    if lacking is None:
        assert map_event(definition, event, DELIVERY) is not None
        return
    with pytest.raises(MappingFailed) as failed:
        map_event(definition, event, DELIVERY)
    assert (failed.value.code, failed.value.sentence) == (
        "ticket_invalid",
        f"ticket.ticket_form_id: Incident needs a value for {lacking}.",
    )
