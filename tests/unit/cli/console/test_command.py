"""The command itself, up to the moment at which it serves."""

from contextlib import contextmanager
from unittest.mock import Mock

import pytest
from click.testing import CliRunner

from cli.console import serving
from cli.main import main

ADDRESS = "http://127.0.0.1:8321/token/"


def run(*words):
    return CliRunner(mix_stderr=False).invoke(main, ["console", *words])


@pytest.mark.parametrize("words", [["--port", "70000"], ["--days", "0"], ["--endpoint-url", "nowhere"]])
def test_a_wrong_option_is_wrong_usage(words):
    assert run(*words).exit_code == 2


def test_it_says_where_it_is_and_nothing_else_on_stdout(monkeypatch):
    server, asked = Mock(), []

    @contextmanager
    def listening(*_, **options):
        asked.append(options)
        yield ADDRESS, server

    monkeypatch.setattr(serving, "listening", listening)
    result = run("--days", "2")
    assert (result.exit_code, result.stdout) == (0, f"{ADDRESS}\n")
    assert "Ctrl-C" in result.stderr
    assert asked == [{"port": 8321, "days": 2}]
    server.serve_forever.assert_called_once_with()
