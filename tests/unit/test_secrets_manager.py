import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from tests.builders import NOW
from tests.fakes import Clock
from tests.fixtures import client
from ticket_relay.errors import SecretsUnavailable
from ticket_relay.secrets_manager import MAX_AGE, MAX_AGE_WHILE_DOWN, RETRY_AFTER, Secrets


def answered(code: str, status: int) -> ClientError:
    error = {"Error": {"Code": code, "Message": "canary"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(error, "GetSecretValue")


DOWN = [
    ConnectTimeoutError(endpoint_url="https://secrets.test"),
    answered("InternalServiceError", 500),
    answered("ServiceUnavailable", 503),
    answered("ThrottlingException", 400),
]
REFUSES = [answered("AccessDeniedException", 400), answered("InvalidRequestException", 400)]


class Manager:
    """A client of Secrets Manager that is out of order on demand, and counts its calls."""

    def __init__(self, actual):
        self._actual = actual
        self.error = None
        self.calls = 0

    def get_secret_value(self, **request):
        self.calls += 1
        if self.error:
            raise self.error
        return self._actual.get_secret_value(**request)


@pytest.fixture
def manager(aws):
    return Manager(client("secretsmanager"))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def secrets(manager, clock):
    return Secrets(manager, clock)


def test_of_several_threads_none_finds_the_secret_forgotten_while_another_asks(clock):
    with ThreadPoolExecutor(1) as pool:
        beside = []

        class Manager:
            def get_secret_value(self, **_):
                if clock() < NOW + MAX_AGE:
                    return {"SecretString": '{"key": "old"}'}
                if not beside:
                    beside.append(pool.submit(secrets.read, "arn"))
                    time.sleep(0.2)  # The other one would have come to its end.
                raise ConnectTimeoutError(endpoint_url="https://secrets.test")

        clock.time = NOW
        secrets = Secrets(Manager(), clock)
        assert secrets.read("arn") == {"key": "old"}
        clock.advance(MAX_AGE + 1)
        assert secrets.read("arn") == {"key": "old"}
        assert beside[0].result() == {"key": "old"}


@pytest.fixture
def put(aws):
    return lambda name, value: client("secretsmanager").create_secret(Name=name, SecretString=value)


@pytest.fixture
def known(secrets, put):
    """A secret that was read once."""
    put("zendesk", '{"client_id": "a"}')
    assert secrets.read("zendesk") == {"client_id": "a"}


def test_a_secret_is_a_json_object(secrets, put):
    put("zendesk", '{"client_id": "a"}')
    assert secrets.read("zendesk") == {"client_id": "a"}


def test_a_secret_may_be_stored_as_bytes(secrets):
    client("secretsmanager").create_secret(Name="zendesk", SecretBinary=b'{"client_id": "a"}')
    assert secrets.read("zendesk") == {"client_id": "a"}


def test_a_secret_that_nobody_has_put_yet_is_empty(secrets):
    client("secretsmanager").create_secret(Name="empty")
    assert secrets.read("empty") == {}
    assert secrets.read("absent") == {}


def test_a_secret_that_is_put_at_last_is_there_at_once(secrets, put):
    assert secrets.read("zendesk") == {}
    put("zendesk", '{"client_id": "a"}')
    assert secrets.read("zendesk") == {"client_id": "a"}


@pytest.mark.parametrize("value", ["hush", "[]", '"hush"', "7", "[" * 100_000])
def test_anything_else_is_unavailable_and_not_quoted(secrets, put, value):
    put("zendesk", value[:65_536])
    with pytest.raises(SecretsUnavailable) as raised:
        secrets.read("zendesk")
    assert "hush" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("error", DOWN + REFUSES)
def test_an_outage_of_the_store_is_one_error(secrets, manager, error):
    manager.error = error
    with pytest.raises(SecretsUnavailable) as raised:
        secrets.read("zendesk")
    assert (raised.value.status, raised.value.retry_after) == (503, 5)
    assert "canary" not in str(raised.value)


@pytest.mark.usefixtures("known")
def test_a_secret_is_read_once_a_minute(secrets, manager, clock):
    clock.advance(MAX_AGE - 1)
    secrets.read("zendesk")
    assert manager.calls == 1
    clock.advance(1)
    secrets.read("zendesk")
    assert manager.calls == 2


@pytest.mark.usefixtures("known")
def test_a_rotated_secret_works_within_a_minute(secrets, clock):
    client("secretsmanager").put_secret_value(SecretId="zendesk", SecretString='{"client_id": "b"}')
    clock.advance(MAX_AGE)
    assert secrets.read("zendesk") == {"client_id": "b"}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("error", DOWN)
def test_what_was_read_is_used_for_an_hour_while_the_store_is_down(secrets, manager, clock, counted, error):
    manager.error = error
    clock.advance(MAX_AGE_WHILE_DOWN - 1)
    assert secrets.read("zendesk") == {"client_id": "a"}
    assert counted("SecretsStale") == 1
    clock.advance(1)
    with pytest.raises(SecretsUnavailable):
        secrets.read("zendesk")


@pytest.mark.usefixtures("known")
def test_a_store_that_is_down_is_asked_now_and_then_and_not_by_every_sender(secrets, manager, clock):
    manager.error = DOWN[0]
    clock.advance(MAX_AGE)
    for _ in range(3):
        secrets.read("zendesk")
    assert manager.calls == 2
    clock.advance(RETRY_AFTER)
    secrets.read("zendesk")
    assert manager.calls == 3


@pytest.mark.usefixtures("known")
def test_a_store_that_is_back_is_believed(secrets, manager, clock):
    manager.error = DOWN[0]
    clock.advance(MAX_AGE)
    secrets.read("zendesk")
    client("secretsmanager").put_secret_value(SecretId="zendesk", SecretString='{"client_id": "b"}')
    manager.error = None
    clock.advance(RETRY_AFTER)
    assert secrets.read("zendesk") == {"client_id": "b"}


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("error", REFUSES)
def test_a_store_that_refuses_is_not_down_and_what_was_read_is_forgotten(secrets, manager, clock, error):
    manager.error = error
    clock.advance(MAX_AGE)
    with pytest.raises(SecretsUnavailable):
        secrets.read("zendesk")
    manager.error = DOWN[0]
    with pytest.raises(SecretsUnavailable):
        secrets.read("zendesk")


@pytest.mark.usefixtures("known")
def test_a_secret_that_was_deleted_is_not_used_when_the_store_goes_down(secrets, manager, clock):
    client("secretsmanager").delete_secret(SecretId="zendesk", ForceDeleteWithoutRecovery=True)
    clock.advance(MAX_AGE)
    assert secrets.read("zendesk") == {}
    manager.error = DOWN[0]
    with pytest.raises(SecretsUnavailable):
        secrets.read("zendesk")


@pytest.mark.usefixtures("known")
def test_what_was_never_read_is_not_there_while_the_store_is_down(secrets, manager, put):
    put("partners", "{}")
    manager.error = DOWN[0]
    with pytest.raises(SecretsUnavailable):
        secrets.read("partners")


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


@pytest.mark.parametrize(
    ("stored", "usable"),
    [
        ({"acme.downloads": {"files.acme.example": {"Authorization": "Bearer t"}}}, {"Authorization": "Bearer t"}),
        ({"acme.downloads": {"files.acme.example": {"Authorization": "t", "X-Number": 3}}}, {"Authorization": "t"}),
        ({"acme.downloads": {"other.acme.example": {"Authorization": "t"}}}, {}),
        ({"globex.downloads": {"files.acme.example": {"Authorization": "t"}}}, {}),
        ({"acme.downloads": {"files.acme.example": "Bearer t"}}, {}),
        ({"acme.downloads": ["Bearer t"]}, {}),
        ({}, {}),
    ],
)
def test_headers_are_those_of_one_host_of_the_partner(secrets, put, stored, usable):
    put("signing", json.dumps(stored | {"acme": ["whsec_1"]}))
    assert secrets.headers("signing", "acme", "files.acme.example") == usable
    assert secrets.signing("signing", "acme") == ["whsec_1"]
