import io
import zipfile

import pytest
from botocore.exceptions import ClientError

from cli.doctor import parts
from cli.doctor.examination import examine
from cli.doctor.finding import NotGood, Status
from cli.doctor.setup import CREATE, POLL, TABLE, UPDATE, Setup
from cli.where import Where
from layers.config.compile import Config
from tests import builders, fixtures
from ticket_relay.rate_limits.gate import Gate
from ticket_relay.rate_limits.update_limits import UpdateLimits

LIFETIME = {"AttributeName": "expires_at", "Enabled": True}
ENVIRONMENT = {
    name.upper(): str(value) for name, value in builders.settings("https://example.zendesk.com").model_dump().items()
}


@pytest.fixture
def setup(aws):
    return Setup(Where(), resources={})


def flaw(check, setup):
    with pytest.raises(NotGood) as caught:
        check(setup)
    return caught.value


@pytest.fixture
def a_table(setup):
    """A table like the template's, but for what is said."""

    def make(*, lifetime=LIFETIME, **changes):
        dynamodb = fixtures.client("dynamodb")
        properties = fixtures.table_properties() | changes
        used = {
            key["AttributeName"]
            for keyed in [properties, *properties["GlobalSecondaryIndexes"]]
            for key in keyed["KeySchema"]
        }
        attributes = [each for each in properties["AttributeDefinitions"] if each["AttributeName"] in used]
        if not properties["GlobalSecondaryIndexes"]:
            del properties["GlobalSecondaryIndexes"]
        dynamodb.create_table(TableName=builders.TABLE, **properties | {"AttributeDefinitions": attributes})
        if lifetime:
            dynamodb.update_time_to_live(TableName=builders.TABLE, TimeToLiveSpecification=lifetime)
        setup.resources = {TABLE: builders.TABLE}

    return make


def test_the_templates_table_is_good(setup, a_table):
    a_table()
    assert parts.table(setup) == "relay has its key, its index due and its expiry."


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lifetime": None}, "items do not expire by expires_at"),
        ({"lifetime": LIFETIME | {"AttributeName": "other"}}, "items do not expire by expires_at"),
        ({"GlobalSecondaryIndexes": []}, "there is no index due"),
        ({"KeySchema": [{"AttributeName": "due_shard", "KeyType": "HASH"}]}, "its key is not pk, a text"),
        (
            {
                "GlobalSecondaryIndexes": [
                    {
                        "IndexName": "due",
                        "KeySchema": [{"AttributeName": "due_shard", "KeyType": "HASH"}],
                        "Projection": {"ProjectionType": "KEYS_ONLY"},
                    }
                ]
            },
            "the index due has other keys",
        ),
    ],
)
def test_a_table_of_another_shape_is_wrong(setup, a_table, changes, said):
    a_table(**changes)
    found = flaw(parts.table, setup)
    assert (found.status, said in found.finding) == (Status.WRONG, True)


def test_a_table_that_was_deleted_is_wrong(setup):
    setup.resources = {TABLE: "gone"}
    assert flaw(parts.table, setup).finding == "There is no table gone."


@pytest.fixture
def a_function(setup):
    """A deployed function with this environment."""

    def make(logical_id, environment):
        code = io.BytesIO()
        zipfile.ZipFile(code, "w").close()
        role = fixtures.client("iam").create_role(RoleName=logical_id, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        fixtures.client("lambda").create_function(
            FunctionName="f",
            Runtime="python3.13",
            Role=role,
            Handler="app.handler",
            Code={"ZipFile": code.getvalue()},
            Environment={"Variables": environment},
        )
        setup.resources = {logical_id: "f", TABLE: builders.TABLE}

    return make


def test_a_function_tells_the_later_checks_where_everything_is(setup, a_function):
    a_function(UPDATE, ENVIRONMENT)
    assert parts.function(UPDATE, setup)
    assert setup.settings_of(POLL, CREATE, UPDATE).zendesk_base_url == "https://example.zendesk.com"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ZENDESK_BASE_URL": "example.zendesk.com"}, "lacks or misstates ZENDESK_BASE_URL"),
        ({"TABLE_NAME": None, "DOUBTFUL_PAUSE_SECONDS": "soon"}, "DOUBTFUL_PAUSE_SECONDS, TABLE_NAME"),
        ({"TABLE_NAME": "another"}, "another table than the stack's"),
        ({"SIGNING_SECRETS_ARN": None}, "lacks SIGNING_SECRETS_ARN"),
    ],
)
def test_a_function_with_a_broken_environment_is_wrong(setup, a_function, change, said):
    a_function(CREATE, {name: value for name, value in (ENVIRONMENT | change).items() if value is not None})
    assert said in flaw(lambda setup: parts.function(CREATE, setup), setup).finding


