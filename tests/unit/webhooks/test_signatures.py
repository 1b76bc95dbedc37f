import base64
import hashlib
import hmac

import pytest

from ticket_relay.errors import SignatureRefused
from ticket_relay.webhooks.payload import Request
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.scheme import TOLERANCE
from ticket_relay.webhooks.signatures import Delivery, sign, verify

NOW = 1614265330
BODY = b'{"test": 2432232314}'
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_SECRET = "whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode()
VECTOR = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
ZENDESK_SECRET = "dGhpc19zZWNyZXRfaXNfZm9yX3Rlc3Rpbmdfb25seQ=="
ZENDESK_VECTORS = [
    (
        "2021-03-25T05:09:27Z",
        1616648967,
        b'{"event":"ticket.updated","id":123}',
        "S/RDdU2ERmj7LHDDoWJ2onPYH+t7/f2+LTM4dL7UiLM=",
    ),
    ("2021-03-25T05:09:27Z", 1616648967, b"", "wCdBvXaHttn0wRVIYctzZ9O6O0bnqWakJMEKZ9VoRWw="),
    ("2026-11-21T22:00:00Z", 1795298400, b'{"ticket_id":"35436"}', "JSz9X/iDAA3xZrBHAAZGJocbVfrH1h1PQEkrRMTa/Do="),
]


def digest(key, content):
    return hmac.digest(key, content, "sha256")


def standard(headers=VECTOR, body=BODY, secrets=(SECRET,), now=NOW):
    return verify(PRESETS["standard-webhooks"], Request(headers, body), secrets=secrets, now=now)


def zendesk_headers(timestamp, signature, invocation="8350205582"):
    return {
        "x-zendesk-webhook-invocation-id": invocation,
        "x-zendesk-webhook-signature-timestamp": timestamp,
        "x-zendesk-webhook-signature": signature,
    }


def zendesk(headers, body, secrets=(ZENDESK_SECRET,), now=1616648967):
    return verify(PRESETS["zendesk"], Request(headers, body), secrets=secrets, now=now)


def reason(check, *args, **kwargs):
    with pytest.raises(SignatureRefused) as refused:
        check(*args, **kwargs)
    assert refused.value.status == 401
    return refused.value.code


def test_the_published_standard_webhooks_vector_is_accepted():
    assert standard() == Delivery("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, None)


@pytest.mark.parametrize(("timestamp", "now", "body", "signature"), ZENDESK_VECTORS)
def test_the_known_zendesk_vectors_are_accepted(timestamp, now, body, signature):
    delivery = zendesk(zendesk_headers(timestamp, signature), body, now=now)
    assert (delivery.id, delivery.timestamp) == ("8350205582", now)


def test_the_replay_key_of_zendesk_ignores_the_unsigned_invocation_id():
    timestamp, now, body, signature = ZENDESK_VECTORS[0]
    first, second = (zendesk(zendesk_headers(timestamp, signature, id_), body, now=now) for id_ in ("1", "2"))
    assert first.id != second.id
    assert first.replay_key == second.replay_key == hashlib.sha256(timestamp.encode() + body).hexdigest()
    assert first.replayable_until == now + TOLERANCE


def test_the_obsolete_order_of_body_and_timestamp_is_refused():
    body, timestamp = b"{}", "2021-03-25T05:09:27Z"
    obsolete = base64.b64encode(digest(ZENDESK_SECRET.encode(), body + timestamp.encode())).decode()
    assert reason(zendesk, zendesk_headers(timestamp, obsolete), body) == "wrong_signature"


def test_our_signer_makes_the_published_headers():
    assert (
        sign(PRESETS["standard-webhooks"], id=VECTOR["webhook-id"], timestamp=NOW, body=BODY, secret=SECRET) == VECTOR
    )


@pytest.mark.parametrize("secrets", [[OTHER_SECRET, SECRET], [SECRET, OTHER_SECRET], ["not a secret", SECRET]])
def test_any_of_several_secrets_may_have_signed(secrets):
    assert standard(secrets=secrets).id == VECTOR["webhook-id"]


@pytest.mark.parametrize(
    "joined",
    [
        "v1,{other} v1,{good}",
        "v1,{good} v1,{other}",
        "v1,{other},v1,{good}",  # two headers, joined by API Gateway
        "v1,{other}, v1,{good}",
        "v1a,c29tZXRoaW5nIGVsc2U= v1,{good}",
        "v1a,not/base64! v1,{good}",
    ],
)
def test_any_of_several_signatures_may_be_the_right_one(joined):
    good = VECTOR["webhook-signature"].removeprefix("v1,")
    other = base64.b64encode(bytes(32)).decode()
    assert standard(VECTOR | {"webhook-signature": joined.format(good=good, other=other)}).id == VECTOR["webhook-id"]


@pytest.mark.parametrize("offset", [-TOLERANCE, TOLERANCE])
def test_a_timestamp_at_the_edge_of_the_tolerance_is_accepted(offset):
    assert standard(now=NOW + offset).timestamp == NOW


def test_a_timestamp_of_the_past_is_stale():
    assert reason(standard, now=NOW + TOLERANCE + 1) == "stale_timestamp"


def test_a_timestamp_of_the_future_is_refused():
    assert reason(standard, now=NOW - TOLERANCE - 1) == "future_timestamp"


def test_zendesk_timestamps_are_held_to_the_same_tolerance():
    timestamp, now, body, signature = ZENDESK_VECTORS[0]
    headers = zendesk_headers(timestamp, signature)
    assert reason(zendesk, headers, body, now=now + TOLERANCE + 1) == "stale_timestamp"
    assert reason(zendesk, headers, body, now=now - TOLERANCE - 1) == "future_timestamp"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"webhook-signature": "v1," + base64.b64encode(bytes(32)).decode()}, "wrong_signature"),
        ({"webhook-signature": "v1a," + base64.b64encode(bytes(64)).decode()}, "malformed_header"),
        ({"webhook-id": "msg_other"}, "wrong_signature"),
        ({"webhook-timestamp": "1614265331"}, "wrong_signature"),
        ({"webhook-signature": "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}, "malformed_header"),
        ({"webhook-signature": "v1,"}, "malformed_header"),
        ({"webhook-signature": "v1,g0hM9SsE"}, "malformed_header"),
        ({"webhook-signature": "v1,%%%%"}, "malformed_header"),
        ({"webhook-signature": "v1,ключ"}, "malformed_header"),
        ({"webhook-signature": " "}, "malformed_header"),
        ({"webhook-signature": "v1," + "A" * 5000}, "malformed_header"),
        ({"webhook-timestamp": "1614265330.0"}, "malformed_header"),
        ({"webhook-timestamp": "-1614265330"}, "malformed_header"),
        ({"webhook-timestamp": " 1614265330"}, "malformed_header"),
        ({"webhook-timestamp": "١٦١٤٢٦٥٣٣٠"}, "malformed_header"),
        ({"webhook-timestamp": "9" * 400}, "malformed_header"),
        ({"webhook-timestamp": "NaN"}, "malformed_header"),
        ({"webhook-id": "with blank"}, "malformed_header"),
        ({"webhook-id": "line\nbreak"}, "malformed_header"),
        ({"webhook-id": "ключ"}, "malformed_header"),
        ({"webhook-id": "x" * 257}, "malformed_header"),
        ({"webhook-id": ""}, "missing_header"),
        ({"webhook-timestamp": ""}, "missing_header"),
        ({"webhook-signature": ""}, "missing_header"),
    ],
)
def test_each_defect_of_a_header_has_its_reason(change, expected):
    assert reason(standard, VECTOR | change) == expected


