"""The ready definitions: what each makes of its samples, delivered as their senders deliver them."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from layers.config import compile as compiler
from local.partners import new_secret
from ticket_relay.create_ticket import mapping
from ticket_relay.definitions.models import PartnerDefinition
from ticket_relay.errors import SignatureRefused
from ticket_relay.webhooks import payload, signatures
from ticket_relay.webhooks.payload import Request
from ticket_relay.zendesk.ticket_models import to_request

EXAMPLES = compiler.FOLDER / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.yaml"))
EVENTS = compiler.Config().sample("events")
SAMPLES = sorted(
    path.stem
    for path in EVENTS.glob("*.json")
    if path.name.startswith(tuple(f"{name}-" for name in NAMES)) and not path.stem.endswith(".expected")
)
NOW = 1_795_300_000

LONGEST_SUBJECT = 255
LONGEST_COMMENT = 65_535
"""Characters that Zendesk is known to take."""


def definition(name: str) -> PartnerDefinition:
    return PartnerDefinition.model_validate(yaml.safe_load((EXAMPLES / f"{name}.yaml").read_bytes()))


def definition_of(sample: str) -> PartnerDefinition:
    """Samples begin with the name of their definition; no name begins with another one and a hyphen."""
    return definition(next(name for name in NAMES if sample.startswith(f"{name}-")))


def delivered(partner: PartnerDefinition, body: bytes) -> tuple[Request, str]:
    """What the sender sends, ids and times in the body being the sample's own; and the secret that it signs with."""
    secret = new_secret(partner.signature)
    headers = signatures.sign(partner.signature, id="dlv_1", timestamp=NOW, body=body, secret=secret)
    return Request(headers, body), secret


def becomes(partner: PartnerDefinition, event: dict[str, Any], delivery: signatures.Delivery) -> list[Any]:
    """What the events of a delivery become, as the files beside the samples tell it."""
    told: list[Any] = []
    for mapped in mapping.map_delivery(partner, event, delivery):
        if mapped is None:
            told.append({"do": "ignore"})
            continue
        if mapped.ticket:
            to_request(mapped.ticket, "sample")
        told.append({"do": partner.cases[mapped.case].do, "correlate": mapped.correlate})
        told[-1] |= {
            name: value.given() for name in ("ticket", "changes") if (value := getattr(mapped, name)) is not None
        }
    return told


def test_every_example_passes_the_check() -> None:
    assert compiler.compiled(compiler.Config(), on_samples=True)[1] == []
    assert NAMES == [
        "alertmanager", "github", "grafana", "incidents", "jira", "pagerduty", "sentry", "shopify",
        "standard-webhooks", "stripe",
    ]  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_delivery_of_a_sample_becomes_what_stands_beside_it(sample: str) -> None:
    partner, body = definition_of(sample), (EVENTS / f"{sample}.json").read_bytes()
    request, secret = delivered(partner, body)
    delivery = signatures.verify(partner.signature, request, secrets=["another-one", secret], now=NOW)
    expected = json.loads((EVENTS / f"{sample}.expected.json").read_bytes())
    assert becomes(partner, request.event, delivery) == expected


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_delivery_that_another_secret_made_is_refused(sample: str) -> None:
    partner, body = definition_of(sample), (EVENTS / f"{sample}.json").read_bytes()
    request, _ = delivered(partner, body)
    with pytest.raises(SignatureRefused):
        signatures.verify(partner.signature, request, secrets=[new_secret(partner.signature)], now=NOW)


def test_there_is_an_expectation_for_each_sample_and_for_nothing_else() -> None:
    assert {path.name for path in EVENTS.glob("*.expected.json")} == {f"{sample}.expected.json" for sample in SAMPLES}


@pytest.mark.parametrize("name", NAMES)
def test_the_samples_of_an_example_find_each_of_its_cases(name: str) -> None:
    partner = definition(name)
    found = set()
    for sample in SAMPLES:
        if sample.startswith(f"{name}-"):
            event = payload.parse((EVENTS / f"{sample}.json").read_bytes())
            mapped = mapping.map_delivery(partner, event, signatures.Delivery("dlv_1", NOW, None))
            found |= {each.case for each in mapped if each is not None}
    assert found == set(range(len(partner.cases)))


def each_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {key: each_text(part, change) for key, part in value.items()}
    if isinstance(value, list):
        return [each_text(part, change) for part in value]
    return change(value) if isinstance(value, str) else value


def texts_of(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [told[name] for name in ("ticket", "changes") if name in told]


# The shortest example leaves this to who extends it.
@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if not sample.startswith("standard-webhooks-")])
def test_long_texts_with_html_fit_and_stay_texts(sample: str) -> None:
    """Whatever people have written, which shows by its blanks, is long and looks like HTML."""
    partner = definition_of(sample)
    event = payload.parse((EVENTS / f"{sample}.json").read_bytes())
    event = each_text(event, lambda text: text + "<b> & </b>" * 9_000 if " " in text else text)
    for told in becomes(partner, event, signatures.Delivery("dlv_1", NOW, None)):
        for written in texts_of(told):
            assert len(written.get("subject", "")) <= LONGEST_SUBJECT
            assert len(json.dumps(written.get("comment", {}))) <= LONGEST_COMMENT
            html = written.get("comment", {}).get("html_body", "")
            assert "<" not in html.removeprefix("<pre>").removesuffix("</pre>")
            assert "<b>" not in written.get("comment", {}).get("body", "")


@pytest.mark.parametrize("sample", SAMPLES)
def test_every_ticket_has_a_requester_and_tags_that_zendesk_takes(sample: str) -> None:
    for told in json.loads((EVENTS / f"{sample}.expected.json").read_bytes()):
        if ticket := told.get("ticket"):
            assert "@" in ticket["requester"]["email"]
            assert ticket["tags"]
            assert all(tag.replace("_", "").isalnum() and tag == tag.lower() for tag in ticket["tags"])
