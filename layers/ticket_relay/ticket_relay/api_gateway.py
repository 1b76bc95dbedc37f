"""Between API Gateway's events and the use cases: raw bytes in, one shape of answer out.

HTTP API payload format 2.0: `body` is text, or base64 where `isBase64Encoded`, and absent where it is empty; header
names arrive in lower case. A signature is over the bytes, so they are restored once and never serialised again.
"""

import base64
import json
import math
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError

from ticket_relay import observability
from ticket_relay.errors import Refused, RelayError

JSON = "application/json"


def raw_body(event: dict[str, Any]) -> bytes:
    """The bytes that the sender sent."""
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()


def answer(status: int, body: dict[str, Any], retry_after: float | None = None) -> Response[str]:
    headers = {"Retry-After": str(math.ceil(retry_after))} if retry_after else {}
    return Response(status, content_type=JSON, body=json.dumps(body), headers=headers)


def resolver() -> APIGatewayHttpResolver:
    """A router that answers all errors of the tree, and all wrong paths, as `{"error": code, "message": sentence}`."""
    app = APIGatewayHttpResolver()

    @app.exception_handler(RelayError)  # type: ignore[untyped-decorator]  # Powertools does not type it
    def failed(error: RelayError) -> Response[str]:
        if isinstance(error, Refused):
            observability.refused(error.code)
            observability.logger().info("refused", extra={"reason": error.code})
        else:
            observability.count("RequestFailed")
            observability.logger().error("not stored", extra={"reason": error.code})
        return answer(error.status, {"error": error.code, "message": error.sentence}, error.retry_after)

    @app.not_found
    def not_found(_: NotFoundError) -> Response[str]:
        return answer(404, {"error": "not_found", "message": "There is nothing at this path for this method."})

    # The last resort: a bug. Its message could quote a payload, so neither the log nor the sender gets it.
    @app.exception_handler(Exception)  # type: ignore[untyped-decorator]
    def unexpected(error: Exception) -> Response[str]:
        observability.unexpected(error)
        body = {"error": "internal_error", "message": "Something went wrong on our side; please send again."}
        return answer(RelayError.status, body, RelayError.retry_after)

    return app