@pytest.mark.parametrize("name", sorted(VECTOR))
def test_a_missing_header_is_refused(name):
    assert reason(standard, {key: value for key, value in VECTOR.items() if key != name}) == "missing_header"


@pytest.mark.parametrize(
    "timestamp", ["2021-03-25T05:09:27", "1616648967", "yesterday", "0001-01-01T00:00:00+23:59", "2021-03-25"]
)
def test_a_zendesk_timestamp_that_is_no_moment_is_malformed(timestamp):
    headers = zendesk_headers(timestamp, ZENDESK_VECTORS[0][3])
    assert reason(zendesk, headers, ZENDESK_VECTORS[0][2]) == "malformed_header"


@pytest.mark.parametrize("body", [b"", BODY + b"\n", BODY.replace(b"2", b"3"), b"\xff\xfe"])
def test_an_altered_body_is_refused(body):
    assert reason(standard, body=body) == "wrong_signature"


def test_a_body_that_is_not_text_can_be_signed():
    body = b"\xff\xfe\x00"
    headers = sign(PRESETS["standard-webhooks"], id="evt-1", timestamp=NOW, body=body, secret=SECRET)
    assert standard(headers, body).id == "evt-1"


def test_an_id_of_256_characters_is_taken():
    headers = sign(PRESETS["standard-webhooks"], id="x" * 256, timestamp=NOW, body=BODY, secret=SECRET)
    assert standard(headers).id == "x" * 256


def test_without_a_secret_nothing_is_accepted():
    assert reason(standard, secrets=[]) == "no_secret"


def test_another_key_is_refused():
    assert reason(standard, secrets=[OTHER_SECRET]) == "wrong_signature"


def test_a_secret_may_lack_the_padding_of_its_base64():
    padded = "whsec_" + base64.b64encode(bytes(25)).decode()
    headers = sign(PRESETS["standard-webhooks"], id="evt-1", timestamp=NOW, body=BODY, secret=padded)
    assert standard(headers, secrets=[padded.rstrip("=")]).id == "evt-1"


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_not base64",
        "whsec_ключ",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
    ],
)
def test_a_malformed_standard_secret_is_named_as_the_cause(secret):
    assert reason(standard, secrets=[secret]) == "malformed_secret"


def test_an_empty_zendesk_secret_is_malformed_since_anybody_could_sign_with_it():
    timestamp, _, body, _ = ZENDESK_VECTORS[0]
    forged = base64.b64encode(digest(b"", timestamp.encode() + body)).decode()
    assert reason(zendesk, zendesk_headers(timestamp, forged), body, secrets=[""]) == "malformed_secret"


def test_a_refusal_holds_neither_header_nor_secret():
    with pytest.raises(SignatureRefused) as refused:
        standard(VECTOR | {"webhook-id": "canary-7f3"}, secrets=[OTHER_SECRET])
    assert "canary" not in repr(refused.value)
    assert OTHER_SECRET not in repr(refused.value)
