"""What `sam build` ships: everything that is needed, ready to run on either architecture, and nothing else."""

import importlib.util
import json
import marshal
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import botocore.session
import pytest
from botocore.loaders import Loader
from botocore.stub import Stubber

from layers.dependencies.shorten import without_documentation
from local.artefacts import ROOT

LAYERS = ("DependenciesLayer", "TicketRelayLayer", "ConfigLayer")
FUNCTIONS = ("CreateTicketFunction", "PollJobsFunction", "UpdateTicketFunction")

PROGRAM = """
import sys
sys.path[:0] = sys.argv[1:]
import app
print(*sys.modules)
"""

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "none",
    "AWS_SECRET_ACCESS_KEY": "none",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_LAMBDA_FUNCTION_NAME": "function",
    "TABLE_NAME": "table",
    "ZENDESK_BASE_URL": "https://example.zendesk.com",
    "ZENDESK_SECRET_ARN": "arn:zendesk",
    "SIGNING_SECRETS_ARN": "arn:keys",
    "ZENDESK_CONNECT_TIMEOUT_SECONDS": "1",
    "ZENDESK_READ_TIMEOUT_SECONDS": "3",
    "DOUBTFUL_PAUSE_SECONDS": "15",
    "JOB_FORGOTTEN_AFTER_SECONDS": "120",
    "POWERTOOLS_SERVICE_NAME": "test",
    "POWERTOOLS_METRICS_NAMESPACE": "test",
}

TOO_SLOW = {
    "aws_xray_sdk",  # in maintenance; Lambda traces without it
    "aws_lambda_powertools.event_handler",  # imports resolvers for six other services, and asyncio
    "aws_lambda_powertools.utilities.data_classes",
    "aws_lambda_powertools.utilities.parameters",  # imports boto3
    "asyncio",
    "boto3",  # botocore is enough, and boto3 brings s3transfer
    "multiprocessing",  # s3transfer's
    "s3transfer",
    "yaml",
}
"""What no cold start may load, though it may be in a layer."""

COMPILED = re.compile(r"-(x86_64|aarch64)-linux-gnu\.so$")


def bytecode_of(source: Path) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"


@pytest.mark.parametrize("artefact", LAYERS + FUNCTIONS)
def test_every_source_has_its_bytecode(built: Path, artefact: str) -> None:
    sources = list((built / artefact).rglob("*.py"))
    assert sources
    assert [source for source in sources if not bytecode_of(source).exists()] == []


@pytest.mark.parametrize("artefact", LAYERS + FUNCTIONS)
def test_all_bytecode_is_used_without_a_look_at_its_source(built: Path, artefact: str) -> None:
    """Bytes 4 to 8 are PEP 552's flags: 1 says that a hash stands for the source, 2 that it is to be checked."""
    headers = {path: path.read_bytes()[:8] for path in (built / artefact).rglob("*.pyc")}
    magic = importlib.util.MAGIC_NUMBER
    assert [path for path, header in headers.items() if header != magic + (1).to_bytes(4, "little")] == []


@pytest.mark.parametrize(
    ("artefact", "place"), [(layer, "/opt") for layer in LAYERS] + [(function, "/var/task") for function in FUNCTIONS]
)
def test_tracebacks_name_the_place_where_the_code_runs(built: Path, artefact: str, place: str) -> None:
    for source in (built / artefact).rglob("*.py"):
        code = marshal.loads(bytecode_of(source).read_bytes()[16:])  # noqa: S302 -- made by our own build
        assert isinstance(code, CodeType)
        assert code.co_filename == f"{place}/{source.relative_to(built / artefact).as_posix()}"


@pytest.mark.parametrize("artefact", FUNCTIONS)
def test_a_function_ships_one_file(built: Path, artefact: str) -> None:
    files = {path.relative_to(built / artefact).as_posix() for path in (built / artefact).rglob("*") if path.is_file()}
    assert files == {"app.py", "__pycache__/app.cpython-313.pyc"}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_holds_python_and_no_second_python_within(built: Path, layer: str) -> None:
    assert [path.name for path in (built / layer).iterdir()] == ["python"]
    assert not (built / layer / "python" / "python").exists()


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_holds_no_tests(built: Path, layer: str) -> None:
    assert [path for path in (built / layer).rglob("*") if path.name in {"tests", "test", "conftest.py"}] == []


def test_the_domain_is_shipped_whole(built: Path) -> None:
    def sources(folder: Path) -> set[Path]:
        return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}

    assert sources(built / "TicketRelayLayer" / "python") == sources(ROOT / "layers" / "ticket_relay")


def test_the_definitions_are_shipped_as_json(built: Path) -> None:
    package = built / "ConfigLayer" / "python" / "ticket_relay_config"
    assert {path.name for path in package.iterdir()} == {"__init__.py", "__pycache__", "partners.json", "updates.json"}
    assert "acme" in package.joinpath("partners.json").read_text()


def test_the_config_layer_may_hold_a_teams_own_definitions(tmp_path: Path) -> None:
    """`sam build` hands its environment on to the layer's Makefile."""
    (tmp_path / "partners").mkdir()
    (tmp_path / "partners" / "initech.yaml").write_text(
        "partner: initech\nscheme: github\nsample: it.json\nticket: {subject: x, comment: {body: x}}\n"
    )
    make = shutil.which("make")
    assert make
    subprocess.run(
        [make, "-s", "build-ConfigLayer", f"ARTIFACTS_DIR={tmp_path}/made"],
        cwd=ROOT / "layers",
        env=os.environ | {"RELAY_CONFIG": str(tmp_path)},
        check=True,
    )
    package = tmp_path / "made" / "python" / "ticket_relay_config"
    assert json.loads((package / "partners.json").read_text()).keys() == {"initech"}


