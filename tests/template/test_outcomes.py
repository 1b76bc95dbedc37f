"""The pipe of outcomes, its schema, and the examples of who hears of them."""

import base64
import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from samtranslator.yaml_helper import yaml_parse

from local.artefacts import ROOT
from local.aws.pipe import Definition, PipeError
from tests import stored_rows
from tests.builders import CANARY
from ticket_relay.storage.rows import Row, TicketState, UpdateState

type Stack = dict[str, dict[str, Any]]

EVENTS = ROOT / "docs" / "events"
SCHEMA = json.loads((EVENTS / "outcome.v1.schema.json").read_text(encoding="utf-8"))
KNOWN = SCHEMA["properties"]["type"]["enum"]


@pytest.fixture(scope="module")
def pipe(stack: Stack) -> dict[str, Any]:
    properties: dict[str, Any] = stack["OutcomePipe"]["Properties"]
    return properties


@pytest.fixture(scope="module")
def definition(pipe: dict[str, Any]) -> Definition:
    return Definition.of(pipe)


def record(row: Row, event: str = "MODIFY") -> dict[str, Any]:
    """What the stream says of a row that was written."""
    image = json.loads(json.dumps(stored_rows.written(row), default=lambda value: base64.b64encode(value).decode()))
    return {"eventName": event, "dynamodb": {"Keys": {"pk": {"S": row.pk}}, "NewImage": image}}


@pytest.mark.parametrize("row", stored_rows.examples(), ids=lambda row: f"{row.pk}-{row.state}-{row.version}")
def test_what_the_bus_hears_of_a_row_is_what_the_schema_says(definition: Definition, row: Row) -> None:
    entry = definition.entry(record(row))
    assert (entry is None) == (row.state in row.working or getattr(row, "of_event", None) is not None)
    if entry:
        detail = json.loads(entry["Detail"])
        Draft202012Validator(SCHEMA, format_checker=FormatChecker()).validate(detail)
        assert (entry["Source"], entry["DetailType"]) == ("ticket-relay", detail["type"])
        assert entry["Time"].timestamp() == pytest.approx(row.updated_at, abs=0.001)
        assert (detail["id"], detail["revision"]) == (row.pk, str(row.version))


def test_the_schema_knows_every_outcome_that_there_is() -> None:
    rows = stored_rows.examples()
    told = {stored_rows.written(row).get("outcome", {}).get("M", {}).get("type", {}).get("S") for row in rows} - {None}
    assert told == set(KNOWN)
    ends = {f"ticket.{it}" for it in TicketState} | {f"update.{it}" for it in UpdateState} | {"ticket.solved"}
    assert ends - told == {f"{kind}.{state}" for kind in ("ticket", "update") for state in ("accepted", "submitted")}


@pytest.mark.parametrize("change", [{"reason": "Dana's e-mail is wrong!"}, {"ticket_id": "seven"}, {"subject": "x"}])
def test_the_schema_takes_no_words(definition: Definition, change: dict[str, str]) -> None:
    (row,) = [row for row in stored_rows.examples() if row.state == TicketState.UNMAPPED]
    entry = definition.entry(record(row))
    assert entry
    assert not Draft202012Validator(SCHEMA).is_valid(json.loads(entry["Detail"]) | change)


def test_no_payload_gets_through(definition: Definition) -> None:
    for row in stored_rows.examples():
        entry = definition.entry(record(row.model_copy(update={"error_sentence": CANARY, "event": CANARY.encode()})))
        assert entry is None or CANARY not in json.dumps(entry, default=str)


def test_nothing_is_told_of_what_is_deleted_or_due_or_no_row(definition: Definition) -> None:
    (created,) = [row for row in stored_rows.examples() if row.state == TicketState.CREATED]
    assert definition.entry(record(created, "INSERT"))
    assert definition.entry(record(created, "REMOVE")) is None
    due = record(created)
    due["dynamodb"]["NewImage"]["due_at"] = {"N": "1"}
    assert definition.entry(due) is None
    assert definition.entry({"eventName": "MODIFY", "dynamodb": {"NewImage": {"pk": {"S": "gate"}}}}) is None


def test_the_template_may_not_depend_on_what_pipes_make_of_a_missing_value(definition: Definition) -> None:
    (created,) = [row for row in stored_rows.examples() if row.state == TicketState.CREATED]
    less = record(created)
    del less["dynamodb"]["NewImage"]["outcome"]["M"]["reason"]
    with pytest.raises(PipeError, match="leads nowhere"):
        definition.entry(less)


def test_the_pipe_keeps_trying_and_leaves_a_trace_before_the_stream_forgets(stack: Stack, pipe: dict[str, Any]) -> None:
    source = pipe["SourceParameters"]["DynamoDBStreamParameters"]
    assert pipe["Source"] == {"Fn::GetAtt": ["Table", "StreamArn"]}
    assert (source["StartingPosition"], source["MaximumRetryAttempts"]) == ("TRIM_HORIZON", -1)
    assert 12 * 3600 < source["MaximumRecordAgeInSeconds"] < 24 * 3600
    assert source["DeadLetterConfig"]["Arn"] == {"Fn::GetAtt": ["OutcomeFailures", "Arn"]}
    assert stack["Table"]["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_IMAGE"}


def test_the_pipes_log_holds_no_data(pipe: dict[str, Any]) -> None:
    assert pipe["LogConfiguration"].keys() == {"Level", "CloudwatchLogsLogDestination"}
    assert pipe["LogConfiguration"]["Level"] == "ERROR"


EXAMPLES = sorted(EVENTS.glob("*.yaml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
def test_an_example_hears_of_outcomes_that_there_are(file: Any) -> None:
    rules = [
        it["Properties"]["EventPattern"]
        for it in yaml_parse(file.read_text(encoding="utf-8"))["Resources"].values()
        if it["Type"] == "AWS::Events::Rule"
    ]
    assert len(rules) == 1
    for pattern in rules:
        assert pattern["source"] == ["ticket-relay"]
        for kind in pattern.get("detail-type", []):
            assert kind in KNOWN or any(known.startswith(kind["prefix"]) for known in KNOWN)
        assert set(pattern.get("detail", {})) <= SCHEMA["properties"].keys()


def test_the_documentation_names_every_outcome_and_every_example() -> None:
    text = (EVENTS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `((?:ticket|update)\.\w+)`", text, re.MULTILINE)) == set(KNOWN)
    assert set(re.findall(r"\(([\w-]+\.yaml)\)", text)) == {file.name for file in EXAMPLES}
    (example,) = re.findall(r"```json\n(.+?)```", text, re.DOTALL)
    Draft202012Validator(SCHEMA).validate(json.loads(example)["detail"])
