"""The schemes that a definition may name: those of senders we know, each one entry, and three to be set."""

from ticket_relay.webhooks.scheme import Basic, Bearer, Hmac, Place, Probe, Scheme, Timestamp


def _standard_webhooks(headers: str) -> Hmac:
    """By how the names of its headers begin."""
    return Hmac(
        header=f"{headers}-signature",
        encoding="base64",
        prefix="v1,",
        separator=" ",
        signed="{id}.{timestamp}.{body}",
        key="whsec",
        id=Place(header=f"{headers}-id"),
        timestamp=Timestamp(header=f"{headers}-timestamp"),
    )


PRESETS = {
    # github.com/standard-webhooks/standard-webhooks, version 1.0.0. Signatures of v1a (Ed25519) are passed over.
    "standard-webhooks": Scheme((_standard_webhooks("webhook"),)),
    # docs.svix.com/receiving/verifying-payloads/how-manual
    "svix": Scheme((_standard_webhooks("svix"),)),
    # docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries; a new webhook is sent a `ping`.
    "github": Scheme(
        (Hmac(header="x-hub-signature-256", prefix="sha256=", id=Place(header="x-github-delivery")),),
        probe=Probe("/zen"),
    ),
    # docs.stripe.com/webhooks/signature: the key is the whole text, `whsec_` included.
    "stripe": Scheme(
        (
            Hmac(
                header="stripe-signature",
                prefix="v1=",
                signed="{timestamp}.{body}",
                id=Place(body="/id"),
                timestamp=Timestamp(part="t"),
            ),
        )
    ),
    # docs.slack.dev/authentication/verifying-requests-from-slack, and its url_verification event
    "slack": Scheme(
        (
            Hmac(
                header="x-slack-signature",
                prefix="v0=",
                signed="v0:{timestamp}:{body}",
                id=Place(body="/event_id"),
                timestamp=Timestamp(header="x-slack-request-timestamp"),
            ),
        ),
        probe=Probe("/type", "url_verification", challenge="/challenge"),
    ),
    # shopify.dev/docs/apps/build/webhooks/subscribe/https, and docs/apps/build/events/verify-deliveries: no `X-` there
    "shopify": Scheme(
        (
            Hmac(header="x-shopify-hmac-sha256", encoding="base64", id=Place(header="x-shopify-webhook-id")),
            Hmac(header="shopify-hmac-sha256", encoding="base64", id=Place(header="shopify-webhook-id")),
        )
    ),
    # developer.pagerduty.com/docs/verifying-webhook-signatures; `pagey.ping` is its button "Send Test Event".
    "pagerduty": Scheme(
        (Hmac(header="x-pagerduty-signature", prefix="v1=", id=Place(body="/event/id")),),
        probe=Probe("/event/event_type", "pagey.ping"),
    ),
    # docs.sentry.io/organization/integrations/integration-platform/webhooks: its timestamp is not signed.
    "sentry": Scheme((Hmac(header="sentry-hook-signature", id=Place(header="request-id")),)),
    # docs.gitlab.com/user/project/integrations/webhooks: a signing token; else the secret token, which GitLab sends as
    # it is, with an Idempotency-Key since 17.4.
    "gitlab": Scheme(
        (
            _standard_webhooks("webhook"),
            Bearer(header="x-gitlab-token", id=Place(header="idempotency-key")),
            Bearer(header="x-gitlab-token", id=Place(header="x-gitlab-event-uuid")),
        )
    ),
    # developer.atlassian.com/cloud/jira/platform/webhooks: those that an administrator registers
    "jira": Scheme(
        (Hmac(header="x-hub-signature", prefix="sha256=", id=Place(header="x-atlassian-webhook-identifier")),)
    ),
    # linear.app/developers/webhooks, which advises a minute
    "linear": Scheme(
        (
            Hmac(
                header="linear-signature",
                id=Place(header="linear-delivery"),
                timestamp=Timestamp(body="/webhookTimestamp", format="milliseconds", tolerance=60),
            ),
        )
    ),
    # developer.zendesk.com/documentation/webhooks/verifying: the key is the text itself, although it looks like base64.
    "zendesk": Scheme(
        (
            Hmac(
                header="x-zendesk-webhook-signature",
                encoding="base64",
                signed="{timestamp}{body}",
                id=Place(header="x-zendesk-webhook-invocation-id"),
                timestamp=Timestamp(header="x-zendesk-webhook-signature-timestamp", format="iso8601"),
            ),
        )
    ),
    "bearer": Scheme((Bearer(),)),
    "basic": Scheme((Basic(),)),
}

NAMES = frozenset(PRESETS) | {"hmac"}
"""What a definition may give as its `scheme`; `hmac` has no settings but a definition's own."""
