import json

import pytest
from click.testing import CliRunner

from cli.main import main


@pytest.fixture
def folder(tmp_path):
    """Definitions outside the repository: a partner, and no rule."""
    for name in ("partners", "events"):
        (tmp_path / name).mkdir()
    (tmp_path / "events" / "it.json").write_text('{"title": "Fire"}')
    return tmp_path


def relay(*words):
    return CliRunner(mix_stderr=False).invoke(main, words)


def define(folder, subject):
    (folder / "partners" / "initech.yaml").write_text(
        "partner: initech\nscheme: github\nsample: events/it.json\n"
        f'ticket:\n  subject: "{subject}"\n  comment: {{body: x}}\n'
    )


def test_right_definitions_pass_in_silence():
    result = relay("check")
    assert (result.exit_code, result.output) == (0, "")


def test_samples_lie_beside_the_definitions(folder):
    define(folder, "${event.title}")
    assert relay("check", "--config", str(folder)).exit_code == 0


@pytest.mark.parametrize("by", ["option", "variable"])
def test_every_problem_is_told_with_file_line_and_reason(folder, monkeypatch, by):
    define(folder, "${event.titel}")
    monkeypatch.setenv("RELAY_CONFIG", str(folder if by == "variable" else folder / "partners"))
    result = relay("check", *(["--config", str(folder)] if by == "option" else []))
    assert result.exit_code == 1
    assert result.stdout == (
        f'{folder}/partners/initech.yaml:5: ticket.subject: object has no property "titel", on the sample\n'
    )


def test_problems_in_json(folder):
    define(folder, "${")
    result = relay("check", "--json", "--config", str(folder))
    assert result.exit_code == 1
    (problem,) = json.loads(result.stdout)["problems"]
    assert (problem["line"], problem["reason"]) == (5, "ticket.subject: is not an expression of JSON-e")


def test_a_folder_that_is_none_is_not_taken_for_one_without_problems(tmp_path):
    result = relay("check", "--config", str(tmp_path / "nowhere"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: There is no folder {tmp_path}/nowhere/partners.\n"


def test_nobody_is_asked_for_names_that_have_no_folder_to_go_to(tmp_path):
    result = relay("fields", "--config", str(tmp_path / "nowhere"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: There is no folder {tmp_path}/nowhere.\n"
