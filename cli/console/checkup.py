"""The doctor's checks, run in the background when somebody asks, with their findings as they come."""

import threading
import time

import click

from cli.doctor.examination import examine
from cli.doctor.finding import Finding, Status
from cli.where import Where
from layers.config.compile import Config


class Checkup:
    """One examination at a time. Its attributes may be read at any time from any thread."""

    def __init__(self, where: Where, config: Config) -> None:
        self._where = where
        self._config = config
        self._lock = threading.Lock()
        self.findings: list[Finding] = []
        self.running = False
        self.started_at: float | None = None
        """Epoch seconds; None before the first."""

    def start(self) -> None:
        """Begin anew, unless one is under way."""
        with self._lock:
            if self.running:
                return
            self.running, self.findings, self.started_at = True, [], time.time()
        threading.Thread(target=self._run, name="checkup", daemon=True).start()

    def _run(self) -> None:
        findings = self.findings
        try:
            for finding in examine(self._where, self._config):
                findings.append(finding)
        except click.ClickException as error:
            findings.append(Finding("checks", Status.WRONG, error.message))
        finally:
            self.running = False
