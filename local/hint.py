"""What `make local` prints in a terminal: how to send the stack a signed event with a shell only."""

import base64
from collections.abc import Mapping
from typing import Any

_PARTNER = "acme"


def how_to_send(ready: Mapping[str, Any]) -> str:
    """Commands to paste, made from the stack's ready line. They hold the secret that was made up for this run."""
    known = ready["partners"][_PARTNER]
    # Standard Webhooks signs `id.timestamp.body`, with the bytes that the secret's base64 stands for.
    key = base64.b64decode(known["secret"].removeprefix("whsec_")).hex()
    return f"""
The relay is at {ready["url"]}, its Zendesk at {ready["zendesk_url"]}. Ctrl-C stops everything.
A new event of {_PARTNER}, signed as Standard Webhooks asks (from the repository's folder):

  body={known["sample"]} id=msg_$(openssl rand -hex 8) at=$(date +%s)
  digest=$({{ printf %s. "$id" "$at"; cat "$body"; }} |
    openssl dgst -sha256 -mac HMAC -macopt hexkey:{key} -binary | openssl base64 -A)
  curl -i {ready["url"]}/webhooks/{_PARTNER} --data-binary "@$body" -H "content-type: application/json" \\
    -H "webhook-id: $id" -H "webhook-timestamp: $at" -H "webhook-signature: v1,$digest"

All three again are another event, the last one alone is a duplicate. The tickets, as the simulated Zendesk lists them:

  curl -s {ready["zendesk_url"]}/api/v2/tickets -u anybody@example.com/token:any
"""
