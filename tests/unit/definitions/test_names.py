"""Names of fields, groups, forms, brands and statuses, and what a catalogue says of their values."""

import json

import pytest

from layers.config.catalogue import Catalogue, read_catalogue
from tests.unit.definitions.tree import PARTNER, RULE
from ticket_relay.definitions.loader import PACKAGE

CATALOGUE = """\
custom_fields:
- {id: 11, name: Environment, type: tagger, options: [production, staging], required_in_portal: true}
- {id: 12, name: Seen on, type: date}
- {id: 13, name: Cause, type: text, required: true}
- {id: 14, name: Twice, type: text}
- {id: 15, name: Twice, type: text}
forms:
- {id: 21, name: Incident, fields: [11, 12, 13]}
- {id: 22, name: Question}
groups:
- {id: 31, name: Tier 1}
- {id: 32, name: Tier 2}
brands:
- {id: 41, name: Printers}
- {id: 42, name: Twins}
- {id: 43, name: Twins}
custom_statuses:
- {id: 51, name: Waiting on vendor}
"""


QUOTES = ", in quotes if YAML takes it for something else"


@pytest.fixture
def named(tree):
    """A tree with a catalogue."""
    tree.write("zendesk.yaml", CATALOGUE)
    return tree


def built(tree, tmp_path, file="partners.json"):
    assert tree.run("--check", str(tmp_path / "out")) == 0, tree.capsys.readouterr().err
    (definition,) = json.loads((tmp_path / "out" / PACKAGE / file).read_text()).values()
    return definition


def ticket(named, lines):
    named.partner("acme", PARTNER + "".join(f"  {line}\n" for line in lines))


def test_names_become_numbers(named, tmp_path):
    ticket(
        named,
        [
            "group: Tier 2",
            "form: Question",
            "brand: Printers",
            "custom_status: Waiting on vendor",
            "custom_fields: {Environment: production, Seen on: '${event.title}', 13: why}",
        ],
    )
    named.write("events/acme.json", json.dumps({"kind": "opened", "title": "2026-11-20", "text": "It burns"}))
    definition = built(named, tmp_path)
    assert definition["ticket"] == {
        "subject": "${event.title}",
        "comment": {"body": "${event.text}"},
        "priority": "high",
        "group_id": 32,
        "ticket_form_id": 22,
        "brand_id": 41,
        "custom_status_id": 51,
        "custom_fields": [
            {"id": 11, "value": "production"},
            {"id": 12, "value": "${event.title}"},
            {"id": 13, "value": "why"},
        ],
    }
    assert definition["fields_set"].keys() == {"11", "12", "13"}
    assert definition["fields_set"]["12"] == {"title": "Seen on", "type": "date"}


@pytest.mark.parametrize(
    ("key", "id"),
    [
        ("2024", 16),
        ("'2024'", 16),
        ("12", 12),
        ("'12'", 17),
        ("'13'", 13),
        ("'Yes'", 18),
    ],
)
def test_a_key_of_digits_is_a_title_or_a_number(named, tmp_path, key, id):
    """A number that there is, if it has no quotes; otherwise a title, if there is one."""
    titles = "".join(
        f"- {{id: {id}, name: '{name}', type: text}}\n" for id, name in ((16, 2024), (17, 12), (18, "Yes"))
    )
    named.write("zendesk.yaml", CATALOGUE.replace("forms:", f"{titles}forms:"))
    ticket(named, [f"custom_fields: {{{key}: 2026-11-20}}"])
    assert built(named, tmp_path)["ticket"]["custom_fields"] == [{"id": id, "value": "2026-11-20"}]


def test_what_yaml_takes_for_something_else_is_found_on_its_line(named):
    ticket(named, ["custom_fields:", "  Cause: x", "  On: y"])
    assert named.problems() == [f"partners/acme.yaml:12: ticket.custom_fields.True: must be a name{QUOTES}"]


