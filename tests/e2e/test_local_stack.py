"""The contract of the local stack: what it prints, what it replaces, and that it leaves nothing behind."""

import contextlib
import signal
import subprocess
import sys
import time

import boto3
import psutil
import pytest
import requests

from tests.e2e.conftest import ROOT, LocalStack, stack_process
from tests.waiting import eventually


def pids(stack: LocalStack) -> dict[str, list[int]]:
    answer: dict[str, list[int]] = requests.get(f"{stack.control_url}/pids", timeout=5).json()
    return answer


def family(stack: LocalStack) -> list[psutil.Process]:
    parent = psutil.Process(stack.process.pid)
    return [parent, *parent.children(recursive=True)]


def ended(processes: list[psutil.Process]) -> bool:
    return all(not process.is_running() or process.status() == psutil.STATUS_ZOMBIE for process in processes)


def test_the_ready_line_says_what_the_contract_promises(local_stack: LocalStack) -> None:
    ready = local_stack.ready
    assert ready.keys() >= {
        *("url", "zendesk_url", "aws_url", "dynamodb_url", "table", "partners", "zendesk_webhook_secret", "pids"),
    }
    acme = ready["partners"]["acme"]
    assert acme["scheme"] == "standard-webhooks"
    assert acme["secret"].startswith("whsec_")
    assert (ROOT / acme["sample"]).is_file()
    assert {name: len(of) for name, of in ready["pids"].items()} == {
        "create_ticket": 2,
        "poll_jobs": 1,
        "update_ticket": 2,
    }


def test_the_pids_are_processes_that_run(local_stack: LocalStack) -> None:
    assert all(psutil.pid_exists(pid) for of in pids(local_stack).values() for pid in of)


def test_the_table_is_the_templates(local_stack: LocalStack) -> None:
    dynamodb = boto3.client(
        "dynamodb",
        endpoint_url=local_stack.ready["dynamodb_url"],
        region_name=local_stack.ready["aws_region"],
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    table = dynamodb.describe_table(TableName=local_stack.ready["table"])["Table"]
    assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["due"]


def test_a_request_reaches_the_function_and_is_answered_by_it(local_stack: LocalStack) -> None:
    answer = requests.post(f"{local_stack.url}/webhooks/nobody", json={}, timeout=30)
    assert 400 <= answer.status_code < 500
    assert answer.json().keys() >= {"error", "message"}


def test_what_no_api_takes_is_refused_before_any_function(local_stack: LocalStack) -> None:
    answer = requests.post(f"{local_stack.url}/webhooks/acme", data=b"x" * (11 * 2**20), timeout=30)
    assert (answer.status_code, answer.json()) == (
        413,
        {"error": "body_too_large", "message": "Request Entity Too Large"},
    )


def test_the_poller_can_be_run_at_once(local_stack: LocalStack) -> None:
    assert requests.post(f"{local_stack.control_url}/poll", timeout=90).status_code == 200


@pytest.mark.parametrize("name", ["create_ticket", "poll_jobs", "update_ticket"])
def test_a_runtime_that_is_killed_is_replaced(local_stack: LocalStack, name: str) -> None:
    before = pids(local_stack)[name]
    psutil.Process(before[0]).kill()
    after = eventually(lambda: (now := pids(local_stack)[name]) != before and len(now) == len(before) and now)
    assert after
    assert before[0] not in after


def test_sigterm_ends_it_with_0_and_nothing_is_left() -> None:
    with stack_process("--runtime", "process", "--poll-every", "1") as stack:
        answer = requests.post(f"{stack.url}/webhooks/nobody", json={}, timeout=30)
        assert 400 <= answer.status_code < 500
        processes = family(stack)
        assert len(processes) > 5
        stack.process.send_signal(signal.SIGTERM)
        assert stack.process.wait(30) == 0
        assert eventually(lambda: ended(processes))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for another process")
def test_sigint_ends_the_emulators_too() -> None:
    with stack_process("--runtime", "emulator") as stack:
        processes = family(stack)
        stack.process.send_signal(signal.SIGINT)
        assert stack.process.wait(30) == 0
        assert eventually(lambda: ended(processes))


def test_sigterm_during_the_start_ends_it_with_0_and_nothing_is_left() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "local", "--port", "0"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        parent = psutil.Process(process.pid)
        children = eventually(lambda: parent.children(recursive=True))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert eventually(lambda: ended(children))
        assert process.stdout
        assert process.stdout.read() == b""


def test_a_port_that_is_taken_is_an_error_and_nothing_is_left(local_stack: LocalStack) -> None:
    taken = local_stack.url.rpartition(":")[2]
    command = [sys.executable, "-m", "local", "--port", taken, "--runtime", "process"]
    children: set[psutil.Process] = set()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        parent = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                children.update(parent.children(recursive=True))
            time.sleep(0.05)
        assert process.stderr
        assert b"address already in use" in process.stderr.read().lower()
    assert process.returncode == 1
    assert children
    assert ended(list(children))
