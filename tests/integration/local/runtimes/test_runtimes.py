"""Both kinds of runtime, on a function of a few lines: a caller cannot tell them apart."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from local.runtimes import emulator, worker_process
from local.runtimes.runtime import Function, FunctionError, InitError, Runtime, RuntimeLostError, Starter

APP = """
import os, sys, time
import beside

def handler(event, context):
    print("printed by the function")
    match event["do"]:
        case "answer":
            return {"got": event["value"], "layer": beside.NAME}
        case "raise":
            raise ValueError("no")
        case "die":
            os._exit(3)
        case "sleep":
            time.sleep(60)
        case "context":
            return {
                "id": context.aws_request_id,
                "name": context.function_name,
                "memory": int(context.memory_limit_in_mb),
                "arn": context.invoked_function_arn,
                "left": context.get_remaining_time_in_millis(),
                "group": context.log_group_name,
            }
        case "environment":
            return dict(os.environ)
"""


@pytest.fixture(params=["emulator", "process"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Starter:
    if request.param == "process":
        return worker_process.started
    if sys.platform != "linux":
        pytest.skip("the emulator needs Linux")
    folder = tmp_path / "emulator"
    folder.mkdir()
    return emulator.starter(folder)


@pytest.fixture
def function(tmp_path: Path) -> Function:
    folder, layer = tmp_path / "function", tmp_path / "layer"
    for made in (folder, layer / "python"):
        made.mkdir(parents=True)
    (folder / "app.py").write_text(APP)
    (layer / "python" / "beside.py").write_text('NAME = "a layer"')
    return Function(
        "echo",
        "app.handler",
        folder,
        (layer,),
        {"STACK": "set"},
        timeout=2,
        memory=256,
        log_format="Text",
        reserved=None,
    )


def run(start: Starter, function: Function, test: Callable[[Runtime], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), start(function) as runtime:
            await test(runtime)

    asyncio.run(main())


async def call(runtime: Runtime, do: str, value: object = None) -> object:
    return await runtime.invoke(json.dumps({"do": do, "value": value}).encode())


def test_the_function_answers_from_its_folder_and_its_layers(start: Starter, function: Function) -> None:
    async def test(runtime: Runtime) -> None:
        for value in ({"é": [1, None]}, "a\nb"):
            assert await call(runtime, "answer", value) == {"got": value, "layer": "a layer"}

    run(start, function, test)


def test_the_context_is_lambdas(start: Starter, function: Function) -> None:
    async def test(runtime: Runtime) -> None:
        first, second = [await call(runtime, "context") for _ in range(2)]
        assert isinstance(first, dict)
        assert isinstance(second, dict)
        assert first["id"] != second["id"]
        assert (first["name"], first["memory"], first["group"]) == ("echo", 256, "/aws/lambda/echo")
        assert first["arn"].endswith(":function:echo")
        assert 0 < first["left"] <= 2000

    run(start, function, test)


def test_nothing_of_the_developers_environment_reaches_the_function(
    start: Starter, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("MY_OWN", "secret")

    async def test(runtime: Runtime) -> None:
        environment = await call(runtime, "environment")
        assert isinstance(environment, dict)
        assert not {"AWS_PROFILE", "MY_OWN", "HOME"} & environment.keys()
        assert environment["STACK"] == "set"
        assert environment["LAMBDA_TASK_ROOT"] == str(function.folder)

    run(start, function, test)


def test_a_function_that_raises_leaves_its_environment_as_it_was(start: Starter, function: Function) -> None:
    async def test(runtime: Runtime) -> None:
        with pytest.raises(FunctionError, match="ValueError"):
            await call(runtime, "raise")
        assert not runtime.gone.is_set()
        assert await call(runtime, "answer", 1) == {"got": 1, "layer": "a layer"}

    run(start, function, test)


@pytest.mark.parametrize("end", ["die", "sleep"])
def test_one_that_dies_or_overruns_its_time_is_lost(start: Starter, function: Function, end: str) -> None:
    async def test(runtime: Runtime) -> None:
        with pytest.raises(RuntimeLostError):
            await call(runtime, end)

    run(start, function, test)


def test_one_that_is_killed_while_idle_is_known_to_be_gone(start: Starter, function: Function) -> None:
    async def test(runtime: Runtime) -> None:
        psutil.Process(runtime.pid).kill()
        await runtime.gone.wait()

    run(start, function, test)


def test_the_process_ends_with_its_context(start: Starter, function: Function) -> None:
    pids = []

    async def test(runtime: Runtime) -> None:
        pids.append(runtime.pid)
        assert psutil.pid_exists(runtime.pid)

    run(start, function, test)
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=5)
    assert not alive


def test_a_module_that_cannot_be_loaded_is_named_with_its_reason(start: Starter, function: Function) -> None:
    (function.folder / "app.py").write_text("import not_there")

    async def test(_: Runtime) -> None:
        pytest.fail("it cannot have started")

    with pytest.raises(InitError, match=r"ModuleNotFound|ImportModuleError"):
        run(start, function, test)


def test_what_the_function_prints_goes_to_stderr_under_its_name(
    start: Starter, function: Function, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(runtime: Runtime) -> None:
        await call(runtime, "answer")

    run(start, function, test)
    out, err = capsys.readouterr()
    assert out == ""
    assert "echo | printed by the function" in err
    assert "UnmarshalError" not in err