def test_the_poller_needs_no_signing_secrets(setup, a_function):
    a_function(POLL, {name: value for name, value in ENVIRONMENT.items() if name != "SIGNING_SECRETS_ARN"})
    assert parts.function(POLL, setup)


def test_a_function_that_was_deleted_is_wrong(setup):
    setup.resources = {POLL: "gone"}
    assert flaw(lambda setup: parts.function(POLL, setup), setup).finding == "There is no function gone."


@pytest.fixture
def a_schedule(setup):
    def make(state):
        fixtures.client("scheduler").create_schedule(
            Name="s",
            ScheduleExpression="rate(1 minute)",
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={"Arn": "arn:aws:lambda:eu-central-1:123456789012:function:f", "RoleArn": "arn:aws:iam::1:role/r"},
            State=state,
        )
        setup.resources = {parts.SCHEDULE: "s"}

    return make


def test_a_schedule_that_is_on_is_good(setup, a_schedule):
    a_schedule("ENABLED")
    assert parts.schedule(setup) == "rate(1 minute), and it is on."


def test_a_schedule_that_is_off_is_wrong(setup, a_schedule):
    a_schedule("DISABLED")
    assert flaw(parts.schedule, setup).advice == "Deploy with PollState=ENABLED."


def test_a_schedule_that_is_not_there_is_wrong(setup):
    assert flaw(parts.schedule, setup).status is Status.WRONG
    setup.resources = {parts.SCHEDULE: "gone"}
    assert flaw(parts.schedule, setup).finding == "There is no schedule gone."


def test_on_the_local_stack_the_schedule_cannot_be_seen(setup):
    setup.where = Where(endpoint_url="http://127.0.0.1:5000")
    assert flaw(parts.schedule, setup).status is Status.UNCHECKED


def test_the_gate_is_open_where_nobody_has_closed_it(setup, table):
    setup.settings = {POLL: builders.settings()}
    assert parts.gate(setup) == "It is open."


def test_a_closed_gate_is_told_with_its_time_and_keeps_the_doctor_from_zendesk(setup, table):
    setup.settings = {POLL: builders.settings()}
    Gate(table, UpdateLimits(table)).close(4_000_000_000)
    assert flaw(parts.gate, setup).finding == "Closed until 2096-10-02T07:06:40.000Z: Zendesk asked callers to wait."
    assert not setup.gate_open


@pytest.mark.parametrize("check", [parts.table, parts.schedule, lambda setup: parts.function(POLL, setup)])
def test_without_the_stack_nothing_of_it_is_looked_at(setup, check):
    setup.resources = None
    assert flaw(check, setup).status is Status.UNCHECKED


def test_a_stack_that_is_not_there_is_wrong_and_the_rest_not_looked_at(aws):
    first, *rest = examine(Where(stack="other"), Config())
    assert (first.check, first.status) == ("stack", Status.WRONG)
    assert first.finding == "There is no stack other in eu-central-1 in this account."
    assert {finding.status for finding in rest if finding.check != "catalogue"} == {Status.UNCHECKED}


@pytest.mark.parametrize("state", ["ROLLBACK_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "UPDATE_IN_PROGRESS"])
def test_a_stack_whose_deployment_did_not_end_well_is_wrong(setup, monkeypatch, state):
    name = "mine"
    fixtures.client("cloudformation").create_stack(
        StackName=name, TemplateBody='{"Resources": {"Nothing": {"Type": "AWS::SQS::Queue"}}}'
    )
    monkeypatch.setattr(Where, "described", lambda _: {"StackName": name, "StackStatus": state})
    assert flaw(parts.stack, setup).finding == f"mine is in {state}."
    assert setup.resource("Nothing")


def test_what_aws_does_not_let_us_see_is_wrong_and_said_without_its_words(aws, monkeypatch):
    def denied(_):
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "quotes the request"}}, "DescribeStacks")

    monkeypatch.setattr(Where, "described", denied)
    first = next(examine(Where(), Config()))
    assert first.status is Status.WRONG
    assert first.finding == "These credentials are not allowed to do that. (DescribeStacks: AccessDenied)"
