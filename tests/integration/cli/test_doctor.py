"""The doctor on a whole stack, found as the local one is: moto over HTTP, made from template.yaml, and a simulated
Zendesk.
"""

import asyncio
import json

import pytest
from click.testing import CliRunner
from moto.server import ThreadedMotoServer
from samtranslator.yaml_helper import yaml_parse

from cli.doctor import parts
from cli.doctor.setup import CREATE, POLL, TABLE, UPDATE, Setup
from cli.main import main
from cli.where import Where
from layers.config.catalogue import read_catalogue
from local.aws import cloud, template
from local.zendesk_simulator import Account, Fault, Trigger, simulator
from local.zendesk_simulator.names import ticket_field
from tests import builders, fixtures
from ticket_relay.rate_limits.gate import Gate
from ticket_relay.rate_limits.update_limits import UpdateLimits
from ticket_relay.storage.dynamodb import Table

CLIENT = {"client_id": "ticket-relay", "client_secret": "simulated-secret"}
SECRETS = {
    "ZendeskSecret": CLIENT,
    "PartnerSecrets": {name: [builders.SECRETS[name]] for name in ("acme", "globex", "hooli")},
    "WebhookSecret": {"zendesk": ["canary-7f3a"]},
}
LIFETIME = {"AttributeName": "expires_at", "Enabled": True}
UNSEEN = "schedule"
"""What moto's CloudFormation does not make."""


@pytest.fixture(scope="module")
def zendesk():
    with simulator(Account(CLIENT["client_secret"])) as server:
        yield server


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The template as a build leaves it, without what is built: moto runs no function."""
    source = yaml_parse((builders.ROOT / "template.yaml").read_text())
    for name, resource in source["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = name
    folder = tmp_path_factory.mktemp("built")
    (folder / "template.yaml").write_text(json.dumps(source))
    return folder


@pytest.fixture(scope="module")
def made(folder, zendesk):
    """The stack of the template, at an address of its own."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield asyncio.run(
            cloud.made(
                folder,
                url,
                None,
                parameters={"ZendeskBaseUrl": zendesk.url, "ZendeskWebhookIds": "w1"},
                secrets={name: json.dumps(value) for name, value in SECRETS.items()},
            )
        )
    server.stop()


@pytest.fixture(autouse=True)
def _as_new(zendesk, put):
    zendesk.account.reset()
    zendesk.account.triggers.rules.append(Trigger("http://relay.test/", "key", "{}", webhook_id="w1"))
    yield
    for name, value in SECRETS.items():
        put(name, value)


@pytest.fixture
def put(made):
    """Put another value into a secret."""
    manager = Where(endpoint_url=made.aws_url).client("secretsmanager")
    return lambda name, value: manager.put_secret_value(SecretId=f"ticket-relay/{name}", SecretString=json.dumps(value))


@pytest.fixture
def dynamodb(made):
    return Where(endpoint_url=made.aws_url).client("dynamodb")


@pytest.fixture
def table(made, dynamodb):
    return Table(made.table, dynamodb)


@pytest.fixture
def examined(made):
    """The exit status and, by check, what is not good. Nothing of a secret is ever in the answer."""

    def run():
        result = CliRunner(mix_stderr=False).invoke(main, ["doctor", "--endpoint-url", made.aws_url, "--json"])
        answer = json.loads(result.stdout)
        assert answer["healthy"] == (result.exit_code == 0)
        for secret in ("simulated-secret", "canary-7f3a", *builders.SECRETS.values()):
            assert secret not in result.output
        return result.exit_code, {
            each["check"]: each["finding"]
            for each in answer["checks"]
            if each["status"] != "good" and each["check"] != UNSEEN
        }

    return run


def test_a_whole_stack_is_healthy(examined):
    assert examined() == (0, {})


def test_each_step_is_one_line(made):
    result = CliRunner(mix_stderr=False).invoke(main, ["doctor", "--endpoint-url", made.aws_url])
    marks = [line[0] for line in result.stdout.splitlines()]
    assert (result.exit_code, marks.count("✓"), marks.count("\N{EN DASH}"), len(marks)) == (0, 19, 1, 20)


