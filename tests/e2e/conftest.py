"""The local stack as its users have it: a process that prints one line of JSON when it is ready."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The first start after a change builds the artefacts.
READY_SECONDS = 180


@dataclass(frozen=True)
class LocalStack:
    """A running `python -m local`: its ready line, its process, and the lines of its logs so far."""

    ready: dict[str, Any]
    process: subprocess.Popen[str]
    logs: list[str]

    @property
    def url(self) -> str:
        """The HTTP front."""
        return str(self.ready["url"])

    @property
    def control_url(self) -> str:
        """`GET /pids`, `POST /poll`, `POST /schedule`."""
        return str(self.ready["control_url"])


@contextlib.contextmanager
def stack_process(*options: str) -> Iterator[LocalStack]:
    """Start `python -m local` on any free port; SIGTERM at the end, and SIGKILL if that is not enough."""
    command = [sys.executable, "-m", "local", "--port", "0", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCAL_")}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        logs: list[str] = []
        reading = threading.Thread(target=_read, args=(process, logs))
        reading.start()
        impatient = threading.Timer(READY_SECONDS, process.kill)
        impatient.start()
        try:
            assert process.stdout
            line = process.stdout.readline()
            impatient.cancel()
            if not line:
                reading.join(5)
                pytest.fail("the local stack did not become ready:\n" + "\n".join(logs[-30:]))
            yield LocalStack(json.loads(line), process, logs)
        finally:
            impatient.cancel()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
            reading.join(5)


def _read(process: subprocess.Popen[str], logs: list[str]) -> None:
    assert process.stderr
    logs.extend(line.rstrip("\n") for line in process.stderr)


@pytest.fixture(scope="session")
def local_stack() -> Iterator[LocalStack]:
    """One stack for all tests that leave it as they found it. It polls every second."""
    with stack_process("--poll-every", "1") as stack:
        yield stack