def test_days_and_times_need_no_quotes(named, tmp_path):
    ticket(named, ["custom_fields: {Seen on: 2020-02-24}", "type: task", "due_at: 2026-12-01T12:00:00Z"])
    made = built(named, tmp_path)["ticket"]
    assert made["custom_fields"] == [{"id": 12, "value": "2020-02-24"}]
    assert made["due_at"] == "2026-12-01T12:00:00Z"


def test_options_are_written_in_one_order(named, tmp_path):
    options = [f"option_{number}" for number in range(20)]
    named.write("zendesk.yaml", CATALOGUE.replace("[production, staging]", f"[{', '.join(options)}]"))
    ticket(named, ["custom_fields: {Environment: option_7}"])
    assert built(named, tmp_path)["fields_set"]["11"]["options"] == sorted(options)


def test_names_of_a_rule_and_of_cases_become_numbers(named, tmp_path):
    named.write("updates/raise.yaml", RULE + "  group: Tier 1\n  custom_fields: {Cause: x}\n")
    assert built(named, tmp_path, "updates.json")["changes"]["group_id"] == 31
    named.partner(
        "acme",
        "partner: acme\nscheme: standard-webhooks\nsample: events/acme.json\nevents:\n"
        "  - do: create\n    ticket: {comment: {body: x}, group: Tier 1}\n",
    )
    assert built(named, tmp_path)["events"][0]["ticket"]["group_id"] == 31


def test_names_in_branches_become_numbers_and_a_field_without_a_value_is_left_out(named, tmp_path):
    ticket(
        named,
        [
            "group: {$if: event.kind == 'x', then: Tier 1, else: {$switch: {'true': Tier 2}}}",
            "custom_fields: {Environment: {$if: event.kind == 'x', then: staging}, Cause: {$eval: event.text}}",
        ],
    )
    made = built(named, tmp_path)["ticket"]
    assert made["group_id"] == {"$if": "event.kind == 'x'", "then": 31, "else": {"$switch": {"true": 32}}}
    assert made["custom_fields"] == [
        {"$if": "event.kind == 'x'", "then": {"id": 11, "value": "staging"}},
        {"id": 13, "value": {"$eval": "event.text"}},
    ]


def test_a_template_that_is_chosen_may_use_names(named, tmp_path):
    named.partner(
        "acme",
        PARTNER[: PARTNER.index("ticket:")]
        + "ticket:\n  $if: event.kind == 'x'\n  then: {comment: {body: x}, group: Tier 1}\n"
        "  else: {comment: {body: x}, custom_fields: {$if: 'true', then: {Cause: x}, else: {Twice of: y}}}\n",
    )
    (problem,) = named.problems()
    assert problem.startswith("partners/acme.yaml:8: ticket.else.custom_fields.else.Twice of: zendesk.yaml has no")


