"""The bytes of what is sent to Zendesk."""

import json


def encoded(body: object) -> bytes:
    """JSON in UTF-8, the shortest there is. The same value gives the same bytes: the idempotency key demands it.

    Half a surrogate pair becomes U+FFFD, as in `webhooks.payload`: UTF-8 cannot hold it, and Zendesk might refuse its
    escape. Raises ValueError for a number that is infinite or none.
    """
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
