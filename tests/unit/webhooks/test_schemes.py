"""What holds for every scheme alike."""

import base64
import hashlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.senders import ID_SIGNED_BESIDE_THE_BODY, NOW, SENDERS, SIGNED, TIMED
from ticket_relay.errors import PayloadRefused, SignatureRefused
from ticket_relay.webhooks.authenticate import authenticate
from ticket_relay.webhooks.payload import Request
from ticket_relay.webhooks.presets import NAMES
from ticket_relay.webhooks.signatures import sign, verify, verify_sender

REASONS = {
    "no_secret",
    "malformed_secret",
    "missing_header",
    "malformed_header",
    "missing_timestamp",
    "stale_timestamp",
    "future_timestamp",
    "wrong_signature",
    "wrong_credentials",
}
"""All that a 401 may say."""

every_sender = pytest.mark.parametrize("name", SENDERS)
every_signer = pytest.mark.parametrize("name", SIGNED)


def taken(name, request=None, *, secrets=None, now=NOW):
    sender = SENDERS[name]
    request = request or sender.request()
    return verify(sender.scheme, request, secrets=[sender.secret] if secrets is None else secrets, now=now)


def reason(name, request=None, **given):
    with pytest.raises(SignatureRefused) as refused:
        taken(name, request, **given)
    assert refused.value.status == 401
    return refused.value.code


def test_every_scheme_that_a_definition_may_name_is_tried_here():
    assert SENDERS.keys() >= NAMES


@every_sender
def test_what_a_sender_signs_is_taken_under_its_id(name):
    request = SENDERS[name].request()
    expected = "evt_1" if SENDERS[name].way.id else f"sha256-{hashlib.sha256(request.body).hexdigest()}"
    assert taken(name, request).id == expected


@every_sender
def test_the_time_of_a_delivery_is_the_senders_where_it_says_one(name):
    assert taken(name, now=NOW + 30).timestamp == (NOW if name in TIMED else NOW + 30)


@every_sender
def test_any_of_several_secrets_may_have_signed(name):
    sender = SENDERS[name]
    for secrets in ([sender.other, sender.secret], [sender.secret, sender.other], ["", sender.secret]):
        assert taken(name, secrets=secrets)


@every_sender
def test_another_secret_is_refused(name):
    wrong = "wrong_signature" if name in SIGNED else "wrong_credentials"
    assert reason(name, secrets=[SENDERS[name].other]) == wrong


@every_sender
def test_without_a_secret_nothing_is_taken(name):
    assert reason(name, secrets=[]) == "no_secret"


@every_sender
def test_an_empty_secret_is_none_since_anybody_could_use_it(name):
    assert reason(name, secrets=["", ""]) == "malformed_secret"


@every_sender
def test_every_header_is_needed(name):
    request = SENDERS[name].request()
    for header in request.headers:
        rest = {key: value for key, value in request.headers.items() if key != header}
        assert reason(name, Request(rest, request.body)) == "missing_header"


@every_signer
def test_an_altered_body_is_refused(name):
    request = SENDERS[name].request()
    for body in (b"", request.body + b" ", b"{}", b"\xff"):
        assert reason(name, Request(request.headers, body)) == "wrong_signature"


@pytest.mark.parametrize("name", TIMED)
def test_a_delivery_is_taken_within_its_tolerance_and_refused_beyond(name):
    tolerance = SENDERS[name].way.timestamp.tolerance
    assert taken(name, now=NOW + tolerance)
    assert taken(name, now=NOW - tolerance)
    assert reason(name, now=NOW + tolerance + 1) == "stale_timestamp"
    assert reason(name, now=NOW - tolerance - 1) == "future_timestamp"


@pytest.mark.parametrize("name", sorted(SENDERS.keys() - TIMED))
def test_a_scheme_without_a_time_takes_its_deliveries_whenever_they_come(name):
    assert taken(name, now=NOW + 10**9)


@pytest.mark.parametrize("name", ID_SIGNED_BESIDE_THE_BODY)
def test_an_id_that_is_signed_beside_the_body_cannot_be_changed(name):
    request = SENDERS[name].request()
    headers = {key: value.replace("evt_1", "evt_2") for key, value in request.headers.items()}
    assert reason(name, Request(headers, request.body)) == "wrong_signature"
    assert taken(name, request).replay_key is None


@pytest.mark.parametrize("name", [name for name in SIGNED if name not in ID_SIGNED_BESIDE_THE_BODY])
def test_what_can_come_again_under_another_id_is_recognised_as_long_as_it_can(name):
    request = SENDERS[name].request()
    headers = {key: value.replace("evt_1", "evt_2") for key, value in request.headers.items()}
    first, second = taken(name, request), taken(name, Request(headers, request.body))
    assert first.replay_key == second.replay_key is not None
    assert (first.id != second.id) == (headers != request.headers)
    until = NOW + SENDERS[name].way.timestamp.tolerance if name in TIMED else math.inf
    assert first.replayable_until == until
    another = SENDERS[name].request(body=request.body.replace(b"}", b" }"))
    assert taken(name, another).replay_key != first.replay_key


@pytest.mark.parametrize("name", [name for name in SENDERS if name not in SIGNED])
def test_who_holds_the_credentials_itself_needs_no_replay(name):
    assert taken(name).replay_key is None


@every_sender
def test_a_refusal_holds_neither_header_nor_secret(name):
    sender = SENDERS[name]
    request = sender.request()
    canaries = {key: f"{value}canary" for key, value in request.headers.items()}
    with pytest.raises(SignatureRefused) as refused:
        taken(name, Request(canaries, request.body))
    assert "canary" not in repr(refused.value)
    assert sender.secret not in repr(refused.value)


