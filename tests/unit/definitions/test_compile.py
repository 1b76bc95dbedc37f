import json

import pytest

from layers.config.compile import FOLDER, main
from layers.config.mistakes import of_template
from layers.config.source import Source
from tests.unit.definitions.tree import PARTNER, RULE
from ticket_relay.definitions.loader import PACKAGE
from ticket_relay.zendesk.ticket_models import TicketChanges, TicketCreate


def test_the_shipped_definitions_are_right(capsys):
    assert main(["--check"]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_folder_without_partners_is_not_taken_for_no_partners(tmp_path):
    with pytest.raises(SystemExit) as exited:
        main(["--check", "--config", str(tmp_path)])
    assert exited.value.code == 2


def test_a_definition_that_holds_itself_is_reported(tree):
    tree.partner("acme", PARTNER.replace("priority: high", "metadata: &itself {a: *itself}"))
    assert tree.problems() == ["partners/acme.yaml:1: nested too deeply, or an alias of itself"]


@pytest.mark.parametrize("half", [r"\ud83d", r"\ud83d\ude00"])
def test_half_a_surrogate_pair_in_a_text_or_a_key_is_reported(tree, half):
    """The functions could not load it, and so no definition at all."""
    tree.partner("acme", PARTNER.replace("${event.title}", f'"Fire {half}"') + f'  metadata: {{"{half}": 1}}\n')
    assert tree.problems() == [
        "partners/acme.yaml:6: holds half a surrogate pair: write the character itself",
        "partners/acme.yaml:10: holds half a surrogate pair: write the character itself",
    ]


def test_right_definitions_pass_in_silence(tree):
    assert tree.run("--check") == 0
    assert tree.capsys.readouterr() == ("", "")


def test_the_package_is_written_and_holds_the_definitions(tree, tmp_path):
    assert tree.run(str(tmp_path / "out" / "python")) == 0
    package = tmp_path / "out" / "python" / PACKAGE
    assert sorted(path.name for path in package.iterdir()) == ["__init__.py", "partners.json", "updates.json"]
    assert (package / "__init__.py").read_bytes() == b""
    assert json.loads((package / "partners.json").read_text())["acme"]["ticket"]["priority"] == "high"
    assert json.loads((package / "updates.json").read_text())["raise"]["changes"]["tags"] == {"add": ["${event.tag}"]}


def test_the_same_definitions_give_the_same_bytes(tree, tmp_path):
    for name in ("one", "two"):
        tree.run(str(tmp_path / name))
    for file in ("partners.json", "updates.json"):
        assert (tmp_path / "one" / PACKAGE / file).read_bytes() == (tmp_path / "two" / PACKAGE / file).read_bytes()


def test_a_build_needs_no_samples(tree, tmp_path):
    for sample in (tmp_path / "events").iterdir():
        sample.unlink()
    assert tree.run(str(tmp_path / "out")) == 0


def test_nothing_is_written_if_anything_is_wrong(tree, tmp_path):
    tree.partner("acme", PARTNER.replace("priority", "priorty"))
    assert tree.problems(str(tmp_path / "out")) == ["partners/acme.yaml:9: ticket.priorty: unknown field"]
    assert not (tmp_path / "out").exists()


def test_it_has_to_be_told_what_to_do(tree):
    with pytest.raises(SystemExit) as exited:
        tree.run()
    assert exited.value.code == 2


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("priority: high", "priorty: high", "9: ticket.priorty: unknown field"),
        ("priority: high", "external_id: x", "9: ticket.external_id: is set by the relay alone"),
        ("scheme: standard-webhooks", "scheme: plain", "2: scheme: must be one of basic, bearer, "),
        ("sample: events/acme.json\n", "", "1: sample: is missing"),
        ("when:", "wen:", "4: wen: unknown field"),
        ("partner: acme", "partner: other", "1: partner: must stand in a file named other.yaml"),
        ("partner: acme", "partner: Acme", "1: partner: String should match pattern '^[a-z][a-z0-9-]{0,62}$'"),
        ("priority: high", "subject: again", "9: subject: is there twice"),
        ("priority: high", "due_at: !!timestamp 2026-12-01", "9: ticket.due_at: input was not a valid JSON value"),
        ("priority: high", "priority: [high", "10: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("priority: high", "priority: !!python/object:os.system x", "9: not YAML: could not determine a constructor"),
        ("priority: high", "\tpriority: high", "9: not YAML: found character '\\t' that cannot start any token"),
        ("priority: high", "priority: \x07", "1: not YAML: holds a character that YAML does not allow"),
        (PARTNER, "", "1: is not a map of properties"),
        (PARTNER, "- acme\n", "1: is not a map of properties"),
        ("events/acme.json", "events/none.json", "3: sample: there is no file events/none.json"),
        ("events/acme.json", "events/ticket.json", '4: when: object has no property "kind", on the sample'),
        ("'opened'", "'closed'", "4: when: does not hold for the sample"),
        ("event.kind ==", "event.kind = ", "4: when: is not an expression of JSON-e"),
        ("${event.text}", "${event.txt}", '8: ticket.comment.body: object has no property "txt", on the sample'),
        (
            "priority: high",
            "priority: top",
            "9: ticket.priority: Input should be 'urgent', 'high', 'normal' or 'low'",
        ),
        ("body:", "bdy:", "8: ticket.comment.bdy: unknown field"),
        (
            "priority: high",
            "custom_fields:\n    - id: 1",
            "10: ticket.custom_fields[0].value: Field required",
        ),
    ],
)
def test_each_defect_of_a_partner_is_reported_with_file_line_and_reason(tree, old, new, problem):
    assert old in PARTNER
    tree.partner("acme", PARTNER.replace(old, new))
    (printed,) = tree.problems()
    assert printed.startswith(f"partners/acme.yaml:{problem}")