def test_without_a_catalogue_numbers_work_and_names_do_not(tree, tmp_path):
    ticket(tree, ["custom_fields: [{id: 11, value: anything}]", "group_id: 5"])
    assert "fields_set" not in built(tree, tmp_path)
    ticket(tree, ["custom_fields: {Environment: production}", "group: Tier 2", "custom_fields: {11: x}"][:2])
    needs = "is a name, which needs zendesk.yaml: `relay fields` writes it"
    assert tree.problems() == [
        f"partners/acme.yaml:10: ticket.custom_fields.Environment: {needs}",
        f"partners/acme.yaml:11: ticket.group: {needs}",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("group: Tier 3", "ticket.group: zendesk.yaml has no Tier 3 among its groups: is it Tier 2?"),
        ("brand: xyz", "ticket.brand: zendesk.yaml has no xyz among its brands"),
        ("group: ${event.kind}", "ticket.group: must be a name, or an $if or a $switch of names"),
        ("group: {$eval: event.kind}", "ticket.group: must be a name, or an $if or a $switch of names"),
        (
            "group: {$if: 'true', then: Tier 3}",
            "ticket.group.then: zendesk.yaml has no Tier 3 among its groups: is it Tier 2?",
        ),
        ("group: 31", f"ticket.group: must be a name{QUOTES}; a number goes with group_id"),
        ("group: 007", f"ticket.group: must be a name{QUOTES}; a number goes with group_id"),
        ("group: On", f"ticket.group: must be a name{QUOTES}; a number goes with group_id"),
        ("group: {$if: 'true', then: 31}", f"ticket.group.then: must be a name{QUOTES}; a number goes with group_id"),
        ("custom_fields: {Yes: x}", f"ticket.custom_fields.True: must be a name{QUOTES}"),
        ("brand: Twins", "ticket.brand: Twins is the name of 2 brands: write brand_id, with the number of one"),
        (
            "custom_fields: {Environment: production, 11: staging}",
            "ticket.custom_fields.11: is the same field as Environment",
        ),
        ("group_id: 33", "ticket.group_id: zendesk.yaml has no 33 among its groups"),
        ("group_id: '33'", "ticket.group_id: zendesk.yaml has no 33 among its groups"),
        (
            "group_id: {$if: 'true', then: 33, else: 31}",
            "ticket.group_id.then: zendesk.yaml has no 33 among its groups",
        ),
        (
            "custom_fields: {Twice: x}",
            "ticket.custom_fields.Twice: Twice is the name of 2 custom fields: write the number of one",
        ),
        ("custom_fields: {99: x}", "ticket.custom_fields.99: zendesk.yaml has no 99 among its custom fields"),
        (
            "custom_fields: [{id: 99, value: x}]",
            "ticket.custom_fields[0].id: zendesk.yaml has no 99 among its custom fields",
        ),
        (
            "custom_fields: {Environment: prod}",
            "ticket.custom_fields.Environment: Environment takes the tag of one of its options",
        ),
        (
            "custom_fields: {Environment: {$if: 'false', then: prod, else: staging}}",
            "ticket.custom_fields.Environment.then.value: Environment takes the tag of one of its options",
        ),
        (
            "custom_fields: [{id: 12, value: 2026-11-20T08:00}]",
            "ticket.custom_fields[0].value: Seen on takes a day, YYYY-MM-DD, without a time",
        ),
        ("form: Incident", "ticket.form: Incident needs a value for Environment"),
        (
            "custom_fields: {Seen on: '${event.title}'}",
            "ticket.custom_fields.Seen on: Seen on takes a day, YYYY-MM-DD, without a time, on the sample",
        ),
        ("fields_set: {}", "ticket.fields_set: unknown field"),
    ],
)
def test_each_defect_is_reported_with_file_line_and_reason(named, line, problem):
    ticket(named, [line])
    assert named.problems() == [f"partners/acme.yaml:10: {problem}"]


def test_a_name_and_a_number_for_the_same_are_reported(named):
    ticket(named, ["group: Tier 1", "group_id: 32"])
    assert named.problems() == ["partners/acme.yaml:10: ticket.group: is there as group_id, too"]


@pytest.mark.parametrize("name", ["fields_set", "forms_set"])
def test_what_the_build_alone_writes_is_refused(named, name):
    named.partner("acme", f"{PARTNER}{name}: {{}}\n")
    assert named.problems() == [f"partners/acme.yaml:10: {name}: unknown field"]


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (["form: Incident", "custom_fields: {Environment: staging}"], None),
        (["form: Incident", "custom_fields: {Environment: '${event.kind}'}"], None),
        (["form: Incident", "custom_fields: [{id: '11', value: staging}]"], None),
        (["form: Incident", "custom_fields: {$map: [1], each(x): {id: 11, value: staging}}"], None),
        (["form: Incident", "custom_fields: {$if: 'true', then: {Environment: staging}}"], None),
        (["form: Incident", "custom_fields: {Environment: {$if: 'false', then: null, else: staging}}"], None),
        (["form: {$if: 'false', then: Incident, else: Question}"], "form.then: Incident needs a value for Environment"),
        (["form: {$if: 'false', then: Incident}", "custom_fields: {Environment: {$if: 'false', then: staging}}"], None),
        (["form: Incident", "custom_fields: {Cause: x}"], "form: Incident needs a value for Environment"),
        (["form: Incident", "custom_fields: null"], "form: Incident needs a value for Environment"),
        (["form: Incident", "custom_fields: {Environment: null}"], "form: Incident needs a value for Environment"),
        (["form: Incident", "custom_fields: [{id: 11, value: ''}]"], "form: Incident needs a value for Environment"),
        (
            ["form: Incident", "custom_fields: {Environment: {$if: 'true', then: null, else: ''}}"],
            "form: Incident needs a value for Environment",
        ),
        (["ticket_form_id: '21'"], "ticket_form_id: Incident needs a value for Environment"),
        (["form: Incident", "status: solved"], "form: Incident needs a value for Environment, Cause"),
        (["form: Question", "status: solved"], None),
    ],
)
def test_a_form_needs_what_a_person_would_have_to_fill_in(named, tmp_path, lines, problem):
    named.write("events/acme.json", json.dumps({"kind": "staging", "title": "Fire", "text": "x"}))
    named.partner("acme", PARTNER.replace("when: event.kind == 'opened'\n", "") + "".join(f"  {it}\n" for it in lines))
    if problem is None:
        assert "ticket_form_id" in built(named, tmp_path)["ticket"]
    else:
        assert named.problems() == [f"partners/acme.yaml:9: ticket.{problem}"]


