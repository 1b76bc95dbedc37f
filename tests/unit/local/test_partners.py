"""The ready line's partners: any client can sign as each of them with what stands there."""

import yaml

from layers.config.compile import Config
from local.partners import new_secret, partners
from tests.senders import NOW, SENDERS
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.signatures import verify

HMAC = {"header": "X-Sig", "key": "base64", "id": {"header": "X-Id"}}


def written(folder, name, **definition):
    given = {"partner": name, "sample": f"events/{name}.json", "ticket": {"subject": "x"}} | definition
    (folder / "partners").mkdir(exist_ok=True)
    (folder / "partners" / f"{name}.yaml").write_text(yaml.safe_dump(given))
    return given


def test_each_partner_has_its_scheme_a_secret_and_a_sample(tmp_path):
    for scheme in PRESETS:
        written(tmp_path, scheme, scheme=scheme)
    found = partners(Config(tmp_path))
    assert {name: partner["scheme"] for name, partner in found.items()} == {name: name for name in PRESETS}
    assert all(partner.keys() == {"scheme", "secret", "sample"} for partner in found.values())
    assert len({partner["secret"] for partner in found.values()}) == len(PRESETS)


def test_samples_have_paths_from_the_repository_or_absolute_ones(tmp_path):
    written(tmp_path, "acme", scheme="github")
    assert partners(Config(tmp_path))["acme"]["sample"] == str(tmp_path / "events" / "acme.json")
    assert partners(Config())["acme"]["sample"] == "events/acme-incident-opened.json"


def test_a_partner_may_use_names_and_days(tmp_path):
    (tmp_path / "zendesk.yaml").write_text("groups: [{id: 1, name: Tier 2}]\n")
    (tmp_path / "partners").mkdir()
    (tmp_path / "partners" / "acme.yaml").write_text(
        "partner: acme\nscheme: github\nsample: events/acme.json\n"
        "ticket: {description: x, group: Tier 2, type: task, due_at: 2026-12-01}\n"
    )
    assert partners(Config(tmp_path))["acme"]["scheme"] == "github"


def test_settings_of_a_scheme_are_told_with_it_so_that_a_client_can_sign(tmp_path):
    given = written(tmp_path, "acme", scheme="hmac", hmac=HMAC)
    known = partners(Config(tmp_path))["acme"]
    assert known["hmac"] == HMAC
    assert PartnerDefinition.model_validate(given | {"hmac": known["hmac"]}).signature.ways[0].key == "base64"


def test_the_secret_of_every_scheme_signs_what_is_taken():
    for sender in SENDERS.values():
        secret = new_secret(sender.scheme)
        assert verify(sender.scheme, sender.request(secret=secret), secrets=[secret], now=NOW).id
        assert secret != new_secret(sender.scheme)
