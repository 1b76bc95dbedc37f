import pytest
from pydantic import ValidationError

from ticket_relay import config

ENVIRONMENT = {
    "TABLE_NAME": "relay",
    "ZENDESK_BASE_URL": "https://example.zendesk.com",
    "ZENDESK_SECRET_ARN": "arn:zendesk",
    "SIGNING_SECRETS_ARN": "arn:signing",
    "ZENDESK_CONNECT_TIMEOUT_SECONDS": "1",
    "ZENDESK_READ_TIMEOUT_SECONDS": "3",
    "DOUBTFUL_PAUSE_SECONDS": "15",
    "JOB_FORGOTTEN_AFTER_SECONDS": "120",
}


@pytest.fixture
def environment(monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    config.settings.cache_clear()
    yield monkeypatch
    config.settings.cache_clear()


def test_settings_are_the_typed_environment(environment):
    settings = config.settings()
    assert (settings.table_name, settings.zendesk_read_timeout_seconds) == ("relay", 3.0)
    assert settings.signing_secrets_arn == "arn:signing"


def test_the_poller_needs_no_signing_secrets(environment):
    environment.delenv("SIGNING_SECRETS_ARN")
    assert config.settings().signing_secrets_arn is None


@pytest.mark.parametrize("name", sorted(ENVIRONMENT.keys() - {"SIGNING_SECRETS_ARN"}))
def test_an_incomplete_deployment_does_not_start(environment, name):
    environment.delenv(name)
    with pytest.raises(ValidationError, match=name.lower()):
        config.settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ZENDESK_BASE_URL", "example.zendesk.com"),
        ("ZENDESK_BASE_URL", "https://example.zendesk.com/"),
        ("ZENDESK_BASE_URL", "ftp://example.zendesk.com"),
        ("ZENDESK_READ_TIMEOUT_SECONDS", "0"),
        ("ZENDESK_CONNECT_TIMEOUT_SECONDS", "60"),
        ("DOUBTFUL_PAUSE_SECONDS", "soon"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(environment, name, value):
    environment.setenv(name, value)
    with pytest.raises(ValidationError):
        config.settings()


def test_lambda_is_known_by_its_environment(monkeypatch):
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    assert not config.in_lambda()
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "create-ticket")
    assert config.in_lambda()
