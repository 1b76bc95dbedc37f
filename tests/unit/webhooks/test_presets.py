"""Each sender's own way: published vectors, and what its headers look like."""

import hashlib
import json

import pytest

from tests.senders import NOW, OTHER_WHSEC, SENDERS, WHSEC
from ticket_relay.errors import PayloadRefused, SignatureRefused
from ticket_relay.webhooks.payload import Request
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.signatures import sign, verify

# "Verifying requests from Slack": a slash command, a form without any JSON.
SLACK_FORM = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SLACK = {
    "x-slack-request-timestamp": "1531420618",
    "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
}
FORM = {"content-type": "application/x-www-form-urlencoded"}
SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
VECTORS = [
    (
        "github",
        "mysecret",
        b'{"foo":"bar"}',
        "x-hub-signature-256",
        "sha256=4864d2759938a15468b5df9ade20bf161da9b4f737ea61794142f3484236bda3",
    ),
    (
        "github",
        "It's a Secret to Everybody",
        b"Hello, World!",
        "x-hub-signature-256",
        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
    ),
    # WebSub's header and GitHub's rule, as Atlassian's documentation shows them.
    (
        "jira",
        "It's a Secret to Everybody",
        b"Hello World!",
        "x-hub-signature",
        "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9",
    ),
]


def taken(name, headers, body, secret, now=NOW):
    return verify(PRESETS[name], Request(headers, body), secrets=[secret], now=now)


def reason(name, headers, body, secret, now=NOW):
    with pytest.raises(SignatureRefused) as refused:
        taken(name, headers, body, secret, now)
    return refused.value.code


def parts(request):
    return request.headers, request.body


@pytest.mark.parametrize(("name", "secret", "body", "header", "signature"), VECTORS)
def test_a_published_vector_is_taken_and_made(name, secret, body, header, signature):
    headers = sign(PRESETS[name], id="72d3162e", timestamp=NOW, body=body, secret=secret)
    assert headers[header] == signature
    assert taken(name, headers, body, secret).id == "72d3162e"
    assert reason(name, headers | {header: signature[:-1] + "0"}, body, secret) == "wrong_signature"
    assert reason(name, headers | {header: signature.replace("sha256", "sha1")}, body, secret) == "malformed_header"
    assert reason(name, headers | {header: signature[:-1]}, body, secret) == "malformed_header"


def test_slacks_published_vector_is_taken_and_made():
    assert sign(PRESETS["slack"], id="", timestamp=1531420618, body=SLACK_FORM, secret=SLACK_SECRET) == SLACK
    with pytest.raises(PayloadRefused, match="one field payload"):  # proven, but not an event
        taken(
            "slack", SLACK | {"content-type": "application/x-www-form-urlencoded"}, SLACK_FORM, SLACK_SECRET, 1531420618
        )
    assert reason("slack", SLACK, SLACK_FORM + b"&", SLACK_SECRET, 1531420618) == "wrong_signature"
    assert reason("slack", SLACK, SLACK_FORM, SLACK_SECRET, 1531420618 + 301) == "stale_timestamp"


def test_stripes_header_has_its_time_and_may_have_several_signatures():
    body = b'{"id": "evt_1"}'
    ((header, value),) = sign(PRESETS["stripe"], id="", timestamp=NOW, body=body, secret=WHSEC).items()
    time, _, good = value.partition(",v1=")
    assert (header, time) == ("stripe-signature", f"t={NOW}")
    for around in ("{t},v1={bad},v1={good}", "{t},v1={good},v0={bad}", "v1={good}, {t}", "{t},v0=old,v1={good}"):
        text = around.format(t=time, good=good, bad="0" * 64)
        assert taken("stripe", {header: text}, body, WHSEC).id == "evt_1"
    assert reason("stripe", {header: f"{time},v0={good}"}, body, WHSEC) == "malformed_header"
    assert reason("stripe", {header: f"v1={good}"}, body, WHSEC) == "malformed_header"
    assert reason("stripe", {header: f"t={NOW + 1},v1={good}"}, body, WHSEC) == "wrong_signature"
    assert reason("stripe", {header: f"t=soon,v1={good}"}, body, WHSEC) == "malformed_header"


def test_stripes_secret_is_taken_as_it_stands():
    body = b'{"id": "evt_1"}'
    headers = sign(PRESETS["stripe"], id="", timestamp=NOW, body=body, secret="whsec_test")
    assert taken("stripe", headers, body, "whsec_test")


def test_pagerduty_signs_with_each_of_its_secrets():
    body = b'{"event": {"id": "01D"}}'
    good = sign(PRESETS["pagerduty"], id="", timestamp=NOW, body=body, secret="new")["x-pagerduty-signature"]
    assert taken("pagerduty", {"x-pagerduty-signature": f"v1={'0' * 64},{good}"}, body, "new").id == "01D"


def test_linear_is_dated_by_its_body():
    sender = SENDERS["linear"]
    assert taken("linear", *parts(sender.request()), sender.secret, NOW + 60).timestamp == NOW
    assert reason("linear", *parts(sender.request()), sender.secret, NOW + 61) == "stale_timestamp"
    for body in (b"{}", b'{"webhookTimestamp": null}', b'{"webhookTimestamp": true}', b'{"webhookTimestamp": "soon"}'):
        assert reason("linear", *parts(sender.request(body=body)), sender.secret) == "missing_timestamp"


