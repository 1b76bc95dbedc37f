"""The bench runs through: its smallest part, on a stack of its own. What it measures is not asserted here."""

import subprocess
import sys

from tests.e2e.conftest import ROOT


def test_a_part_of_the_bench_runs_through() -> None:
    command = [sys.executable, "-m", "local.bench", "--quick", "units", "--dynamodb", "moto"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert "write units, request of 10 KB" in ran.stdout