@pytest.mark.parametrize(
    ("lines", "at"),
    [
        (["form: Incident", "custom_fields: {Environment: {$eval: event.env}}"], "9: ticket.form"),
        (["form: Incident", "custom_fields: {$if: event.env, then: {Environment: staging}}"], "9: ticket.form"),
        (["form: {$if: 'true', then: Incident}", "custom_fields: {Environment: {$eval: event.env}}"], "9: ticket.form"),
        (["ticket_form_id: {$eval: event.form}"], "9: ticket.ticket_form_id"),
        (["ticket_form_id: '${event.form}'"], "9: ticket.ticket_form_id"),
        (["'ticket_${event.name}_id': {$eval: event.form}"], "4: ticket.ticket_form_id"),
    ],
)
def test_what_a_form_needs_is_looked_for_in_the_sample_too(named, lines, at):
    event = {"kind": "opened", "title": "Fire", "text": "x", "env": None, "form": 21, "name": "form"}
    named.write("events/acme.json", json.dumps(event))
    named.partner("acme", PARTNER.replace("when: event.kind == 'opened'\n", "") + "".join(f"  {it}\n" for it in lines))
    assert named.problems() == [f"partners/acme.yaml:{at}: Incident needs a value for Environment, on the sample"]


def test_what_code_makes_of_a_ticket_needs_what_its_form_needs(named):
    head = PARTNER[: PARTNER.index("ticket:")]
    named.partner(
        "acme", f"{head}ticket: {{$merge: [{{comment: {{body: x}}}}, {{ticket_form_id: 21, status: solved}}]}}\n"
    )
    assert named.problems() == [
        "partners/acme.yaml:5: ticket.ticket_form_id: Incident needs a value for Environment, Cause, on the sample"
    ]


def test_a_definition_carries_the_needs_of_the_forms_that_it_names_and_of_no_other(named, tmp_path):
    named.write("zendesk.yaml", CATALOGUE.replace("groups:", "- {id: 23, name: Return, fields: [11]}\ngroups:"))
    ticket(
        named, ["form: {$if: event.kind == 'opened', then: Question, else: Incident}", "custom_fields: {11: staging}"]
    )
    incident = {"title": "Incident", "needs": {"11": "Environment"}, "to_solve": {"13": "Cause"}}
    assert built(named, tmp_path)["forms_set"] == {"21": incident}
    ticket(named, ["form: Question"])
    assert "forms_set" not in built(named, tmp_path)
    ticket(named, ["ticket_form_id: {$eval: '22'}"])
    assert built(named, tmp_path)["forms_set"] == {
        "21": incident,
        "23": {"title": "Return", "needs": {"11": "Environment"}},
    }


def test_changes_may_name_a_form_without_what_it_needs(named, tmp_path):
    named.write("updates/raise.yaml", RULE + "  form: Incident\n")
    assert "forms_set" not in built(named, tmp_path, "updates.json")
    named.write("updates/raise.yaml", RULE[: RULE.index("changes:")] + "changes:\n  $merge: [{priority: high}, {}]\n")
    assert "forms_set" not in built(named, tmp_path, "updates.json")


