"""Alarms, dashboard and queries: what must hold of them, whatever is added."""

import json
import re
from typing import Any

import pytest

from local.artefacts import ROOT
from tests import watching

type Stack = dict[str, dict[str, Any]]

ALARM, COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"
TOPIC = [{"Ref": "AlarmTopic"}]

# What AWS publishes: names of metrics, and dimensions that go together (the page on CloudWatch metrics in the guide of
# Lambda, of HTTP APIs, of DynamoDB, of EventBridge Pipes, of SQS).
AWS_METRICS = {
    "AWS/Lambda": ({"Invocations", "Errors", "Throttles", "Duration"}, [{"FunctionName"}]),
    "AWS/ApiGateway": (
        {"Count", "4xx", "5xx", "Latency", "IntegrationLatency"},
        [{"ApiId"}, {"ApiId", "Stage"}, {"ApiId", "Stage", "Method", "Resource"}],
    ),
    "AWS/DynamoDB": (
        {"ReadThrottleEvents", "WriteThrottleEvents", "ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"},
        [{"TableName"}, {"TableName", "GlobalSecondaryIndexName"}],
    ),
    "AWS/EventBridge/Pipes": ({"EventCount", "ExecutionFailed"}, [{"PipeName"}]),
    "AWS/SQS": ({"NumberOfMessagesSent", "ApproximateNumberOfMessagesVisible"}, [{"QueueName"}]),
}


def alarms(stack: Stack, *kinds: str) -> dict[str, dict[str, Any]]:
    return {name: resource["Properties"] for name, resource in stack.items() if resource["Type"] in kinds}


def rule(composite: dict[str, Any]) -> set[str]:
    """The alarms that a composite alarm is made of."""
    return set(re.findall(r'(?<!NOT )ALARM\("\$\{(\w+)\}"\)', composite["AlarmRule"]["Fn::Sub"]))


def anchors() -> set[str]:
    """The sections of the runbook, as a link names them."""
    headings = re.findall(r"^#{2,} (.+)$", (ROOT / "docs" / "operations.md").read_text(encoding="utf-8"), re.MULTILINE)
    return anchors_of(headings)


def anchors_of(headings: list[str]) -> set[str]:
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_alarm_says_what_it_means_and_names_a_section_of_the_runbook(stack: Stack) -> None:
    known = anchors()
    for name, alarm in alarms(stack, ALARM, COMPOSITE).items():
        text = alarm["AlarmDescription"]["Fn::Sub"]
        found = re.fullmatch(r"(.{30,}\.) Runbook: \$\{RunbookUrl\}#([\w-]+)", text)
        assert found, name
        assert found[2] in known, name
        assert len(text) <= 1024 - 200, name  # CloudWatch's limit, and room for the address


def test_every_section_on_an_alarm_is_named_by_one(stack: Stack) -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    part = text.partition("\n## Alarms\n")[2].partition("\n## ")[0]
    sections = anchors_of(re.findall(r"^### (.+)$", part, re.MULTILINE))
    assert sections
    linked = {
        alarm["AlarmDescription"]["Fn::Sub"].rpartition("#")[2] for alarm in alarms(stack, ALARM, COMPOSITE).values()
    }
    assert sections - linked == set()


def test_every_alarm_tells_somebody_itself_or_through_one_other(stack: Stack) -> None:
    parts = [part for composite in alarms(stack, COMPOSITE).values() for part in rule(composite)]
    for name, alarm in alarms(stack, ALARM, COMPOSITE).items():
        tells = alarm.get("AlarmActions") == alarm.get("OKActions") == TOPIC
        assert (tells, parts.count(name)) in {(True, 0), (False, 1)}, name


def test_an_outage_of_zendesk_is_one_page(stack: Stack) -> None:
    assert rule(stack["ZendeskUnavailableAlarm"]["Properties"]) == {"ZendeskFailingAlarm", "GateClosedAlarm"}
    # What waits because of it is not told as well, nor for as long as it takes to send what has waited.
    waits = stack["WorkWaitsAlarm"]["Properties"]
    assert rule(waits) == {"OldestUnfinishedAlarm", "SlowAnswersAlarm"}
    assert waits["ActionsSuppressor"] == {"Fn::GetAtt": ["ZendeskUnavailableAlarm", "Arn"]}
    assert waits["ActionsSuppressorExtensionPeriod"] >= 900