HMAC = """\
scheme: hmac
hmac:
  header: X-Sig
  id: {body: /title}
  timestamp:
    body: /sent/at
"""


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (HMAC, "scheme: hmac", "1: hmac: is missing"),
        ("scheme: hmac", "scheme: bearer", "3: hmac: is for scheme hmac"),
        ("header:", "heeder:", "3: hmac.header: is missing"),
        ("header: X-Sig", "header: X-Sig\n  encodin: hex", "5: hmac.encodin: unknown field"),
        ("header: X-Sig", "header: X-Sig\n  encoding: b64", "5: hmac.encoding: Input should be 'hex' or 'base64'"),
        ("header: X-Sig", "header: X-Sig\n  signed: '{time}{body}'", "5: hmac.signed: there is no {time}"),
        ("body: /sent/at", "header: X-Time", "6: hmac.timestamp: is not signed, so it proves nothing: "),
        ("{body: /title}", "/title", "5: hmac.id: is not a map of properties"),
        ("{body: /title}", "{body: title}", "5: hmac.id.body: String should match pattern"),
        ("{body: /title}", "{body: /titel}", "5: hmac.id.body: events/acme.json has no id at /titel"),
        ("/sent/at", "/sent/on", "7: hmac.timestamp.body: events/acme.json has no timestamp at /sent/on"),
        (HMAC, "scheme: pagerduty", "3: sample: events/acme.json has no id at /event/id"),
    ],
)
def test_each_defect_of_a_schemes_settings_is_reported_with_file_line_and_reason(tree, old, new, problem):
    sample = {"kind": "opened", "title": "Fire", "text": "It burns", "sent": {"at": 1}}
    tree.write("events/acme.json", json.dumps(sample))
    settings = PARTNER.replace("scheme: standard-webhooks\n", HMAC)
    tree.partner("acme", settings)
    assert tree.run("--check") == 0
    tree.partner("acme", settings.replace(old, new + ("\n" if old == HMAC else "")))
    assert any(line.startswith(f"partners/acme.yaml:{problem}") for line in tree.problems())


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("priority: high", "description: x", "7: changes.description: unknown field"),
        ("  ticket: events/ticket.json\n", "", "2: sample.ticket: is missing"),
        ("events/ticket.json", "events/none.json", "4: sample.ticket: there is no file events/none.json"),
        (
            "events/ticket.json",
            "events/update.json",
            "4: sample.ticket: events/update.json: has no object named ticket",
        ),
        ("'open'", "'closed'", "5: when: does not hold for the sample"),
        ("event.tag", "event.tog", '9: changes.tags.add[0]: object has no property "tog", on the sample'),
        ("add:", "append:", "9: changes.tags.append: unknown field"),
        ("when:", "on_conflict: overwrite\nwhen:", "5: on_conflict: Input should be 'reapply', 'merge' or 'skip'"),
        ("when:", "on_closed: reopen\nwhen:", "5: on_closed: Input should be 'fail' or 'follow_up'"),
        (
            "priority: high",
            f"metadata: {{note: {'x' * 1000}}}",
            "7: changes.metadata: leaves the relay's marker no room in the 1 kilobyte that Zendesk keeps with an audit",
        ),
        (
            "priority: high",
            "email_ccs: [{user_id: 1}]",
            "7: changes.email_ccs: a ticket keeps no more than 48, on the sample",
        ),
    ],
)
def test_each_defect_of_a_rule_is_reported_with_file_line_and_reason(tree, old, new, problem):
    assert old in RULE
    tree.write("updates/raise.yaml", RULE.replace(old, new))
    assert tree.problems() == [f"updates/raise.yaml:{problem}"]


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ("${event.title", "ticket.type"),
        ("fine ${event.title} and ${event.}", "ticket.type"),
        ("{$if: 'true', then: task, else: '${1 2}'}", "ticket.type.else"),
        ("{$if: 'true', then: task, else: {$eval: 'a b'}}", "ticket.type.else.$eval"),
        ("{$if: 'true', then: task, else: {$if: '', then: task}}", "ticket.type.else.$if"),
        ("{$if: 'true', then: task, else: {$switch: {'a ==': x}}}", "ticket.type.else.$switch.a =="),
        ("{$if: 'true', then: task, else: {$find: [1], each(x): 'x ='}}", "ticket.type.else.each(x)"),
        ("{$if: 'true', then: task, else: {$sort: [1], by(x): '#'}}", "ticket.type.else.by(x)"),
        ("{$if: 'true', then: task, else: ['$${', '${#}']}", "ticket.type.else[1]"),
    ],
)
def test_an_expression_that_cannot_be_read_is_found_even_where_the_sample_does_not_go(tree, tmp_path, value, place):
    tree.partner("acme", PARTNER.replace("priority: high", f"type: {value}"))
    assert tree.problems(str(tmp_path)) == [f"partners/acme.yaml:9: {place}: is not an expression of JSON-e"]