def test_where_a_number_shows_only_when_rendered_all_fields_are_known(named, tmp_path):
    ticket(named, ["custom_fields: {$map: [12], each(x): {id: '${x}', value: '2026-11-20'}}"])
    assert built(named, tmp_path)["fields_set"].keys() == {"11", "12", "13", "14", "15"}


@pytest.mark.parametrize(
    "template",
    [
        "{$merge: [{comment: {body: x}}, {custom_fields: [%s]}]}",
        "{$flattenDeep: [{comment: {body: x}}]}",
        "{comment: {body: x}, '${event.kind}': [%s]}",
        "{$if: 'true', then: {$merge: [{comment: {body: x}}, {custom_fields: [%s]}]}, else: {comment: {body: x}}}",
    ],
)
def test_a_template_that_code_makes_has_all_fields_known(named, tmp_path, template):
    head = PARTNER[: PARTNER.index("ticket:")]
    named.partner("acme", f"{head}ticket: {template.replace('%s', '{id: 12, value: 2026-11-20T08:00}')}\n")
    assert named.run(str(tmp_path / "out")) == 0, named.capsys.readouterr().err
    definition = json.loads((tmp_path / "out" / PACKAGE / "partners.json").read_text())["acme"]
    assert definition["fields_set"].keys() == {"11", "12", "13", "14", "15"}


def test_what_code_makes_of_a_ticket_is_checked_when_it_is_rendered(named):
    head = PARTNER[: PARTNER.index("ticket:")]
    items = "[{id: 12, value: '2026-11-20T08:00'}, {id: 11, value: prod}, {id: 99, value: x}]"
    named.partner("acme", f"{head}ticket: {{$merge: [{{comment: {{body: x}}}}, {{custom_fields: {items}}}]}}\n")
    assert named.problems() == [
        f"partners/acme.yaml:5: ticket.custom_fields{problem}, on the sample"
        for problem in (
            "[0].value: Seen on takes a day, YYYY-MM-DD, without a time",
            "[1].value: Environment takes the tag of one of its options",
            "[2].value: the account has no such field",
        )
    ]


def test_a_template_within_let_is_checked_like_any_other(named):
    named.partner(
        "acme",
        PARTNER[: PARTNER.index("ticket:")]
        + "ticket:\n  $let: {title: {$eval: event.title}}\n  in:\n    comment: {body: '${title}'}\n    group_id: 777\n"
        "    form: Question\n    custom_fields:\n"
        "      - {id: 12, value: '2026-11-20T08:00'}\n      - {id: 99, value: x}\n",
    )
    assert named.problems() == [
        "partners/acme.yaml:9: ticket.in.group_id: zendesk.yaml has no 777 among its groups",
        "partners/acme.yaml:12: ticket.in.custom_fields[0].value: Seen on takes a day, YYYY-MM-DD, without a time",
        "partners/acme.yaml:13: ticket.in.custom_fields[1].id: zendesk.yaml has no 99 among its custom fields",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("groups: [{id: 1}]", "1: groups[0].name: Field required"),
        ("groups: [{id: 1, name: a}, {id: 1, name: b}]", "1: groups: an id is there twice"),
        ("groups: [", "1: not YAML: "),
        ("\nusers: []", "2: users: Extra inputs are not permitted"),
    ],
)
def test_a_broken_catalogue_is_reported(tree, text, problem):
    tree.write("zendesk.yaml", text)
    (printed,) = tree.problems()
    assert printed.startswith(f"zendesk.yaml:{problem}")


def test_a_catalogue_is_read_as_it_was_written(tmp_path):
    catalogue = Catalogue.model_validate(
        {"custom_fields": [{"id": 1, "name": "Año: 'x'", "type": "tagger", "options": ["on", "2020-01-01", "no"]}]}
    )
    (tmp_path / "zendesk.yaml").write_text(catalogue.text())
    assert read_catalogue(tmp_path)[0] == catalogue