@pytest.mark.parametrize(
    ("given", "expected"), [("evt_1", "evt_1"), (17, "17"), ("two words", None), ("x" * 257, None), ("é", None)]
)
def test_an_id_in_the_body_is_its_own_text_or_the_hash_of_that(given, expected):
    body = json.dumps({"id": given, "time": 1}).encode()
    again = json.dumps({"id": given, "time": 2}).encode()
    expected = expected or hash_id(str(given).encode())
    assert [id_of("stripe", body), id_of("stripe", again)] == [expected, expected]


@pytest.mark.parametrize("given", ["", None, True, {"a": 1}, ["evt_1"], 1.5])
def test_without_an_id_in_the_body_it_is_the_hash_of_the_body(given):
    body = json.dumps({"id": given}).encode()
    assert id_of("stripe", body) == hash_id(body)


def id_of(name, body):
    return taken(name, *parts(SENDERS[name].request(body=body)), SENDERS[name].secret).id


def hash_id(content):
    return f"sha256-{hashlib.sha256(content).hexdigest()}"


@pytest.mark.parametrize("stored", [[WHSEC], ["plain", WHSEC], [OTHER_WHSEC, WHSEC]])
def test_gitlab_with_a_signing_token_is_standard_webhooks(stored):
    body = b"{}"
    headers = sign(PRESETS["standard-webhooks"], id="msg_1", timestamp=NOW, body=body, secret=WHSEC)
    request = Request(headers | {"x-gitlab-token": "something else", "idempotency-key": "msg_1"}, body)
    assert verify(PRESETS["gitlab"], request, secrets=stored, now=NOW).id == "msg_1"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"idempotency-key": "key-1", "x-gitlab-event-uuid": "uuid-1"}, "key-1"),
        ({"x-gitlab-event-uuid": "uuid-1"}, "uuid-1"),
    ],
)
def test_gitlab_with_a_secret_token_is_known_by_its_key_or_its_event(headers, expected):
    assert taken("gitlab", headers | {"x-gitlab-token": "plain"}, b"{}", "plain").id == expected
    assert reason("gitlab", headers | {"x-gitlab-token": "plein"}, b"{}", "plain") == "wrong_credentials"
    assert reason("gitlab", headers, b"{}", "plain") == "missing_header"


def test_a_forged_signature_of_gitlab_does_not_fall_back_to_its_token():
    headers = sign(PRESETS["gitlab"], id="msg_1", timestamp=NOW, body=b"{}", secret=OTHER_WHSEC)
    request = Request(headers | {"x-gitlab-token": "plain", "idempotency-key": "msg_1"}, b"{}")
    with pytest.raises(SignatureRefused) as refused:
        verify(PRESETS["gitlab"], request, secrets=[WHSEC, "plain"], now=NOW)
    assert refused.value.code == "wrong_signature"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_bearer_token_is_taken_whatever_the_case_of_its_scheme(scheme):
    assert taken("bearer", {"authorization": f"{scheme} abc.DEF-123"}, b"{}", "abc.DEF-123")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bearer abc.DEF-12", "wrong_credentials"),
        ("Bearer abc.def-123", "wrong_credentials"),
        ("Bearer ", "wrong_credentials"),
        ("Bearer \u20ac", "wrong_credentials"),
        ("Bearer \ud800", "wrong_credentials"),
        ("Bearer", "malformed_header"),
        ("abc.DEF-123", "malformed_header"),
        ("Basic abc.DEF-123", "malformed_header"),
        ("", "missing_header"),
        ("Bearer " + "a" * 5000, "malformed_header"),
    ],
)
def test_any_other_token_is_refused(value, expected):
    assert reason("bearer", {"authorization": value}, b"{}", "abc.DEF-123") == expected


def test_basic_is_taken_as_rfc_7617_shows_it():
    assert taken("basic", {"authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, b"{}", "Aladdin:open sesame")
    assert taken("basic", {"authorization": "basic dGVzdDoxMjPCow=="}, b"{}", "test:123£")


@pytest.mark.parametrize("secret", ["password", ":password", "user:", ":"])
def test_basic_needs_a_user_and_a_password(secret):
    assert reason("basic", {"authorization": "Basic Og=="}, b"{}", secret) == "malformed_secret"


@pytest.mark.parametrize("secret", [" token", "token ", "tok\nen", "tokén", "\ud800"])
def test_a_token_that_no_header_can_carry_is_malformed(secret):
    assert reason("bearer", {"authorization": f"Bearer {secret}"}, b"{}", secret) == "malformed_secret"


@pytest.mark.parametrize(
    ("name", "event", "fits", "answer"),
    [
        ("slack", {"type": "url_verification", "challenge": "3eZbrw1a"}, True, "3eZbrw1a"),
        ("slack", {"type": "url_verification", "challenge": {"a": 1}}, True, None),
        ("slack", {"type": "url_verification"}, True, None),
        ("slack", {"type": "event_callback", "challenge": "3eZbrw1a"}, False, "3eZbrw1a"),
        ("github", {"zen": "Design for failure.", "hook_id": 1, "hook": {}}, True, None),
        ("github", {"action": "opened", "issue": {}}, False, None),
        ("pagerduty", {"event": {"event_type": "pagey.ping"}}, True, None),
        ("pagerduty", {"event": {"event_type": "incident.triggered"}}, False, None),
    ],
)
def test_a_sender_that_only_tries_the_address_out_is_known_by_its_body(name, event, fits, answer):
    probe = PRESETS[name].probe
    assert (probe.fits(event), probe.answer(event)) == (fits, answer)
