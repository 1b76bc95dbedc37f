import pytest
from click.testing import CliRunner

from cli import copying
from cli.main import main
from layers.config.compile import Config
from tests.builders import ROOT


def relay(*words):
    return CliRunner(mix_stderr=False).invoke(main, words)


def new(folder, *words):
    return relay("new", *words, "--config", str(folder))


def files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", copying.examples())
def test_every_example_becomes_a_partner_that_is_right(tmp_path, name):
    assert new(tmp_path, "initech", "--from", name).exit_code == 0
    checked = relay("check", "--config", str(tmp_path))
    assert (checked.exit_code, checked.output) == (0, "")
    assert relay("preview", "initech", "--config", str(tmp_path)).exit_code == 0
    assert all(file.startswith(("events/initech-", "partners/initech.yaml", "schema/")) for file in files(tmp_path))


def test_the_files_are_told(tmp_path):
    told = new(tmp_path / "ours", "initech").stdout.splitlines()
    assert told == [
        f"{tmp_path}/ours/{file}"
        for file in (
            "events/initech-order-failed.json",
            "partners/initech.yaml",
            "schema/partner.json",
            "schema/update.json",
        )
    ]


def test_all_samples_of_the_cases_are_copied_with_it(tmp_path):
    new(tmp_path, "initech", "--from", "hooli")
    assert files(tmp_path / "events") == ["initech-alerts-firing.json", "initech-alerts-resolved.json"]
    original = (ROOT / "events" / "hooli-alerts-resolved.json").read_bytes()
    assert (tmp_path / "events" / "initech-alerts-resolved.json").read_bytes() == original


def test_an_example_may_use_names(tmp_path):
    text = copying.examples()["globex"].read_text()
    example = tmp_path / "globex.yaml"
    example.write_text(f"{text.rstrip()}\n  group: Tier 2\n")
    copying.copied(example, "initech", Config(tmp_path / "ours"))
    assert (tmp_path / "ours" / "partners" / "initech.yaml").read_text().endswith("\n  group: Tier 2\n")


@pytest.mark.parametrize("there", ["partners/initech.yaml", "events/initech-order-failed.json"])
def test_nothing_is_replaced_and_nothing_is_half_done(tmp_path, there):
    (tmp_path / there).parent.mkdir()
    (tmp_path / there).write_text("mine")
    result = new(tmp_path, "initech")
    assert result.exit_code == 1
    assert result.stderr == f"Error: There is already {tmp_path / there}.\n"
    assert files(tmp_path) == [there]


@pytest.mark.parametrize("name", ["Initech", "../initech", "", "initech.yaml", "1", "initech\n"])
def test_a_name_that_no_partner_may_have_is_wrong_usage(tmp_path, name):
    assert new(tmp_path, name).exit_code == 2
    assert files(tmp_path) == []


def test_an_example_that_is_not_there_is_wrong_usage_that_names_those_that_are(tmp_path):
    result = new(tmp_path, "initech", "--from", "nobody")
    assert result.exit_code == 2
    assert "acme" in result.stderr