def test_every_compiled_part_is_there_for_both_architectures(built: Path) -> None:
    parts: dict[str, set[str]] = {}
    for path in (built / "DependenciesLayer").rglob("*.so"):
        part, architecture, _ = COMPILED.split(str(path))
        parts.setdefault(part, set()).add(architecture)
    assert any("_pydantic_core" in part for part in parts)
    assert [part for part, architectures in parts.items() if architectures != {"x86_64", "aarch64"}] == []


def loaded(built: Path, function: str) -> set[str]:
    """The modules that Lambda's init phase loads: in a bare interpreter, that has nothing but the artefacts."""
    folders = [str(built / function), *(str(built / layer / "python") for layer in LAYERS)]
    # -I and -S: neither this environment's packages nor its variables.
    command = [sys.executable, "-I", "-S", "-c", PROGRAM, *folders]
    return set(subprocess.check_output(command, env=ENVIRONMENT, text=True, timeout=60).split())


@pytest.mark.skipif(sys.platform != "linux", reason="the layer's compiled parts are for Linux")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_starts_with_its_layers_alone_and_loads_nothing_slow(built: Path, function: str) -> None:
    modules = loaded(built, function)
    assert {"app", "ticket_relay.services", "botocore.client", "pydantic_core", "requests"} <= modules
    assert modules & TOO_SLOW == set()


@pytest.mark.skipif(sys.platform != "linux", reason="the layer's compiled parts are for Linux")
def test_a_scheme_is_data_and_no_module_of_its_own(built: Path) -> None:
    """So that a partner of Standard Webhooks does not wait for the others' senders."""
    modules = {name for name in loaded(built, "CreateTicketFunction") if name.startswith("ticket_relay.webhooks.")}
    assert {name.rpartition(".")[2] for name in modules} == {
        *("authenticate", "payload", "presets", "proofs", "scheme", "signatures"),
    }


@pytest.mark.skipif(sys.platform != "linux", reason="the layer's compiled parts are for Linux")
def test_a_delivery_does_not_wait_for_what_a_question_needs(built: Path) -> None:
    assert "ticket_relay.create_ticket.status" not in loaded(built, "CreateTicketFunction")


def test_the_layer_describes_every_service_that_the_functions_may_call(
    built: Path, stack: dict[str, dict[str, Any]]
) -> None:
    """The build drops the rest of botocore's descriptions. Lambda itself writes logs and reports failed runs, and the
    pipe tells the bus.
    """
    roles = [resource["Properties"] for resource in stack.values() if resource["Type"] == "AWS::IAM::Role"]
    allowed = {
        service for role in roles for service in re.findall(r'"([a-z0-9]+):[A-Z]', json.dumps(role.get("Policies", [])))
    }
    described = {
        path.name for path in (built / "DependenciesLayer" / "python" / "botocore" / "data").iterdir() if path.is_dir()
    }
    assert described == allowed - {"logs", "sqs", "events"}


@pytest.mark.parametrize("name", ["dynamodb", "lambda", "s3", "secretsmanager"])
def test_a_description_says_of_a_service_what_botocore_says(built: Path, name: str) -> None:
    """All but the documentation: the build drops it, and what the endpoints are of services that nobody calls."""
    data = str(built / "DependenciesLayer" / "python" / "botocore" / "data")
    whole, short = Loader(), Loader([data], include_default_search_paths=False)
    for kind in ("service-2", "endpoint-rule-set-1"):
        said = short.load_service_model(name, kind)
        assert said == without_documentation(whole.load_service_model(name, kind))
    pairs = zip(short.load_data("endpoints")["partitions"], whole.load_data("endpoints")["partitions"], strict=True)
    for said, partition in pairs:
        assert said["services"].get(name) == partition["services"].get(name)
        assert said | {"services": None} == partition | {"services": None}


@pytest.mark.parametrize(
    ("name", "operation", "parameters"),
    [
        ("dynamodb", "get_item", {"TableName": "table", "Key": {"pk": {"S": "key"}}}),
        ("lambda", "invoke", {"FunctionName": "function"}),
        ("s3", "put_object", {"Bucket": "bucket", "Key": "key"}),
        ("secretsmanager", "get_secret_value", {"SecretId": "secret"}),
    ],
)
def test_a_client_made_of_the_layers_descriptions_can_call(
    built: Path, name: str, operation: str, parameters: dict[str, Any]
) -> None:
    data = str(built / "DependenciesLayer" / "python" / "botocore" / "data")
    session = botocore.session.get_session()
    session.register_component("data_loader", Loader([data], include_default_search_paths=False))
    client = session.create_client(name, "eu-west-1", aws_access_key_id="none", aws_secret_access_key="none")
    with Stubber(client) as stubbed:
        stubbed.add_response(operation, {}, parameters)
        getattr(client, operation)(**parameters)
        stubbed.assert_no_pending_responses()


def test_no_artefact_names_the_machine_that_built_it(built: Path) -> None:
    folder = os.fsencode(ROOT) + b"/"
    artefacts = [built / artefact for artefact in LAYERS + FUNCTIONS]
    files = [path for artefact in artefacts for path in artefact.rglob("*") if path.is_file()]
    assert [path for path in files if folder in path.read_bytes()] == []


def test_a_function_with_its_layers_is_far_from_lambdas_limit(built: Path) -> None:
    """250 MB unzipped, all layers together. A new dependency that doubles what a cold start loads should be noticed."""
    artefacts = [built / artefact for artefact in (*LAYERS, "CreateTicketFunction")]
    size = sum(path.stat().st_size for artefact in artefacts for path in artefact.rglob("*") if path.is_file())
    assert size < 60_000_000
