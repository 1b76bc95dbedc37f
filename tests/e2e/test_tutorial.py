"""The tutorial of docs/partners.md, command by command as it stands there, ends with a ticket."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from local.processes import free_port
from tests.e2e.conftest import READY_SECONDS, ROOT

TUTORIAL = (ROOT / "docs" / "partners.md").read_text().split("\n## Tutorial\n")[1].split("\n## ")[0]
COMMANDS = re.findall(r"```sh\n(.*?)```", TUTORIAL, re.DOTALL)
SECOND_TERMINAL = "make local "

IN_BACKGROUND = """\
{{ {command}; }} > "$HOME/stack.out" 2> "$HOME/stack.err" &
for _ in $(seq {seconds}); do grep -qs '^{{"url"' "$HOME/stack.out" && break; sleep 1; done
grep -q '^{{"url"' "$HOME/stack.out"
"""


def script() -> str:
    """All commands in their order; those of the second terminal go on in the background once they are ready."""
    return "\n".join(
        IN_BACKGROUND.format(command=command.strip(), seconds=READY_SECONDS)
        if command.startswith(SECOND_TERMINAL)
        else command
        for command in COMMANDS
    )


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("make")), reason="needs bash and make")
def test_the_tutorial_ends_with_a_ticket_that_is_solved(tmp_path: Path) -> None:
    port = free_port()
    # `make test ARGS=…` hands its words on to any `make` below it.
    ours = ("LOCAL_", "RELAY_", "MAKE", "ARGS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {
        # Nothing of the person who runs the tests is touched, but what uv has downloaded is used again.
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
        # The tutorial's port may be taken.
        "LOCAL_PORT": str(port),
        "RELAY_URL": f"http://127.0.0.1:{port}",
    }
    bash = shutil.which("bash")
    assert bash
    with subprocess.Popen(
        [bash, "-euo", "pipefail", "-c", script()],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            # The stack keeps its own files open, and not this pipe.
            printed, _ = process.communicate(timeout=READY_SECONDS + 240)
            assert process.returncode == 0, printed + logs(tmp_path)
            assert len(COMMANDS) >= 5
            (ticket, comments) = only_ticket(tmp_path)
        finally:
            end(process.pid)
    assert (ticket["subject"], ticket["status"]) == ("Printer Lobby 2 is jammed", "solved")
    assert (ticket["priority"], ticket["tags"]) == ("high", ["initech", "printer"])
    assert "floor 3, has been jammed since 2026-11-20T08:14:30Z" in comments[0]
    assert comments[1:] == ["Cleared by Lumbergh."]


def only_ticket(home: Path) -> tuple[dict[str, Any], list[str]]:
    """The ticket in the simulated Zendesk, and the texts of its comments."""
    lines = (home / "stack.out").read_text().splitlines()
    zendesk = next(json.loads(line) for line in lines if line.startswith("{"))["zendesk_url"]

    def get(path: str) -> Any:
        return requests.get(f"{zendesk}/api/v2/{path}", auth=("anybody@example.com/token", "any"), timeout=10).json()

    (ticket,) = get("tickets")["tickets"]
    return ticket, [comment["body"].strip() for comment in get(f"tickets/{ticket['id']}/comments")["comments"]]


def logs(home: Path) -> str:
    path = home / "stack.err"
    return path.read_text()[-2000:] if path.exists() else ""


def end(group: int) -> None:
    """Stop the stack, and make sure that nothing of it is left."""
    for sent, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 5)):
        try:
            os.killpg(group, sent)
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                os.killpg(group, 0)
                time.sleep(0.1)
        except ProcessLookupError:
            return