CODE = "${event.text}"


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"due_at": CODE}, ["due_at"]),
        ({"due_at": {"$fromNow": "1 day"}, "type": "question"}, ["due_at"]),
        ({"due_at": CODE, "type": CODE}, []),
        ({"due_at": {"$if": CODE, "then": CODE}, "type": "task"}, []),
        ({"email_ccs": [{"user_email": CODE}], "comment": {"body": CODE, "public": False}}, ["email_ccs"]),
        ({"email_ccs": [{"user_email": CODE}], "comment": {"body": CODE, "public": CODE}}, []),
        ({"email_ccs": {"$map": CODE, "each(x)": {}}, "comment": {"body": CODE, "public": False}}, []),
        ({"followers": [{"user_email": CODE, "user_name": CODE}]}, ["followers[0].user_name"]),
        ({"followers": [{"user_id": CODE, "action": "delete"}, CODE]}, ["followers"]),
        ({"followers": [CODE, {"user_id": CODE, "action": "delete"}]}, []),
        ({"requester": {"name": "Milton"}}, ["requester", "requester.email"]),
        ({"requester": {"email": CODE, "nme": CODE}}, []),
        ({"requester": CODE, "metadata": {"a": CODE}, "tags": ["vip", " ", CODE]}, ["tags[1]"]),
        ({"priority": "top", "status": CODE, "type": "bug"}, ["priority", "type"]),
        ({"custom_fields": [{"id": 1, "value": CODE}, {"id": "one", "value": 1}]}, ["custom_fields[1].id"]),
        ({"comment": CODE}, []),
    ],
)
def test_what_is_wrong_whatever_the_event_is_found_without_a_sample(properties, named):
    """Both as it is, and where no sample goes."""
    template = {"comment": {"body": CODE}} | properties
    assert [at for at, _ in of_template(TicketCreate, template, ())] == [steps(name) for name in named]
    for branch, template_of in (
        ("then", {"$if": "false", "then": template}),
        ("else", {"$if": "true", "then": {"comment": {"body": CODE}}, "else": template}),
    ):
        found = [at for at, _ in of_template(TicketCreate, template_of, ("ticket",))]
        assert found == [("ticket", branch, *steps(name)) for name in named]
    switch = {"$switch": {"true": template}}
    assert [at[:2] for at, _ in of_template(TicketCreate, switch, ())] == [("$switch", "true")] * len(named)


def steps(name):
    return tuple(int(step) if step.isdigit() else step for step in name.replace("]", "").replace("[", ".").split("."))


@pytest.mark.parametrize("template", [{"$merge": [{"priority": "top"}]}, {"prio${event.x}": 1, "subject": CODE}])
def test_a_template_whose_keys_are_code_shows_only_when_rendered(template):
    assert list(of_template(TicketCreate, template, ())) == []


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"note": "x" * 1000}, "leaves the relay's marker no room in the 1 kilobyte that Zendesk keeps with an audit"),
        ({"ticket_relay": "mine"}, "holds ticket_relay, which is set by the relay alone"),
        ("text", "Input should be a valid dictionary"),
    ],
)
def test_metadata_without_code_that_cannot_be_sent_is_found(metadata, reason):
    assert list(of_template(TicketChanges, {"metadata": metadata}, ("changes",))) == [(("changes", "metadata"), reason)]


