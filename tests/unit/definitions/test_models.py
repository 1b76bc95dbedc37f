import json
import sys

import pytest
from pydantic import ValidationError

from ticket_relay.definitions import loader
from ticket_relay.definitions.loader import PACKAGE
from ticket_relay.definitions.models import PartnerDefinition, UpdateRule
from ticket_relay.errors import DefinitionError
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.scheme import Basic, Bearer, Hmac, Place, Scheme, Timestamp

PARTNER = {
    "partner": "acme",
    "scheme": "standard-webhooks",
    "sample": "events/acme.json",
    "ticket": {"comment": {"body": "${event.text}"}},
}
RULE = {"rule": "raise", "sample": {"event": "e.json", "ticket": "t.json"}, "changes": {"priority": "high"}}


@pytest.fixture(autouse=True)
def fresh():
    """The loaders remember what they read, and Python remembers the package."""
    for load in (loader.partners, loader.rules):
        load.cache_clear()
    sys.modules.pop(PACKAGE, None)
    yield
    for load in (loader.partners, loader.rules):
        load.cache_clear()
    sys.modules.pop(PACKAGE, None)


@pytest.fixture
def built(tmp_path, monkeypatch):
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "partners.json").write_text(json.dumps({"acme": PARTNER}))
    (package / "updates.json").write_text(json.dumps({"raise": RULE}))
    monkeypatch.syspath_prepend(tmp_path)
    return package


def wrong(model, definition):
    with pytest.raises(ValidationError) as invalid:
        model.model_validate(definition)
    (error,) = invalid.value.errors()
    return error


def test_partners_and_rules_are_found_in_the_built_package(built):
    assert loader.partners() == {"acme": PartnerDefinition.model_validate(PARTNER)}
    assert loader.rules() == {"raise": UpdateRule.model_validate(RULE)}


def test_the_package_is_read_once(built):
    first = loader.partners()
    (built / "partners.json").write_text("{}")
    assert loader.partners() is first


def test_a_missing_package_is_said_plainly(monkeypatch):
    monkeypatch.setattr(loader, "PACKAGE", "ticket_relay_config_that_is_not_there")
    with pytest.raises(DefinitionError, match=r"partners\.json is not there: is the config layer built and attached\?"):
        loader.partners()


def test_a_package_without_a_file_is_said_plainly(built):
    (built / "updates.json").unlink()
    with pytest.raises(DefinitionError, match=r"updates\.json is not there"):
        loader.rules()


@pytest.mark.parametrize("text", ["not json", '{"acme": {"partner": "acme"}}'])
def test_a_package_of_another_version_is_said_plainly(built, text):
    (built / "partners.json").write_text(text)
    with pytest.raises(DefinitionError, match="build the config layer again"):
        loader.partners()


@pytest.mark.parametrize("name", ["", "Acme", "1acme", "-acme", "ac_me", "ac/me", "acmé", "acme\n", "a" * 64])
def test_a_partner_name_that_does_not_fit_a_url_or_a_key_is_refused(name):
    assert wrong(PartnerDefinition, PARTNER | {"partner": name})["loc"] == ("partner",)


@pytest.mark.parametrize("name", ["a", "acme", "acme-2", "a" * 63])
def test_a_plain_partner_name_is_taken(name):
    assert PartnerDefinition.model_validate(PARTNER | {"partner": name}).partner == name


def test_an_unknown_scheme_is_refused_with_the_known_ones():
    error = wrong(PartnerDefinition, PARTNER | {"scheme": "plain"})
    assert error["msg"] == (
        "must be one of basic, bearer, github, gitlab, hmac, jira, linear, pagerduty, sentry, shopify, slack, "
        "standard-webhooks, stripe, svix, zendesk"
    )


@pytest.mark.parametrize("scheme", sorted(PRESETS))
def test_a_scheme_of_a_known_sender_needs_no_settings(scheme):
    assert PartnerDefinition.model_validate(PARTNER | {"scheme": scheme}).signature is PRESETS[scheme]


@pytest.mark.parametrize(
    ("scheme", "settings", "way"),
    [
        ("hmac", {"header": "X-Sig"}, Hmac(header="x-sig")),
        (
            "hmac",
            {
                "header": "X-Sig",
                "signed": "{timestamp}.{body}",
                "id": {"body": "/event/id"},
                "timestamp": {"part": "t", "format": "milliseconds", "tolerance": 60},
            },
            Hmac(
                header="x-sig",
                signed="{timestamp}.{body}",
                id=Place(body="/event/id"),
                timestamp=Timestamp(part="t", format="milliseconds", tolerance=60),
            ),
        ),
        (
            "bearer",
            {"header": "X-Api-Key", "id": {"header": "X-Id"}},
            Bearer(header="x-api-key", id=Place(header="x-id")),
        ),
        ("bearer", {"prefix": "Token "}, Bearer(prefix="Token ")),
        ("basic", {"id": {"body": "/a/b~1c"}}, Basic(id=Place(body="/a/b~1c"))),
    ],
)
def test_a_scheme_may_have_settings_of_its_own(scheme, settings, way):
    assert PartnerDefinition.model_validate(PARTNER | {"scheme": scheme, scheme: settings}).signature == Scheme((way,))