@every_sender
def test_only_a_secret_of_the_scheme_can_sign(name):
    with pytest.raises(SignatureRefused, match="not one of its scheme"):
        sign(SENDERS[name].scheme, id="evt_1", timestamp=NOW, body=b"{}", secret="")


garbage = st.text(st.characters(), max_size=60) | st.text(st.characters(categories=["Cs", "Nd", "Zs"]), max_size=9)
in_code = st.binary(max_size=64).flatmap(lambda raw: st.sampled_from([raw.hex(), base64.b64encode(raw).decode()]))
PREFIXES = ["v1,", "v0=", "v1=", "sha256=", "t=1795300000,v1=", "Bearer ", "Basic ", "HMAC ", "nonce=a;HMAC "]
BROKEN = ["", "whsec_", "whsec_!", "00f", ":", "relay:", "ключ", "\ud800", "whsec_\ud800"]


@st.composite
def attacks(draw):
    """A sender's scheme and secrets, with a request that is anything between garbage and genuine but for its secret."""
    sender = SENDERS[draw(st.sampled_from(list(SENDERS)))]
    genuine = sender.request(secret=sender.other)
    values = st.sampled_from(list(genuine.headers.values())) | garbage | in_code
    values |= st.tuples(st.sampled_from(PREFIXES), values).map("".join)
    headers = dict(genuine.headers) | draw(st.dictionaries(st.sampled_from(list(genuine.headers)), values))
    for name in draw(st.sets(st.sampled_from(list(genuine.headers)), max_size=1)):
        del headers[name]
    headers |= draw(st.dictionaries(st.sampled_from(["content-type", "content-encoding"]), garbage, max_size=1))
    body = draw(st.just(genuine.body) | st.binary(max_size=60) | garbage.map(lambda text: json.dumps(text).encode()))
    # "ours": no garbage of a header can be the same by chance.
    secrets = st.sampled_from([sender.secret, *BROKEN]) | st.tuples(garbage, st.just("ours")).map("".join)
    return sender.scheme, Request(headers, body), draw(st.lists(secrets, max_size=3)), draw(st.floats(0, 4e9))


@given(attacks())
def test_whatever_comes_is_refused_with_a_known_reason(attack):
    scheme, request, secrets, now = attack
    with pytest.raises(SignatureRefused) as refused:
        verify(scheme, request, secrets=secrets, now=now)
    assert refused.value.status == 401
    assert refused.value.code in REASONS


def asked(name, headers, *, secrets=None, now=NOW):
    sender = SENDERS[name]
    verify_sender(sender.scheme, headers, secrets=secrets or [sender.other, sender.secret], now=now)


@every_sender
def test_a_sender_asks_with_the_signature_of_an_empty_body(name):
    sender = SENDERS[name]
    headers = sign(sender.scheme, id="any", timestamp=NOW, body=b"", secret=sender.secret)
    asked(name, headers)
    with pytest.raises(SignatureRefused) as refused:
        asked(name, headers, secrets=[sender.other])
    assert refused.value.code in {"wrong_signature", "wrong_credentials"}


@pytest.mark.parametrize("name", [name for name in TIMED if not SENDERS[name].way.timestamp.body])
def test_a_question_grows_old_where_its_time_is_in_a_header(name):
    sender = SENDERS[name]
    headers = sign(sender.scheme, id="any", timestamp=NOW, body=b"", secret=sender.secret)
    with pytest.raises(SignatureRefused) as refused:
        asked(name, headers, now=NOW + sender.way.timestamp.tolerance + 1)
    assert refused.value.code == "stale_timestamp"


@every_signer
def test_a_delivery_that_was_captured_is_no_question(name):
    with pytest.raises(SignatureRefused) as refused:
        asked(name, SENDERS[name].request().headers)
    assert refused.value.code == "wrong_signature"


@every_sender
def test_a_question_that_was_captured_is_no_delivery(name):
    sender = SENDERS[name]
    headers = sign(sender.scheme, id="evt_1", timestamp=NOW, body=b"", secret=sender.secret)
    for packed in ({}, {"content-encoding": "gzip"}, {"content-type": "application/x-www-form-urlencoded"}):
        request = Request(headers | packed, b"")
        with pytest.raises(PayloadRefused):
            authenticate(sender.scheme, request, lambda: [sender.secret], NOW)


@given(attacks())
def test_whoever_asks_without_a_secret_is_refused_with_a_known_reason(attack):
    scheme, request, secrets, now = attack
    with pytest.raises(SignatureRefused) as refused:
        verify_sender(scheme, request.headers, secrets=secrets, now=now)
    assert refused.value.code in REASONS


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | garbage,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "event"]), inner, max_size=2),
    max_leaves=6,
)
names = st.sampled_from(["id", "event_id", "uuid", "event", "webhookTimestamp", "sent"])
events = st.dictionaries(names, values, max_size=4).map(lambda event: json.dumps(event).encode())


@given(st.sampled_from(list(SENDERS)), events | st.binary(max_size=60))
def test_whatever_a_genuine_sender_signs_has_an_id_and_a_time_or_is_refused(name, body):
    try:
        delivery = taken(name, SENDERS[name].request(body=body))
    except PayloadRefused:
        return
    except SignatureRefused as refused:
        assert refused.code in {"missing_timestamp", "stale_timestamp", "future_timestamp"}  # noqa: PT017
        return
    assert 0 < len(delivery.id) <= 256
    assert delivery.id.isascii()
    assert delivery.timestamp == NOW