def test_a_mistake_is_reported_with_file_and_line_by_a_build_as_well(tree, tmp_path):
    tree.partner("acme", PARTNER + "  due_at: ${event.due}\n")
    problem = "partners/acme.yaml:10: ticket.due_at: needs type: task, or Zendesk drops it"
    assert tree.problems(str(tmp_path / "out")) == [problem]


def test_what_only_looks_like_an_expression_is_left_alone(tree):
    tree.partner("acme", PARTNER.replace("priority: high", "raw_subject: '$${x, $ {y'"))
    assert tree.run("--check") == 0


def test_a_sample_that_is_not_json_is_reported(tree):
    tree.write("events/acme.json", "{")
    assert tree.problems() == ["partners/acme.yaml:3: sample: events/acme.json: The body is not JSON."]


def test_all_problems_of_all_files_are_reported_at_once(tree):
    tree.partner("acme", PARTNER.replace("priority", "priorty").replace("subject", "subjekt"))
    tree.partner("broken", "a: [")
    tree.write("updates/raise.yaml", RULE.replace("rule: raise", "rule: Raise"))
    assert [line.split(": ")[0] for line in tree.problems()] == [
        "partners/acme.yaml:6",
        "partners/acme.yaml:9",
        "partners/broken.yaml:1",
        "updates/raise.yaml:1",
    ]


def test_one_name_cannot_be_defined_in_two_files(tree):
    tree.partner("second", PARTNER)
    assert tree.problems() == ["partners/second.yaml:1: partner: must stand in a file named acme.yaml"]


@pytest.mark.parametrize("name", ["acme.yml", "notes.txt"])
def test_a_file_of_another_kind_is_not_silently_left_out(tree, name):
    tree.write(f"partners/{name}", PARTNER)
    assert tree.problems() == [f"partners/{name}:1: partner: must stand in a file named acme.yaml"]


def test_a_file_of_the_repository_is_named_from_its_root():
    source = Source(FOLDER / "partners" / "acme.yaml")
    source.wrong(("partner",), "is odd")
    assert str(source.problems[0]) == "layers/config/partners/acme.yaml:3: partner: is odd"


FILES = """\
    attachments:
      - {url: "${event.link}", filename: a.png}
attachments:
  hosts: [files.acme.example]
  types: [image/png]
"""


def with_files(tree, link, files=FILES):
    tree.partner("acme", PARTNER.replace("  priority: high\n", files))
    tree.write("events/acme.json", json.dumps({"kind": "opened", "title": "Fire", "text": "x", "link": link}))


def test_files_that_the_definition_allows_pass(tree):
    with_files(tree, "https://files.acme.example/a.png")
    assert tree.run("--check") == 0


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("https://evil.example/a.png", "its server is not one that the partner's definition allows"),
        ("http://files.acme.example/a.png", "its address is not one of https, or has parts that are not allowed"),
    ],
)
def test_a_file_of_the_sample_that_would_not_be_fetched_is_reported_at_its_line(tree, link, reason):
    with_files(tree, link)
    assert tree.problems() == [f"partners/acme.yaml:10: ticket.comment.attachments[0]: {reason}, on the sample"]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        (
            FILES.partition("attachments:\n  hosts")[0],
            "1: attachments: is missing: it says which files",
        ),
        (FILES.replace("image/png", "image/svg+xml"), "13: attachments.types[0]: must be one of application/"),
        (FILES.replace("  types: [image/png]\n", ""), "11: attachments.types: is missing"),
        (FILES.replace("[files.acme.example]", "[10.0.0.1]"), "12: attachments.hosts[0]: "),
        (FILES.replace("[files.acme.example]", '["*"]'), "12: attachments.hosts[0]: "),
        (FILES.replace("[files.acme.example]", '["files.acme.example:8443"]'), "12: attachments.hosts[0]: "),
        (FILES.replace("[files.acme.example]", '["bücher.example"]'), "12: attachments.hosts[0]: "),
        (FILES + "  max_mb: 51\n", "14: attachments.max_mb: "),
        (FILES + "  most: 21\n", "14: attachments.most: "),
        (FILES + "  schemes: [http]\n", "14: attachments.schemes: unknown field"),
        (FILES.replace("filename: a.png", "file: a.png"), "10: ticket.comment.attachments[0]"),
    ],
)
def test_what_is_wrong_with_files_is_reported_at_its_line(tree, wrong, problem):
    with_files(tree, "https://files.acme.example/a.png", wrong)
    assert any(line.startswith(f"partners/acme.yaml:{problem}") for line in tree.problems())


def test_an_update_rule_brings_no_files(tree):
    comment = "  comment: {body: x, attachments: [{url: 'https://files.acme.example/a', filename: a.png}]}\n"
    tree.write("updates/raise.yaml", RULE.replace("  priority: high\n", comment))
    assert tree.problems() == ["updates/raise.yaml:7: changes.comment.attachments: unknown field"]
