"""A function in a plain Python process: `python -P worker.py <handler>`, one JSON object a line in and out.

Runs in the functions' Python, so it imports the standard library only. The first line out is `{"ready": true}`, or
`{"error": type}` and the end. Then each `{"event", "request_id", "deadline"}` (epoch seconds) is answered by a line
`{"answer": …}` or `{"error": type}`.
"""

import importlib
import json
import os
import sys
import time
import traceback
from dataclasses import dataclass, field
from typing import Any, TextIO


@dataclass(frozen=True, slots=True)
class Context:
    """Lambda's context object: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html."""

    aws_request_id: str
    deadline: float
    function_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_NAME"])
    function_version: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_VERSION"])
    memory_limit_in_mb: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    log_group_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_LOG_GROUP_NAME"])
    log_stream_name: str = field(default_factory=lambda: os.environ["AWS_LAMBDA_LOG_STREAM_NAME"])
    identity: None = None
    client_context: None = None

    @property
    def invoked_function_arn(self) -> str:
        """The same made-up account as the emulator's."""
        return f"arn:aws:lambda:{os.environ['AWS_REGION']}:012345678912:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation is cut off; 0 when it should have been."""
        return max(0, int((self.deadline - time.time()) * 1000))


def main() -> None:
    """Serve until stdin ends."""
    # The function's own prints must not end up between the answers: they go where its logs go.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        try:
            module, _, attribute = sys.argv[1].rpartition(".")
            handler = getattr(importlib.import_module(module), attribute)
        except Exception as error:  # noqa: BLE001 - anything that the module raises is the reason that it cannot be loaded
            _fail(out, error)
            sys.exit(1)
        _say(out, {"ready": True})
        for line in sys.stdin:
            request: dict[str, Any] = json.loads(line)
            try:
                _say(out, {"answer": handler(request["event"], Context(request["request_id"], request["deadline"]))})
            except Exception as error:  # noqa: BLE001 - as Lambda does: a function may raise anything
                _fail(out, error)


def _say(out: TextIO, message: dict[str, Any]) -> None:
    # As one string: an answer that cannot be encoded must not leave half a line behind.
    out.write(json.dumps(message) + "\n")
    out.flush()


def _fail(out: TextIO, error: Exception) -> None:
    traceback.print_exception(error)
    _say(out, {"error": type(error).__name__})


if __name__ == "__main__":
    main()