@pytest.mark.parametrize(
    ("changes", "loc", "reason"),
    [
        ({"scheme": "hmac"}, ("hmac",), "is missing"),
        ({"scheme": "bearer", "hmac": {"header": "x"}}, ("hmac",), "is for scheme hmac"),
        ({"scheme": "github", "basic": {}}, ("basic",), "is for scheme basic"),
        ({"signed": "{timestamp}"}, ("hmac", "signed"), "must hold {body}: what is not signed could be anybody's"),
        ({"signed": "{id}.{body}"}, ("hmac", "signed"), "there is no {id}: say where it stands"),
        ({"signed": "{body}.{url}"}, ("hmac", "signed"), "there is no {url}"),
        (
            {"signed": "{id}.{body}", "id": {"body": "/id"}},
            ("hmac", "signed"),
            "{id} stands in the body, which is signed as {body}",
        ),
        (
            {"timestamp": {"header": "x-time"}},
            ("hmac", "timestamp"),
            "is not signed, so it proves nothing: name it in signed, or leave it out",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, loc, reason):
    if "scheme" not in changes:
        changes = {"scheme": "hmac", "hmac": {"header": "x-sig"} | changes}
    error = wrong(PartnerDefinition, PARTNER | changes)
    ((field, said),) = error["ctx"]["fields"].items()
    assert ((*error["loc"], field), said) == (loc, reason)


@pytest.mark.parametrize(
    ("setting", "loc"),
    [
        ({"header": "X Sig"}, ("header",)),
        ({"header": ""}, ("header",)),
        ({"algorithm": "md5"}, ("algorithm",)),
        ({"encoding": "base32"}, ("encoding",)),
        ({"key": "rot13"}, ("key",)),
        ({"separator": "a"}, ("separator",)),
        ({"prefix": "sha 256="}, ("prefix",)),
        ({"id": {}}, ("id",)),
        ({"id": {"header": "a", "body": "/a"}}, ("id",)),
        ({"id": {"body": "a"}}, ("id", "body")),
        ({"id": {"body": "/a~2"}}, ("id", "body")),
        ({"id": {"part": "a="}}, ("id", "part")),
        ({"id": {"heder": "a"}}, ("id", "heder")),
        ({"timestamp": {"body": "/a", "format": "hours"}}, ("timestamp", "format")),
        ({"timestamp": {"body": "/a", "tolerance": 0}}, ("timestamp", "tolerance")),
        ({"timestamp": {"body": "/a", "tolerance": 86400}}, ("timestamp", "tolerance")),
        ({"hedaer": "x"}, ("hedaer",)),
    ],
)
def test_each_wrong_setting_is_named(setting, loc):
    definition = PARTNER | {"scheme": "hmac", "hmac": {"header": "x-sig"} | setting}
    with pytest.raises(ValidationError) as invalid:
        PartnerDefinition.model_validate(definition)
    assert {error["loc"] for error in invalid.value.errors()} >= {("hmac", *loc)}


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_an_id_cannot_be_a_part_of_what_holds_the_secret(scheme):
    error = wrong(PartnerDefinition, PARTNER | {"scheme": scheme, scheme: {"id": {"part": "id"}}})
    assert error["ctx"]["fields"] == {"id": "can be no part of a header that holds the secret: give header or body"}


@pytest.mark.parametrize(
    ("model", "definition", "part"), [(PartnerDefinition, PARTNER, "ticket"), (UpdateRule, RULE, "changes")]
)
def test_unknown_and_reserved_fields_of_a_template_are_named(model, definition, part):
    template = definition[part] | {"priorty": "high", "external_id": "x"}
    error = wrong(model, definition | {part: template})
    assert error["loc"] == (part,)
    assert error["ctx"]["fields"] == {"priorty": "unknown field", "external_id": "is set by the relay alone"}


@pytest.mark.parametrize(
    "template",
    [
        {"$if": "event.a", "then": {"comment": {"body": "x"}}, "else": {}},
        {"$merge": [{"subject": "x"}]},
        {"${event.name}": "x"},
    ],
)
def test_a_template_whose_fields_show_only_when_rendered_is_taken(template):
    assert PartnerDefinition.model_validate(PARTNER | {"ticket": template}).ticket == template


@pytest.mark.parametrize("missing", ["partner", "scheme", "sample"])
def test_a_definition_without_one_of_its_parts_is_refused(missing):
    definition = {key: value for key, value in PARTNER.items() if key != missing}
    assert wrong(PartnerDefinition, definition)["loc"] == (missing,)


def test_an_unknown_part_of_a_definition_is_refused():
    assert wrong(PartnerDefinition, PARTNER | {"tickets": {}})["loc"] == ("tickets",)


def test_an_empty_condition_is_refused():
    assert wrong(PartnerDefinition, PARTNER | {"when": " "})["loc"] == ("when",)


def test_a_rule_decides_again_and_fails_on_a_closed_ticket_unless_it_says_otherwise():
    rule = UpdateRule.model_validate(RULE)
    assert (rule.on_conflict, rule.on_closed) == ("reapply", "fail")


@pytest.mark.parametrize("policy", [{"on_conflict": "merge"}, {"on_conflict": "skip"}, {"on_closed": "follow_up"}])
def test_a_rule_may_say_its_policies(policy):
    assert UpdateRule.model_validate(RULE | policy).model_dump().items() >= policy.items()


@pytest.mark.parametrize("policy", [{"on_conflict": "overwrite"}, {"on_conflict": None}, {"on_closed": "reopen"}])
def test_an_unknown_policy_is_refused(policy):
    assert wrong(UpdateRule, RULE | policy)["loc"] == (*policy,)


@pytest.mark.parametrize("metadata", [{"note": "x" * 900}, {"note": "${event.note}" + "x" * 1020}, None])
def test_metadata_that_fits_or_shows_only_when_rendered_is_taken(metadata):
    assert UpdateRule.model_validate(RULE | {"changes": {"metadata": metadata}}).changes == {"metadata": metadata}
