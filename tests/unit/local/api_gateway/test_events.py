"""Payload format 2.0, in both directions."""

import base64

import pytest

from local.api_gateway.events import BadAnswerError, Request, Response, Route, event, message, response, routed

DEFAULT = Route("$default", "fallback")
PARTNER = Route("POST /webhooks/{partner}", "create")


def request(target: str = "/", *headers: tuple[str, str], method: str = "POST", body: bytes = b"") -> Request:
    return Request(method, target, headers, body)


def made(asked: Request, *routes: Route) -> dict[str, object]:
    found = routed(routes or (DEFAULT,), asked)
    assert found
    return event(asked, *found)


def test_a_header_that_is_repeated_is_joined_by_commas_under_its_lower_case_name() -> None:
    headers = made(request("/", ("X-Signature", "v1,a"), ("x-signature", "v1,b")))["headers"]
    assert isinstance(headers, dict)
    assert headers["x-signature"] == "v1,a,v1,b"


def test_cookies_are_a_list_of_their_own_and_no_header() -> None:
    got = made(request("/", ("Cookie", "a=1; b=2"), ("Cookie", "c=3")))
    assert got["cookies"] == ["a=1", "b=2", "c=3"]
    assert "cookie" not in str(got["headers"])


def test_the_raw_query_string_stays_encoded_while_its_parameters_are_decoded_and_joined() -> None:
    got = made(request("/x?tag=a%20b&tag=c%2Fd&empty="))
    assert got["rawQueryString"] == "tag=a%20b&tag=c%2Fd&empty="
    assert got["queryStringParameters"] == {"tag": "a b,c/d", "empty": ""}


def test_the_raw_path_and_the_path_parameters_are_decoded() -> None:
    got = made(request("/webhooks/ac%20me"), PARTNER)
    assert (got["rawPath"], got["pathParameters"]) == ("/webhooks/ac me", {"partner": "ac me"})


def test_what_a_request_does_not_have_is_absent_rather_than_null() -> None:
    assert not {"body", "cookies", "queryStringParameters", "pathParameters"} & made(request()).keys()


def test_an_empty_query_is_an_empty_string() -> None:
    assert made(request("/x"))["rawQueryString"] == ""


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "text/plain", "TEXT/csv", "application/xml"]
)
def test_text_stays_text(content_type: str) -> None:
    got = made(request("/", ("content-type", content_type), body='{"é": 1}'.encode()))
    assert (got["body"], got["isBase64Encoded"]) == ('{"é": 1}', False)


@pytest.mark.parametrize(
    "content_type", ["application/octet-stream", "application/x-www-form-urlencoded", "application/jsonp", ""]
)
def test_every_other_type_is_encoded_even_if_it_is_readable(content_type: str) -> None:
    got = made(request("/", ("content-type", content_type), body=b"a=1"))
    assert (got["body"], got["isBase64Encoded"]) == (base64.b64encode(b"a=1").decode(), True)


def test_a_body_without_a_type_is_encoded() -> None:
    assert made(request("/", body=b"{}"))["isBase64Encoded"] is True


def test_json_that_is_not_utf_8_keeps_its_bytes() -> None:
    got = made(request("/", ("content-type", "application/json"), body=b"\xff\x00"))
    assert got["isBase64Encoded"] is True
    assert base64.b64decode(str(got["body"])) == b"\xff\x00"


def test_a_header_that_is_not_utf_8_reaches_the_function_as_text_that_can_be_encoded() -> None:
    headers = made(request("/", ("x-name", b"caf\xe9".decode("utf-8", "surrogateescape"))))["headers"]
    assert isinstance(headers, dict)
    assert headers["x-name"] == "café"


def test_the_context_says_how_and_when_the_request_came() -> None:
    got = made(request("/webhooks/acme", ("Host", "api.example.com:8080"), ("User-Agent", "curl/8")), PARTNER, DEFAULT)
    context = got["requestContext"]
    assert isinstance(context, dict)
    assert context["http"] == {
        "method": "POST",
        "path": "/webhooks/acme",
        "protocol": "HTTP/1.1",
        "sourceIp": "127.0.0.1",
        "userAgent": "curl/8",
    }
    assert (context["stage"], context["routeKey"]) == ("$default", "POST /webhooks/{partner}")
    assert context["domainName"] == "api.example.com"
    assert {"accountId", "apiId", "requestId", "time", "timeEpoch"} <= context.keys()


@pytest.mark.parametrize(
    ("method", "path", "key"),
    [
        ("POST", "/a/b", "POST /a/b"),
        ("GET", "/a/b", "ANY /a/b"),
        ("POST", "/a/c", "POST /a/{one}"),
        ("POST", "/a/c/d", "ANY /a/{rest+}"),
        ("GET", "/elsewhere", "$default"),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, key: str) -> None:
    keys = ["$default", "ANY /a/{rest+}", "POST /a/{one}", "ANY /a/b", "POST /a/b"]
    found = routed([Route(k, "f") for k in keys], request(path, method=method))
    assert found
    assert found[0].key == key


def test_a_path_variable_takes_one_segment() -> None:
    assert routed([PARTNER], request("/webhooks/acme/extra")) is None
    assert routed([PARTNER], request("/webhooks/")) is None


def test_a_wrong_method_matches_nothing_where_there_is_no_default() -> None:
    assert routed([PARTNER], request("/webhooks/acme", method="GET")) is None


def test_a_proxy_answer_becomes_the_response() -> None:
    answer = {"statusCode": 202, "headers": {"Retry-After": 5}, "cookies": ["a=1", "b=2"], "body": "{}"}
    assert response(answer) == Response(
        202,
        [
            ("retry-after", "5"),
            ("set-cookie", "a=1"),
            ("set-cookie", "b=2"),
            ("content-type", "text/plain; charset=utf-8"),
        ],
        b"{}",
    )


def test_an_encoded_body_is_decoded() -> None:
    answer = {"statusCode": 200, "body": base64.b64encode(b"\xff").decode(), "isBase64Encoded": True}
    assert response(answer).body == b"\xff"


@pytest.mark.parametrize(("answer", "body"), [({"ok": True}, b'{"ok": true}'), ("plain", b"plain"), (None, b"null")])
def test_an_answer_without_a_status_is_taken_as_json_with_200(answer: object, body: bytes) -> None:
    assert response(answer) == Response(200, [("content-type", "application/json")], body)


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": "many"},
        {"statusCode": 99},
        {"statusCode": 200, "headers": {"x": ["a"]}},
        {"statusCode": 200, "headers": ["x"]},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "body": "%%%", "isBase64Encoded": True},
    ],
)
def test_an_answer_that_cannot_be_a_response_is_refused(answer: object) -> None:
    with pytest.raises(BadAnswerError):
        response(answer)


def test_the_api_speaks_json_with_a_message() -> None:
    assert message(404, "Not Found") == Response(
        404, [("content-type", "application/json")], b'{"message": "Not Found"}'
    )
