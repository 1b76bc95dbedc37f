"""What a function is, and what an execution environment of it does: `emulator` and `worker_process` stand behind it.

InitError                the environment did not come up: the function's module could not be loaded
InvocationError
├── NoneFreeError        every environment was busy for as long as a caller waits; the function was not called
├── FunctionError        the function raised; its environment is as good as before
└── RuntimeLostError     the environment died during the invocation, or overran its time; there may have been effects
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

# The account that AWS's documentation uses, and made-up credentials: nothing local may ever speak for a real account.
ACCOUNT = "123456789012"
REGION = "us-east-1"
ACCESS_KEY = SECRET_KEY = "testing"  # noqa: S105 - moto takes any; DynamoDB Local keeps tables apart by this name

_RUNTIME = Path(__file__).resolve().parents[2] / ".runtime"
RUNTIME_PYTHON = _RUNTIME / "Scripts" / "python.exe" if os.name == "nt" else _RUNTIME / "bin" / "python"


class InitError(Exception):
    """The function's module could not be loaded; the message is the runtime's reason. A retry meets the same."""


class InvocationError(Exception):
    """Base of the ways in which an invocation ends without an answer."""


class NoneFreeError(InvocationError):
    """Every environment was busy for as long as a caller waits. The function was not called: a retry is safe."""


class FunctionError(InvocationError):
    """The function raised; the message is the exception's type. Its environment serves on."""


class RuntimeLostError(InvocationError):
    """The environment died or overran its time. Whether the function had effects is unknown."""


@dataclass(frozen=True, slots=True)
class Function:
    """A deployed function as the stack has it. `timeout` in seconds, `memory` in MB, `reserved` concurrency if any."""

    name: str
    handler: str
    folder: Path
    layers: tuple[Path, ...]
    environment: dict[str, str]
    timeout: int
    memory: int
    log_format: str
    reserved: int | None

    def process_environment(self) -> dict[str, str]:
        """The whole environment of a runtime: what Lambda sets and what the stack sets, nothing of the developer's.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
        """
        return {
            **{name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ},
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
            "AWS_LAMBDA_FUNCTION_NAME": self.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(self.timeout),
            "AWS_LAMBDA_LOG_FORMAT": self.log_format,
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "LAMBDA_TASK_ROOT": str(self.folder),
            "_HANDLER": self.handler,
            "PYTHONPATH": os.pathsep.join([str(self.folder), *(str(layer / "python") for layer in self.layers)]),
            **self.environment,
        }


class Runtime(Protocol):
    """One execution environment of a function. It serves one invocation at a time."""

    pid: int
    gone: asyncio.Event
    """Set when the process has ended, or is no longer fit to serve."""

    async def invoke(self, event: bytes) -> object:
        """Hand a JSON event to the function; returns its answer, decoded. Raises FunctionError or RuntimeLostError."""


Starter = Callable[[Function], contextlib.AbstractAsyncContextManager[Runtime]]
