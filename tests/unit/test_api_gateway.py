import base64
import json

import pytest

from tests.builders import CANARY, http_event
from ticket_relay import api_gateway
from ticket_relay.errors import PayloadRefused, SignatureRefused, StaleRow, StoreUnavailable, UnknownPartner


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


def answered(error, event):
    """Status, body and headers of a webhook that raises."""

    def webhook(event):
        raise error

    answer = api_gateway.router({"POST /webhooks/{partner}": webhook})(event)
    return answer["statusCode"], json.loads(answer["body"]), answer["headers"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (SignatureRefused("stale_timestamp", "Too old."), 401, "stale_timestamp"),
        (PayloadRefused("body_too_large", "Too large.", status=413), 413, "body_too_large"),
        (UnknownPartner(), 404, "unknown_partner"),
        (StoreUnavailable("DynamoDB answered X."), 503, "store_unavailable"),
        (StaleRow("Elsewhere."), 503, "row_moved"),
    ],
)
def test_each_error_of_the_tree_is_json_with_its_status(error, status, code):
    got, body, headers = answered(error, http_event(b"{}", {}))
    assert (got, body) == (status, {"error": code, "message": str(error)})
    assert headers["Content-Type"] == "application/json"


def test_only_what_may_be_repeated_says_when():
    assert answered(StoreUnavailable("No."), http_event(b"{}", {}))[2]["Retry-After"] == "5"
    assert "Retry-After" not in answered(UnknownPartner(), http_event(b"{}", {}))[2]


def test_a_bug_tells_nobody_what_it_met(capsys):
    status, body, _ = answered(ValueError(CANARY), http_event(b"{}", {}))
    assert (status, body["error"]) == (503, "internal_error")
    assert CANARY not in json.dumps(body) + capsys.readouterr().out


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("GET", "/webhooks/acme"), ("POST", "/webhooks/a/b"), ("PUT", "/webhooks/acme")]
)
def test_other_paths_and_methods_are_not_found(method, path):
    status, body, _ = answered(UnknownPartner(), http_event(b"", {}, path=path, method=method))
    assert (status, body["error"]) == (404, "not_found")


def test_each_route_has_its_function():
    router = api_gateway.router(
        {
            "POST /webhooks/{partner}": lambda event: api_gateway.answer(202, event["pathParameters"]),
            "GET /webhooks/{partner}/events/{id+}": lambda event: api_gateway.answer(200, event["pathParameters"]),
        }
    )
    delivered = router(http_event(b"", {}))
    asked = router(http_event(b"", {}, path="/webhooks/acme/events/a%2Fb%25%3F", method="GET"))
    assert (delivered["statusCode"], json.loads(delivered["body"])) == (202, {"partner": "acme"})
    assert (asked["statusCode"], json.loads(asked["body"])) == (200, {"partner": "acme", "id": "a/b%?"})


@pytest.mark.parametrize("body", [b"", b"{}", "ü".encode(), b"\xff\x00", b'{"a":  1}\r\n'])
@pytest.mark.parametrize("content_type", ["application/json", "application/octet-stream"])
def test_the_bytes_of_the_body_are_restored(body, content_type):
    event = {"body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    assert api_gateway.raw_body(event) == body
    assert api_gateway.raw_body(http_event(body, {"content-type": content_type})) == body or b"\xff" in body


def test_an_absent_body_is_empty():
    assert api_gateway.raw_body({}) == api_gateway.raw_body({"body": None}) == b""


def test_a_retry_after_is_in_whole_seconds():
    assert api_gateway.answer(503, {}, retry_after=4.2)["headers"]["Retry-After"] == "5"
