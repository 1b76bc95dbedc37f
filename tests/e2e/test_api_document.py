"""The local stack answers as docs/openapi.yaml says, whatever comes; and the commands of its page work."""

import json
import re
import subprocess
import time
import uuid
from typing import Any

import pytest
import requests
import schemathesis
import yaml
from hypothesis import HealthCheck, settings
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from docs.partner_api import PAGE, SOURCE
from tests.builders import ROOT, acme_event, signed
from tests.e2e.conftest import LocalStack
from tests.waiting import eventually

DOCUMENT: dict[str, Any] = yaml.safe_load(SOURCE.read_text())
for operation in (each for path in DOCUMENT["paths"].values() for each in path.values()):
    del operation["security"]  # or requests without a signature would be made up, to which `Signature` adds one
API = schemathesis.openapi.from_dict(DOCUMENT)
EXAMPLES = 15
"""For each route."""
CONFORMS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def bounded(examples: int) -> settings:
    """The same examples at each run; most of them are refused, so that health checks would say nothing."""
    return settings(max_examples=examples, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))


class Signature(requests.auth.AuthBase):
    """Signs the bytes that are about to be sent, as their sender does."""

    def __init__(self, stack: LocalStack) -> None:
        self._secrets = {
            "acme": stack.ready["partners"]["acme"]["secret"],
            "zendesk": stack.ready["zendesk_webhook_secret"],
        }

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        sender = "zendesk" if "/zendesk/" in str(request.url) else "acme"
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        headers = signed(body, sender=sender, id=uuid.uuid4().hex, at=time.time(), secret=self._secrets[sender])
        del headers["content-type"]
        request.headers.update(headers)
        return request


@pytest.fixture
def sign(local_stack: LocalStack) -> Signature:
    return Signature(local_stack)


@API.parametrize()
@bounded(EXAMPLES)
def test_what_is_signed_is_answered_as_the_document_says(
    case: schemathesis.Case, local_stack: LocalStack, sign: Signature
) -> None:
    if "partner" in case.path_parameters:
        case.path_parameters["partner"] = "acme"
    case.call_and_validate(base_url=local_stack.url, auth=sign, checks=CONFORMS)


@API.parametrize()
@bounded(5)
def test_what_is_not_signed_is_refused_as_the_document_says(case: schemathesis.Case, local_stack: LocalStack) -> None:
    answer = case.call_and_validate(base_url=local_stack.url, checks=CONFORMS)
    assert answer.status_code in {401, 404}


@pytest.mark.parametrize(
    ("event", "end"),
    [(acme_event(), ("created", None)), ({"of": "no form that was agreed"}, ("unmapped", "not_mapped"))],
)
def test_what_became_of_an_event_is_told_as_the_document_says(
    local_stack: LocalStack, sign: Signature, event: dict[str, Any], end: tuple[str, str | None]
) -> None:
    def call(route: str, method: str, **given: Any) -> dict[str, Any]:
        case = API[route][method].Case(**given)
        answer = case.call_and_validate(base_url=local_stack.url, auth=sign, checks=CONFORMS)
        assert answer.status_code in {200, 202}
        told: dict[str, Any] = answer.json()
        return told

    def asked() -> tuple[str, str | None]:
        told = call("/webhooks/{partner}/events/{id}", "GET", path_parameters=acme | {"id": delivered["id"]})
        assert told["id"] == delivered["id"]
        return told["state"], told.get("reason")

    acme = {"partner": "acme"}
    delivered = call("/webhooks/{partner}", "POST", path_parameters=acme, body=event, media_type="application/json")
    eventually(lambda: asked() == end)


def test_the_commands_of_the_page_deliver_an_event_and_ask_for_it(local_stack: LocalStack) -> None:
    partner = local_stack.ready["partners"]["acme"]
    commands = "".join(re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL))
    for name, value in {"url": local_stack.url, "secret": partner["secret"], "file": partner["sample"]}.items():
        commands, found = re.subn(rf"^{name}=\S+", f"{name}={value}", commands, flags=re.MULTILINE)
        assert found == 1
    delivered, asked = re.findall(r"HTTP/1.1 (\d+).*?\r\n\r\n(\{.*?\})", _run(commands), re.DOTALL)
    assert (delivered[0], asked[0]) == ("202", "200")
    assert json.loads(delivered[1])["id"] == json.loads(asked[1])["id"]


def _run(commands: str) -> str:
    done = subprocess.run(
        ["/bin/bash", "-euo", "pipefail"],
        input=commands.encode(),
        cwd=ROOT,
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