def test_silence_is_an_alarm_for_the_poller_alone_and_not_where_it_is_switched_off(stack: Stack) -> None:
    missing = {name: alarm["TreatMissingData"] for name, alarm in alarms(stack, ALARM).items()}
    assert missing.pop("PollerSilentAlarm") == {"Fn::If": ["PollerIsOn", "breaching", "notBreaching"]}
    assert set(missing.values()) == {"notBreaching"}


def test_whatever_a_person_may_want_otherwise_is_a_parameter(stack: Stack, template: dict[str, Any]) -> None:
    """A fixed threshold is 1: of what should not be at all. The gate's is a share of the poller's runs."""
    thresholds = {name: alarm["Threshold"] for name, alarm in alarms(stack, ALARM).items()}
    assert thresholds.pop("GateClosedAlarm") == 0.8
    assert [name for name, it in thresholds.items() if it != 1 and it["Ref"] not in template["Parameters"]] == []


def test_all_alarms_are_on_the_dashboard(stack: Stack, template: dict[str, Any]) -> None:
    (shown,) = [it["properties"]["alarms"] for it in watching.dashboard(template) if it["type"] == "alarm"]
    assert sorted(shown) == sorted(f"{name}.Arn" for name in alarms(stack, ALARM, COMPOSITE))


def test_the_dashboard_leaves_no_gap_and_nothing_overlaps(template: dict[str, Any]) -> None:
    taken = [
        (x, y)
        for it in watching.dashboard(template)
        for x in range(it["x"], it["x"] + it["width"])
        for y in range(it["y"], it["y"] + it["height"])
    ]
    assert len(taken) == len(set(taken)) == 24 * (1 + max(y for _, y in taken))


def test_metrics_of_aws_are_named_as_aws_names_them(template: dict[str, Any]) -> None:
    for metric, _, where in watching.named(template):
        if metric.namespace != watching.NAMESPACE:
            names, dimensions = AWS_METRICS[metric.namespace]
            assert metric.name in names, where
            assert set(metric.keys) in dimensions, where


def test_the_table_and_each_of_its_indexes_are_watched_for_throttling(stack: Stack, template: dict[str, Any]) -> None:
    indexes = {index["IndexName"] for index in stack["Table"]["Properties"]["GlobalSecondaryIndexes"]}
    watched = {
        (metric.name, dict(values).get("GlobalSecondaryIndexName"))
        for metric, values, where in watching.named(template)
        if where == "TableThrottledAlarm"
    }
    names = {"ReadThrottleEvents", "WriteThrottleEvents"}
    assert watched == {(name, index) for name in names for index in {None, *indexes}}
    (formula,) = [
        it["Expression"] for it in stack["TableThrottledAlarm"]["Properties"]["Metrics"] if "Expression" in it
    ]
    assert formula.count("FILL(") == len(watched)


def test_the_metrics_have_a_namespace_for_each_stack(stack: Stack) -> None:
    for name in ("CreateTicketFunction", "PollJobsFunction", "UpdateTicketFunction"):
        told = stack[name]["Properties"]["Environment"]["Variables"]["POWERTOOLS_METRICS_NAMESPACE"]
        assert told == {"Fn::Sub": "TicketRelay/${AWS::StackName}"}


def test_the_topic_of_the_alarms_is_encrypted_with_a_key_that_cloudwatch_may_use(stack: Stack) -> None:
    assert stack["AlarmTopic"]["Properties"]["KmsMasterKeyId"]["Fn::If"][2] == {"Ref": "AlarmKey"}
    allowed = [
        statement["Action"]
        for statement in stack["AlarmKey"]["Properties"]["KeyPolicy"]["Statement"]
        if statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    ]
    assert allowed == [["kms:Decrypt", "kms:GenerateDataKey"]]


@pytest.mark.parametrize("name", ["EventLife", "Refusals", "SlowestAnswers", "Failures", "HeldUp", "Bugs"])
def test_a_query_reads_groups_of_the_stack(stack: Stack, template: dict[str, Any], name: str) -> None:
    query = watching.queries(template)[f"Query{name}"]
    assert {stack[group]["Type"] for group in query.groups} == {"AWS::Logs::LogGroup"}
    assert query.fields


def test_a_query_of_the_access_log_names_its_fields(stack: Stack, template: dict[str, Any]) -> None:
    (stage,) = [it["Properties"] for it in stack.values() if it["Type"] == "AWS::ApiGatewayV2::Stage"]
    written = json.loads(stage["AccessLogSettings"]["Format"]).keys()
    of_api = [query for query in watching.queries(template).values() if query.groups == {"ApiLogs"}]
    assert of_api
    for query in of_api:
        assert query.fields - written == set()
