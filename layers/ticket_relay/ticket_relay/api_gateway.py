"""Between API Gateway's events and the use cases: raw bytes in, one shape of answer out.

HTTP API payload format 2.0: `body` is text, or base64 where `isBase64Encoded`, and absent where it is empty; header
names arrive in lower case. A signature is over the bytes, so they are restored once and never serialised again.
`routeKey` is the route as template.yaml has it, and `pathParameters` are its variables, decoded: a request comes here
already routed. Powertools' event handler would do that again, and is the largest part of a cold start.
"""

import base64
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from ticket_relay import observability
from ticket_relay.errors import Refused, RelayError

type Event = dict[str, Any]
type Answer = dict[str, Any]
"""What an HTTP API makes a response of, in the same format."""


def raw_body(event: Event) -> bytes:
    """The bytes that the sender sent."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def answer(status: int, body: dict[str, Any], retry_after: float | None = None) -> Answer:
    headers = {"Content-Type": "application/json"}
    if retry_after:
        headers["Retry-After"] = str(math.ceil(retry_after))
    return {"statusCode": status, "headers": headers, "body": json.dumps(body), "isBase64Encoded": False}


def router(routes: Mapping[str, Callable[[Event], Answer]]) -> Callable[[Event], Answer]:
    """Answers each route, by its key, with its function; all errors of the tree, and all other routes, as
    `{"error": code, "message": sentence}`.
    """

    def answered(event: Event) -> Answer:
        function = routes.get(event["routeKey"])
        if function is None:
            return _error(404, "not_found", "There is nothing at this path for this method.")
        try:
            return function(event)
        except RelayError as error:
            _report(error)
            return _error(error.status, error.code, error.sentence, error.retry_after)
        # The last resort: a bug. Its message could quote a payload, so neither the log nor the sender gets it.
        except Exception as error:  # noqa: BLE001
            observability.unexpected(error)
            sentence = "Something went wrong on our side; please send again."
            return _error(RelayError.status, "internal_error", sentence, RelayError.retry_after)

    return answered


def _report(error: RelayError) -> None:
    if isinstance(error, Refused):
        observability.refused(error.code)
        observability.logger().info("refused", extra={"reason": error.code})
    else:
        observability.count("RequestFailed")
        observability.logger().error("not stored", extra={"reason": error.code})


def _error(status: int, code: str, sentence: str, retry_after: float | None = None) -> Answer:
    return answer(status, {"error": code, "message": sentence}, retry_after)
