"""The steps that every webhook takes before anything is decided: size, secrets, signature, parsing."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ticket_relay.webhooks import payload, signatures
from ticket_relay.webhooks.signatures import Delivery

type Secrets = Callable[[], Sequence[str]]
"""Reads the secrets that may have signed. Raises SecretsUnavailable."""


def authenticate(
    scheme: str, headers: Mapping[str, str], body: bytes, secrets: Secrets, now: float
) -> tuple[Delivery, dict[str, Any]]:
    """The delivery that a request proves to be, and the JSON object in its body.

    `headers` have lower-case names, `now` is in epoch seconds. Raises SignatureRefused and PayloadRefused.
    """
    payload.check_size(body)
    delivery = signatures.verify(scheme, headers=headers, body=body, secrets=secrets(), now=now)
    return delivery, payload.parse(body, headers.get("content-type"))
