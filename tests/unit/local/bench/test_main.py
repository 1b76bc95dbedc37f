"""`make bench` from outside: what it measures, when it fails, and when it writes."""

import contextlib

import pytest
from click.testing import CliRunner

from local.bench import __main__ as bench
from local.bench.conditions import Engine
from local.bench.figures import Figure, Part


@pytest.fixture
def page(monkeypatch, tmp_path):
    """Where the page is written to. Every part finds one figure; the burst loses an event if the engine is `broken`."""

    @contextlib.asynccontextmanager
    async def engine(_kind, url):
        yield Engine("an engine", url or "")

    def part(title):
        async def measured(*args):
            broken = [argument.url == "broken" for argument in args if isinstance(argument, Engine)]
            return Part(title, "", (Figure("one", 1),), "How.", broken=("An event was lost.",) if any(broken) else ())

        return measured

    monkeypatch.setattr(bench, "engine", engine)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    monkeypatch.setattr(bench, "PAGE", tmp_path / "performance.md")
    monkeypatch.setattr(bench, "forget_aws_profile", lambda: None)
    names = {
        "Burst": "burst",
        "Drain": "drain",
        "Cost of a ticket": "units",
        "Intake": "intake",
        "Cold start": "cold_start",
    }
    for title, name in names.items():
        monkeypatch.setattr(getattr(bench, name), "measured", part(title))
    return tmp_path / "performance.md"


def run(*arguments):
    return CliRunner().invoke(bench.main, arguments)


def test_all_parts_are_measured_and_written(page):
    assert run().exit_code == 0
    headings = [line for line in page.read_text().splitlines() if line.startswith("## ")]
    assert headings == ["## Burst", "## Drain", "## Cost of a ticket", "## Intake", "## Cold start"]


def test_only_the_parts_that_are_named_are_measured(page):
    result = run("intake", "burst")
    assert result.exit_code == 0
    assert ("Burst" in result.output, "Drain" in result.output) == (True, False)
    assert "## Drain" not in page.read_text()


@pytest.mark.parametrize("options", [["--quick"], ["--rows", "100"], ["--dynamodb", "moto"], ["--job-seconds", "30"]])
def test_other_numbers_than_the_usual_leave_the_page_alone(page, options):
    assert run(*options).exit_code == 0
    assert not page.exists()


def test_a_lost_event_fails_the_bench_and_nothing_is_written(page):
    result = run("burst", "--dynamodb-url", "broken")
    assert result.exit_code == 1
    assert "An event was lost." in result.output
    assert not page.exists()


def test_an_unknown_part_is_refused(page):
    assert run("everything").exit_code == 2