def test_the_templates_names_are_those_that_the_doctor_looks_for(folder):
    plain = template.translated(folder, {"ZendeskBaseUrl": "https://example.zendesk.com"})
    assert {CREATE, POLL, UPDATE, TABLE, parts.SCHEDULE} <= plain["Resources"].keys()


def test_a_wrong_secret_is_found_though_the_functions_still_share_a_good_token(examined, put, table):
    table.put({"pk": "token", "access_token": "good", "valid_until": 4e9}, only_if="attribute_not_exists(pk)")
    put("ZendeskSecret", CLIENT | {"client_secret": "wrong"})
    status, found = examined()
    assert (status, found["credentials"]) == (1, "Zendesk does not accept the relay's credentials.")
    assert table.get("token")["access_token"] == "good"


def test_the_doctors_token_is_not_left_in_the_table(examined, table):
    before = table.get("token")
    examined()
    assert table.get("token") == before


def test_a_zendesk_that_is_down_is_found_and_asked_once(examined, zendesk):
    zendesk.account.faults.add(Fault(kind="drop", times=None))
    status, found = examined()
    assert (status, found["zendesk"]) == (1, f"{zendesk.url}: The connection to Zendesk broke.")
    assert found["clock"] == "Not checked: Zendesk must be reached first."
    assert len(zendesk.account.journal.entries) == 1


@pytest.mark.parametrize(
    ("allowed", "wrong"),
    [
        ("tickets:write", {"user", "reading tickets", "reading jobs", "export", "webhooks"}),
        ("read", {"writing tickets"}),
        ("", {"user", "reading tickets", "reading jobs", "writing tickets", "export", "webhooks"}),
    ],
)
def test_a_missing_scope_is_found(examined, zendesk, allowed, wrong):
    zendesk.account.settings.allowed_scopes = allowed
    status, found = examined()
    assert (status, set(found)) == (1, wrong)


def test_an_empty_signing_secret_is_found(examined, put):
    put("WebhookSecret", {})
    put("PartnerSecrets", {name: [builders.SECRETS[name]] for name in ("acme", "hooli")})
    assert examined() == (1, {"secret webhook": "It is empty.", "secret partners": "globex: has no key."})


def test_an_api_token_is_a_warning(examined, put, zendesk):
    put("ZendeskSecret", {"email": zendesk.account.relay.email, "api_token": "simulated-secret"})
    status, found = examined()
    assert (status, set(found)) == (0, {"credentials", "writing tickets"})
    assert "2027-04-30" in found["credentials"]


def test_a_closed_gate_is_found_and_zendesk_left_alone(examined, zendesk, made, dynamodb, table):
    Gate(table, UpdateLimits(table)).close(4e9)
    try:
        status, found = examined()
    finally:
        dynamodb.delete_item(TableName=made.table, Key={"pk": {"S": "gate"}})
    assert (status, found["zendesk"]) == (1, "Not checked: the gate is closed.")
    assert not zendesk.account.journal.entries


def test_a_table_that_is_gone_is_found(examined, made, dynamodb):
    dynamodb.delete_table(TableName=made.table)
    try:
        status, found = examined()
    finally:
        dynamodb.create_table(TableName=made.table, **fixtures.table_properties())
        dynamodb.update_time_to_live(TableName=made.table, TimeToLiveSpecification=LIFETIME)
    assert (status, found["table"]) == (1, f"There is no table {made.table}.")


def test_amazons_own_engine_shows_the_table_as_good(dynamodb_local):
    where = Where(endpoint_url="http://127.0.0.1:1", dynamodb_url=dynamodb_local)
    dynamodb = where.client("dynamodb")
    dynamodb.create_table(TableName="doctor", **fixtures.table_properties())
    dynamodb.update_time_to_live(TableName="doctor", TimeToLiveSpecification=LIFETIME)
    try:
        assert parts.table(Setup(where, resources={TABLE: "doctor"}))
    finally:
        dynamodb.delete_table(TableName="doctor")


