"""Every scheme with what its tests need: secrets, and requests that its sender could have sent."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from ticket_relay.webhooks.payload import Request
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.scheme import Bearer, Hmac, Place, Scheme, Timestamp, Way
from ticket_relay.webhooks.signatures import filled, sign

NOW = 1_795_300_000
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER_WHSEC = "whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode()


@dataclass(frozen=True)
class Sender:
    """`way` is the number of the scheme's way that the secrets are for."""

    scheme: Scheme
    secret: str = "It's a Secret to Everybody"
    other: str = "another secret"
    number: int = 0
    event: dict[str, Any] = field(default_factory=lambda: {"text": "It burns"})

    @property
    def way(self) -> Way:
        return self.scheme.ways[self.number]

    def request(
        self, *, id: str = "evt_1", at: float = NOW, secret: str | None = None, body: bytes | None = None
    ) -> Request:
        """One that this sender would send; the `body` is its own event's, with id and time, if none is given."""
        if body is None:
            body = filled(self.scheme, id=id, timestamp=at, body=json.dumps(self.event).encode())
        return Request(sign(self.scheme, id=id, timestamp=at, body=body, secret=secret or self.secret), body)


SENDERS = {
    "standard-webhooks": Sender(PRESETS["standard-webhooks"], WHSEC, OTHER_WHSEC),
    "svix": Sender(PRESETS["svix"], WHSEC, OTHER_WHSEC),
    "github": Sender(PRESETS["github"]),
    "stripe": Sender(PRESETS["stripe"], WHSEC, OTHER_WHSEC),
    "slack": Sender(PRESETS["slack"]),
    "shopify": Sender(PRESETS["shopify"]),
    "pagerduty": Sender(
        PRESETS["pagerduty"], event={"text": "It burns", "event": {"event_type": "incident.triggered"}}
    ),
    "sentry": Sender(PRESETS["sentry"]),
    "gitlab": Sender(PRESETS["gitlab"], WHSEC, OTHER_WHSEC),
    "gitlab, with a token": Sender(PRESETS["gitlab"], number=1),
    "jira": Sender(PRESETS["jira"]),
    "linear": Sender(PRESETS["linear"]),
    "zendesk": Sender(PRESETS["zendesk"]),
    "bearer": Sender(PRESETS["bearer"]),
    "bearer, with an id in a header": Sender(Scheme((Bearer(header="x-api-key", id=Place(header="x-request-id")),))),
    "bearer, with an id in the body": Sender(Scheme((Bearer(id=Place(body="/uuid")),))),
    "basic": Sender(PRESETS["basic"], "relay:pass:word", "relay:password"),
    "hmac": Sender(Scheme((Hmac(header="x-gitea-signature", id=Place(header="x-gitea-delivery")),))),
    "hmac, with all of it": Sender(
        Scheme(
            (
                Hmac(
                    header="authorization",
                    algorithm="sha512",
                    encoding="base64",
                    prefix="HMAC ",
                    separator=";",
                    signed="to us\n{id}\n{timestamp}\n{body}!",
                    key="hex",
                    id=Place(part="nonce"),
                    timestamp=Timestamp(header="date-of-event", format="iso8601", tolerance=3600),
                ),
            )
        ),
        "00ff" * 16,
        "00fe" * 16,
    ),
    "hmac, with a time in the body": Sender(
        Scheme((Hmac(header="x-sig", algorithm="sha1", key="base64", timestamp=Timestamp(body="/sent")),)),
        "c2VjcmV0",
        "b3RoZXI=",
    ),
}
"""By the name of the scheme, and of its variant."""
SIGNED = [name for name, sender in SENDERS.items() if isinstance(sender.way, Hmac)]
TIMED = [name for name, sender in SENDERS.items() if sender.way.timestamp]
ID_SIGNED_BESIDE_THE_BODY = ["standard-webhooks", "svix", "gitlab", "hmac, with all of it"]
