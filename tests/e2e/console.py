"""The console of the local stack in a real browser, and who sends that stack events."""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import requests
from playwright.sync_api import Browser, sync_playwright

from local.hint import how_to_use
from tests.builders import acme_event, body_of, signed
from tests.e2e.conftest import ROOT, LocalStack

AXE = ROOT / ".tools" / "axe-core" / "axe.min.js"
VIEWS = ("events", "event", "redrive", "playground", "playground of a rule", "health")


def chromium() -> str | None:
    """The browser of this machine, if it has one: none is ever downloaded."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


@contextlib.contextmanager
def browser(log: Path | None = None) -> Iterator[Browser]:
    """Chromium; with `log`, it writes there what it asked the network for (a NetLog, JSON), until it ends."""
    options = [f"--log-net-log={log}"] if log else []
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium has none for root
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=options)
        yield running
        running.close()


@contextlib.contextmanager
def console_of(stack: LocalStack) -> Iterator[str]:
    """`relay console`, as `make local` says how to start it, at any port; its address."""
    (line,) = [line for line in how_to_use(stack.ready, None).splitlines() if "relay console" in line]
    with subprocess.Popen(
        [*shlex.split(line), "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().strip()
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()


def path_of(view: str, pk: str) -> str:
    """The view's path behind the token, about the row `pk`, which is unmapped."""
    key = requests.compat.quote(pk, safe="")  # type: ignore[attr-defined]
    return {
        "events": "events",
        "event": f"event?key={key}",
        "redrive": f"event/redrive?key={key}",
        "playground": f"playground?key={key}",
        "playground of a rule": "playground?name=updates/escalate-vip",
        "health": "health",
    }[view]


def deliver(stack: LocalStack, event_id: str, content: object = None, partner: str = "acme") -> str:
    """A partner's signed event; the key of its row."""
    body = body_of(acme_event() if content is None else content)
    secret = str(stack.ready["partners"][partner]["secret"])
    headers = signed(body, sender=partner, id=event_id, at=time.time(), secret=secret)
    answer = requests.post(f"{stack.url}/webhooks/{partner}", data=body, headers=headers, timeout=30)
    assert answer.status_code == 202, answer.text
    return f"ticket#{partner}#{event_id}"
