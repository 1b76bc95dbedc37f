"""What is said where Amazon's DynamoDB cannot run: the reason of every test that is skipped for it."""

import platform
import subprocess

import pytest

from local.aws import dynamodb


@pytest.fixture(autouse=True)
def _able(monkeypatch, tmp_path):
    """A machine with everything."""
    (tmp_path / "DynamoDBLocal.jar").touch()
    monkeypatch.setattr(dynamodb, "FOLDER", tmp_path)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0))


def test_with_java_and_the_jar_nothing_is_missing():
    assert dynamodb.missing() is None


@pytest.mark.parametrize(
    "error",
    [FileNotFoundError("java"), subprocess.CalledProcessError(1, "java"), subprocess.TimeoutExpired("java", 30)],
    ids=lambda error: type(error).__name__,
)
def test_without_a_java_that_runs_java_is_missing(monkeypatch, error):
    def run(*_args, **_options):
        raise error

    monkeypatch.setattr(subprocess, "run", run)
    assert "no Java" in dynamodb.missing()


def test_without_the_jar_its_command_is_named(tmp_path):
    (tmp_path / "DynamoDBLocal.jar").unlink()
    assert "`make dynamodb`" in dynamodb.missing()


def test_another_processor_than_the_jars_cannot_run_it(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert "x86_64 only" in dynamodb.missing()
