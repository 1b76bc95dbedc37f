"""What senders publish in Python signs what we take, and takes what we sign."""

import json
import time
from datetime import UTC, datetime

import pytest
import shopify_app
import slack_sdk.signature
import standardwebhooks
import stripe
import svix
from hypothesis import given
from hypothesis import strategies as st

from tests.senders import OTHER_WHSEC, WHSEC
from ticket_relay.webhooks.payload import Request
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.signatures import sign, verify

# Half a surrogate pair is the only text that no library can encode. The ids stand where some schemes look for them.
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
bodies = texts.map(
    lambda text: json.dumps({"id": "evt_1", "event_id": "evt_1", "text": text}, ensure_ascii=False).encode()
)
tokens = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
ids = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=","), min_size=1, max_size=40)


def taken(name, headers, body, secret):
    return verify(PRESETS[name], Request(headers, body), secrets=[secret], now=time.time())


def signed(name, body, secret, id="evt_1"):
    return sign(PRESETS[name], id=id, timestamp=time.time(), body=body, secret=secret)


@pytest.mark.parametrize(
    ("name", "library", "prefix"),
    [("standard-webhooks", standardwebhooks.Webhook, "webhook"), ("svix", svix.Webhook, "svix")],
)
@given(bodies, ids)
def test_standard_webhooks(name, library, prefix, body, id):
    now = datetime.now(UTC)
    headers = {
        f"{prefix}-id": id,
        f"{prefix}-timestamp": str(int(now.timestamp())),
        f"{prefix}-signature": library(WHSEC).sign(id, now, body.decode()),
    }
    assert taken(name, headers, body, WHSEC).id == id
    library(WHSEC).verify(body, signed(name, body, WHSEC, id), **({"json_parse": False} if name != "svix" else {}))
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        library(OTHER_WHSEC).verify(body, signed(name, body, WHSEC, id))


@given(bodies, tokens)
def test_stripe(body, secret):
    header = stripe.WebhookSignature.generate_signature_header(body.decode(), secret)
    assert taken("stripe", {"stripe-signature": header}, body, secret).id == "evt_1"
    ours = signed("stripe", body, secret)["stripe-signature"]
    assert stripe.WebhookSignature.verify_header(body, ours, secret, tolerance=300)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body + b" ", ours, secret, tolerance=300)


@given(bodies, tokens)
def test_slack(body, secret):
    verifier = slack_sdk.signature.SignatureVerifier(secret)
    now = str(int(time.time()))
    theirs = {
        "x-slack-request-timestamp": now,
        "x-slack-signature": verifier.generate_signature(timestamp=now, body=body),
    }
    assert taken("slack", theirs, body, secret).id == "evt_1"
    assert verifier.is_valid_request(body, signed("slack", body, secret))
    assert not verifier.is_valid_request(body + b" ", signed("slack", body, secret))


@given(bodies, tokens)
def test_shopify(body, secret):
    """Shopify's library only verifies."""

    def valid(body, headers):
        request = {"method": "POST", "headers": dict(headers), "body": body.decode(), "url": "https://relay.test"}
        return shopify_app.ShopifyApp(client_id="relay", client_secret=secret).verify_webhook_req(request).ok

    headers = signed("shopify", body, secret) | {"x-shopify-shop-domain": "acme.myshopify.com"}
    assert taken("shopify", headers, body, secret).id == "evt_1"
    assert valid(body, headers)
    assert not valid(body + b" ", headers)
    of_events = {name.removeprefix("x-"): value for name, value in headers.items()}
    assert taken("shopify", of_events, body, secret).id == "evt_1"
    assert valid(body, of_events)
