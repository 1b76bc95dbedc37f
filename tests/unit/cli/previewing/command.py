"""`relay preview` as its user calls it."""

import json

from click.testing import CliRunner

from cli.main import main


def preview(*words, typed=None):
    return CliRunner(mix_stderr=False).invoke(main, ["preview", *words], input=typed)


def answer(*words, typed=None):
    """What it answers as JSON."""
    result = preview(*words, "--json", typed=typed)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)
