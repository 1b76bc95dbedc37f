import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner

from cli.main import main
from cli.where import Place, Where
from tests import fixtures
from tests.builders import TABLE, ticket_row

OUTPUTS = {"TableName": {"Value": TABLE}}
NOTHING = {"Nothing": {"Type": "AWS::SQS::Queue"}}


def relay(*words):
    return CliRunner(mix_stderr=False).invoke(main, words)


@pytest.fixture
def stack(dynamo) -> Callable[..., None]:
    def create(name: str, outputs: dict[str, Any]) -> None:
        template = json.dumps({"Resources": NOTHING, "Outputs": outputs})
        fixtures.client("cloudformation").create_stack(StackName=name, TemplateBody=template)

    return create


@pytest.fixture
def breaking(dynamo, monkeypatch) -> Callable[[str], None]:
    """Let every call of DynamoDB fail with this code."""

    def set_up(code: str) -> None:
        def fail(**_: Any) -> None:
            raise ClientError({"Error": {"Code": code, "Message": "quotes the request"}}, "Scan")

        place = Where(table=TABLE).place()
        place.client.meta.events.register("before-call.dynamodb", fail)
        monkeypatch.setattr(Where, "place", lambda _: Place(TABLE, place.client, place.s3))

    return set_up


def test_the_stacks_output_names_the_table(stack, store):
    stack("mine", OUTPUTS)
    store.claim(ticket_row())
    assert relay("status", "acme", "evt_1", "--stack", "mine").exit_code == 0


def test_the_stack_has_a_usual_name(stack):
    stack("ticket-relay", OUTPUTS)
    assert f"table\t{TABLE}" in relay("stats").stdout


def test_a_variable_names_the_stack(stack, monkeypatch):
    stack("mine", OUTPUTS)
    monkeypatch.setenv("RELAY_STACK", "mine")
    assert f"table\t{TABLE}" in relay("stats").stdout


def test_a_stack_that_is_not_there_is_an_error(aws):
    result = relay("stats", "--stack", "mine", "--region", "eu-west-1")
    assert result.exit_code == 1
    assert result.stderr == "Error: There is no stack mine in eu-west-1 in this account.\n"


def test_a_stack_that_is_no_relay_is_an_error(stack):
    stack("mine", {})
    result = relay("stats", "--stack", "mine")
    assert result.exit_code == 1
    assert "has no output TableName" in result.stderr


@pytest.mark.parametrize("words", [["list"], ["stats"], ["status", "acme", "e"], ["redrive", "acme", "e"]])
def test_a_table_that_is_not_there_is_an_error(aws, words):
    result = relay(*words, "--table", "other")
    assert result.exit_code == 1
    assert "ResourceNotFoundException" in result.stderr


@pytest.mark.parametrize("other", [["--table", "t"], ["--endpoint-url", "http://127.0.0.1:1"]])
def test_two_places_at_once_are_wrong_usage(other):
    result = relay("stats", "--stack", "mine", *other)
    assert result.exit_code == 2
    assert "Which one is meant?" in result.stderr


@pytest.mark.parametrize("url", ["127.0.0.1:5000", "ftp://x", "http://", "http://[", "x"])
def test_an_endpoint_that_is_no_address_is_wrong_usage(url):
    assert relay("stats", "--endpoint-url", url).exit_code == 2


def test_another_dynamodb_is_asked_where_it_is_and_all_else_at_the_endpoint():
    where = Where(endpoint_url="http://127.0.0.1:5000", dynamodb_url="http://127.0.0.1:6000")
    assert where.client("dynamodb").meta.endpoint_url == "http://127.0.0.1:6000"
    assert where.client("lambda").meta.endpoint_url == "http://127.0.0.1:5000"
    assert relay("doctor", "--endpoint-url", "http://127.0.0.1:5000", "--dynamodb-url", "x").exit_code == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_what_is_on_this_machine_never_sees_real_credentials(monkeypatch, host):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    client = Where(endpoint_url=f"http://{host}:5000", table="t").place().client
    assert client.meta.region_name == "us-east-1"
    assert client._request_signer._credentials.access_key == "testing"


def test_an_endpoint_elsewhere_is_asked_with_ones_own_credentials(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "real")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    client = Where(endpoint_url="http://dynamodb.example:5000", table="t", region="eu-west-1").place().client
    assert client.meta.region_name == "eu-west-1"
    assert client._request_signer._credentials.access_key == "real"


def test_without_credentials_it_says_so(aws, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    result = relay("stats", "--table", TABLE)
    assert result.exit_code == 1
    assert "There are no AWS credentials" in result.stderr


def test_without_a_region_it_says_so(aws, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    result = relay("stats")
    assert result.exit_code == 1
    assert "There is no AWS region" in result.stderr


def test_a_profile_that_is_not_there_is_an_error(aws):
    result = relay("stats", "--profile", "nobody")
    assert result.exit_code == 1
    assert "nobody" in result.stderr


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ProvisionedThroughputExceededException", "AWS throttles these requests."),
        ("ThrottlingException", "AWS throttles these requests."),
        ("AccessDeniedException", "These credentials are not allowed to do that."),
        ("UnrecognizedClientException", "AWS does not accept these credentials"),
        ("InternalServerError", "AWS refused it. (Scan: InternalServerError)"),
    ],
)
def test_what_aws_refuses_is_told_in_a_sentence_that_quotes_nothing(breaking, code, sentence):
    breaking(code)
    result = relay("list")
    assert (result.exit_code, result.stdout) == (1, "")
    assert sentence in result.stderr
    assert "quotes the request" not in result.stderr