def test_an_address_that_is_not_that_of_a_stack_is_found(zendesk):
    result = CliRunner(mix_stderr=False).invoke(main, ["doctor", "--endpoint-url", zendesk.url, "--json"])
    first = json.loads(result.stdout)["checks"][0]
    assert (result.exit_code, first["check"], first["status"]) == (1, "stack", "wrong")
    assert first["finding"] == "The server at that address does not answer as AWS does."


@pytest.fixture
def fields(made, tmp_path):
    """`relay fields` for a folder of one's own; the file that it writes."""
    (tmp_path / "partners").mkdir()

    def run():
        arguments = ["fields", "--endpoint-url", made.aws_url, "--config", str(tmp_path)]
        result = CliRunner(mix_stderr=False).invoke(main, arguments)
        assert "simulated-secret" not in result.output
        return result

    return run


def test_fields_writes_what_is_active_and_may_be_named(fields, tmp_path):
    result = fields()
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path}/zendesk.yaml\n")
    catalogue, _ = read_catalogue(tmp_path)
    assert [field.name for field in catalogue.custom_fields] == [
        "Environment",
        "Seen on",
        "Order",
        "Amount",
        "Refund stage",
    ]
    assert catalogue.custom_fields[-1].options == ("refund_stage_approved", "refund_stage_finance")
    assert [(form.name, form.fields) for form in catalogue.forms] == [("Default", (360008591391,))]
    assert catalogue.id_of("groups", "Tier 2") == 360000042
    assert catalogue.id_of("brands", "Example") == 360000051
    assert catalogue.id_of("custom_statuses", "Waiting on vendor") == 360000062


@pytest.mark.parametrize("conditions", ["agent_conditions", "end_user_conditions"])
def test_a_field_that_a_form_shows_only_under_a_condition_is_not_one_of_its_fields(
    fields, tmp_path, zendesk, conditions
):
    """Conditions as the Ticket Forms reference has them."""
    [form, _] = zendesk.account.names.ticket_forms
    form["ticket_field_ids"] += [360008591392, 360008591393]
    form[conditions] = [
        {"parent_field_id": 360008591391, "value": "x", "child_fields": [{"id": 360008591392, "is_required": True}]}
    ]
    fields()
    assert [form.fields for form in read_catalogue(tmp_path)[0].forms] == [(360008591391, 360008591393)]


def test_fields_are_read_page_by_page(fields, tmp_path, zendesk):
    zendesk.account.names.ticket_fields = [ticket_field(number, f"Field {number}", "text") for number in range(1, 251)]
    fields()
    assert len(read_catalogue(tmp_path)[0].custom_fields) == 250


def test_fields_of_an_account_that_refuses_are_not_written(fields, tmp_path, put):
    put("ZendeskSecret", CLIENT | {"client_secret": "wrong"})
    result = fields()
    assert (result.exit_code, (tmp_path / "zendesk.yaml").exists()) == (1, False)
    assert result.stderr.startswith("Error: Zendesk does not accept the relay's credentials.")


def test_an_account_without_forms_has_none(fields, tmp_path, zendesk):
    zendesk.account.faults.add(Fault("status", path="/api/v2/ticket_forms", status=404, body='{"error": "x"}'))
    assert fields().exit_code == 0
    assert read_catalogue(tmp_path)[0].forms == ()


def test_a_catalogue_that_is_out_of_date_is_a_warning(fields, made, tmp_path, zendesk):
    def told():
        arguments = ["doctor", "--endpoint-url", made.aws_url, "--config", str(tmp_path), "--json"]
        answer = json.loads(CliRunner(mix_stderr=False).invoke(main, arguments).stdout)
        return next((it["status"], it["finding"]) for it in answer["checks"] if it["check"] == "catalogue")

    assert told() == ("good", "There is no zendesk.yaml: definitions use numbers.")
    fields()
    assert told() == ("good", "zendesk.yaml is what the account has.")
    zendesk.account.names.groups[0]["name"] = "First line"
    del zendesk.account.names.ticket_fields[1:3]
    assert told() == (
        "warning",
        "zendesk.yaml is out of date: custom fields: 2 gone; forms: 1 changed; groups: 1 changed.",
    )
    (tmp_path / "zendesk.yaml").write_text("groups: [")
    assert told()[0] == "unchecked"
