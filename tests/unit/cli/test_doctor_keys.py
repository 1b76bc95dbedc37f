import json

import pytest
from botocore.exceptions import ClientError

from cli.doctor import keys
from cli.doctor.finding import NotGood, Status
from cli.doctor.setup import CREATE, POLL, UPDATE, Setup
from cli.where import Where
from tests import builders, fixtures
from ticket_relay.definitions.models import PartnerDefinition

CANARY = "canary-7f3a"
"""Stands in every secret."""


@pytest.fixture
def setup(aws):
    return Setup(Where())


@pytest.fixture
def secret(setup):
    """The secret that all functions name as theirs, with this value; None: nobody has put one."""

    def put(value):
        manager = fixtures.client("secretsmanager")
        arn = manager.create_secret(Name="ticket-relay/it")["ARN"]
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            manager.put_secret_value(SecretId=arn, SecretString=text)
        settings = builders.settings(zendesk_secret_arn=arn, signing_secrets_arn=arn)
        setup.settings = {CREATE: settings, POLL: settings, UPDATE: settings}

    return put


def flaw(check, setup):
    with pytest.raises(NotGood) as caught:
        check(setup)
    assert CANARY not in f"{caught.value.finding} {caught.value.advice}"
    return caught.value


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"client_id": "c", "client_secret": "s"}, "It holds an OAuth client."),
        ({"email": "a@example.com", "api_token": "t"}, "It holds an API token."),
    ],
)
def test_either_way_into_zendesk_is_good(setup, secret, value, found):
    secret(value)
    assert keys.client(setup) == found
    assert setup.client == value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "It is empty."),
        ("{}", "It is empty."),
        (CANARY, "A secret is not JSON."),
        (f'["{CANARY}"]', "A secret is not a JSON object."),
        ({"client": CANARY}, "neither client_id and client_secret nor email and api_token"),
        ({"client_id": CANARY, "client_secret": ""}, "client_secret: not a text, empty"),
        ({"client_id": CANARY, "client_secret": f"{CANARY}\n"}, "client_secret: not a text, empty, or with blanks"),
        ({"client_id": 7, "client_secret": None}, "client_id and client_secret: not a text"),
    ],
)
def test_a_secret_that_cannot_prove_the_relay_is_wrong_and_not_quoted(setup, secret, value, said):
    secret(value)
    found = flaw(keys.client, setup)
    assert (found.status, said in found.finding) == (Status.WRONG, True)
    assert setup.client is None


def test_the_advice_names_the_secret_as_the_template_does(setup, secret):
    secret(None)
    assert flaw(keys.client, setup).advice == (
        'Put {"client_id": "…", "client_secret": "…"} into ticket-relay/it (README, Deploy).'
    )


def test_every_partner_of_this_checkout_needs_a_key(setup, secret):
    secret({name: [builders.SECRETS[name]] for name in ("acme", "globex", "hooli")})
    assert keys.partners(setup) == "It holds what acme, globex, hooli may sign with."


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"globex": None}, "globex: has no key"),
        ({"globex": []}, "globex: has no list of keys"),
        ({"globex": builders.SECRETS["globex"]}, "globex: has no list of keys"),
        ({"acme": [builders.SECRETS["acme"], CANARY]}, "acme: key 2 of 2 is not one of standard-webhooks"),
        (
            {"acme": [f"whsec_{CANARY}"], "globex": [7]},
            "acme: key 1 of 1 is not one of standard-webhooks; globex: key 1",
        ),
        ({"acme": ["whsec_c2hvcnQ="]}, "acme: key 1 of 1"),
    ],
)
def test_a_partner_without_a_usable_key_is_wrong(setup, secret, change, said):
    value = {name: [builders.SECRETS[name]] for name in ("acme", "globex", "hooli")} | change
    secret({name: given for name, given in value.items() if given is not None})
    assert said in flaw(keys.partners, setup).finding


def test_the_webhooks_secret_is_any_text(setup, secret):
    secret({"zendesk": [CANARY]})
    assert keys.webhook(setup) == "It holds what zendesk may sign with."


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"Zendesk": [CANARY]}, "zendesk: has no key"),
        ({"zendesk": [""]}, "zendesk: key 1 of 1 is not one of zendesk"),
        ({"zendesk": [CANARY, f" {CANARY}"]}, "zendesk: key 2 of 2"),
        ({"zendesk": [CANARY, keys.PUBLIC]}, "anybody could sign"),
    ],
)
def test_a_webhook_that_anybody_or_nobody_could_sign_for_is_wrong(setup, secret, value, said):
    secret(value)
    assert said in flaw(keys.webhook, setup).finding


class Closed:
    def get_secret_value(self, **_):
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": CANARY}}, "GetSecretValue")


def test_a_secret_that_may_not_be_read_is_wrong(setup, secret, monkeypatch):
    secret({"zendesk": [CANARY]})
    monkeypatch.setattr(Where, "client", lambda *_: Closed())
    found = flaw(keys.webhook, setup)
    assert found.finding == "The secret store could not be read."
    assert "you must be allowed to read it" in found.advice


@pytest.mark.parametrize("check", [keys.client, keys.partners, keys.webhook])
def test_without_the_functions_it_is_not_known_which_secrets_are_meant(setup, check):
    assert flaw(check, setup).status is Status.UNCHECKED


@pytest.mark.parametrize(
    ("scheme", "settings", "good", "bad"),
    [
        ("basic", {}, "relay:password", "password"),
        ("hmac", {"hmac": {"header": "x-sig", "key": "hex"}}, "00ff", "secret"),
        ("gitlab", {}, "any token", "two\nlines"),
        ("stripe", {}, "whsec_verbatim", " "),
    ],
)
def test_a_partners_keys_must_be_of_its_own_scheme(setup, secret, monkeypatch, scheme, settings, good, bad):
    given = {"partner": "acme", "scheme": scheme, "sample": "x", "ticket": {"subject": "x"}} | settings
    monkeypatch.setattr(keys.definitions, "partners", lambda _: {"acme": PartnerDefinition.model_validate(given)})
    secret({"acme": [good, bad]})
    assert flaw(keys.partners, setup).finding == f"acme: key 2 of 2 is not one of {scheme}."
    setup.secrets.read = lambda _arn: {"acme": [good]}
    assert keys.partners(setup) == "It holds what acme may sign with."
