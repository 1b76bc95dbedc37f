"""The steps that every webhook takes before anything is decided: size, secrets, signature, parsing."""

from collections.abc import Callable, Sequence
from typing import Any

from ticket_relay.webhooks import payload, signatures
from ticket_relay.webhooks.payload import Request
from ticket_relay.webhooks.scheme import Scheme
from ticket_relay.webhooks.signatures import Delivery

type Secrets = Callable[[], Sequence[str]]
"""Reads the secrets that may have signed. Raises SecretsUnavailable."""


def authenticate(scheme: Scheme, request: Request, secrets: Secrets, now: float) -> tuple[Delivery, dict[str, Any]]:
    """The delivery that a request proves to be, and the JSON object in its body.

    `now` is in epoch seconds. Raises SignatureRefused and PayloadRefused.
    """
    payload.check_size(request.body)
    delivery = signatures.verify(scheme, request, secrets=secrets(), now=now)
    return delivery, request.event
