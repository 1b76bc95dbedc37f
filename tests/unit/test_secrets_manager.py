import json

import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider
from botocore.exceptions import ClientError, ConnectTimeoutError

from tests.fixtures import client
from ticket_relay.errors import SecretsUnavailable
from ticket_relay.secrets_manager import Secrets


@pytest.fixture
def put(aws):
    return lambda name, value: client("secretsmanager").create_secret(Name=name, SecretString=value)


@pytest.fixture
def secrets(aws):
    return Secrets(SecretsProvider(boto3_client=client("secretsmanager")))


def failing(monkeypatch, secrets, error):
    def get_secret_value(**_):
        raise error

    monkeypatch.setattr(secrets._provider.client, "get_secret_value", get_secret_value)


def test_a_secret_is_a_json_object(secrets, put):
    put("zendesk", '{"client_id": "a"}')
    assert secrets.read("zendesk") == {"client_id": "a"}


def test_a_secret_that_nobody_has_put_yet_is_empty(secrets):
    client("secretsmanager").create_secret(Name="empty")
    assert secrets.read("empty") == {}
    assert secrets.read("absent") == {}


@pytest.mark.parametrize("value", ["hush", "[]", '"hush"', "7"])
def test_anything_else_is_unavailable_and_not_quoted(secrets, put, value):
    put("zendesk", value)
    with pytest.raises(SecretsUnavailable) as raised:
        secrets.read("zendesk")
    assert "hush" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow"}}, "GetSecretValue"),
        ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetSecretValue"),
        ConnectTimeoutError(endpoint_url="https://secrets.test"),
    ],
)
def test_an_outage_of_the_store_is_one_error(secrets, monkeypatch, error):
    failing(monkeypatch, secrets, error)
    with pytest.raises(SecretsUnavailable) as raised:
        secrets.read("zendesk")
    assert (raised.value.status, raised.value.retry_after) == (503, 5)


def test_a_secret_is_read_once_a_minute(secrets, put, monkeypatch):
    put("zendesk", '{"client_id": "a"}')
    secrets.read("zendesk")
    failing(monkeypatch, secrets, AssertionError("read again"))
    assert secrets.read("zendesk") == {"client_id": "a"}


@pytest.mark.parametrize(
    ("stored", "usable"),
    [
        ({"acme": ["one", "two"]}, ["one", "two"]),
        ({"acme": ["one", None, 3]}, ["one"]),
        ({"acme": "one"}, []),
        ({"acme": None}, []),
        ({}, []),
    ],
)
def test_only_lists_of_texts_may_sign(secrets, put, stored, usable):
    put("signing", json.dumps(stored))
    assert secrets.signing("signing", "acme") == usable
