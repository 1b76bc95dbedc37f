"""What the template says of metrics and log lines, and what the functions write of them, in one form to compare."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

STACK_NAME = "ticket-relay"
NAMESPACE = f"TicketRelay/{STACK_NAME}"

type Line = dict[str, Any]
"""One JSON line of a function's log."""

_SELECT = re.compile(
    r'SELECT \w+\((?P<name>\w+)\) FROM SCHEMA\("(?P<namespace>[^"]+)", (?P<keys>[\w, ]+)\)(?: WHERE (?P<where>.+))?'
)
_SEARCH = re.compile(r"SEARCH\('\{(?P<namespace>[^,}]+),(?P<keys>[\w,]+)\} MetricName=\"(?P<name>\w+)\"")
_VALUE = re.compile(r"(\w+) !?= '([^']*)'")


class Metric(NamedTuple):
    """A metric, by the keys of its dimensions."""

    namespace: str
    name: str
    keys: frozenset[str] = frozenset()


class Named(NamedTuple):
    """A metric as the template names it, with the values of dimensions that it names, and where it does."""

    metric: Metric
    values: frozenset[tuple[str, str]]
    where: str


def named(template: dict[str, Any]) -> list[Named]:
    """Every metric that an alarm or a dashboard of the (plain) template names."""
    return [
        found
        for logical_id, resource in template["Resources"].items()
        for found in (
            _of_alarm(logical_id, _resolved(resource["Properties"]))
            if resource["Type"] == "AWS::CloudWatch::Alarm"
            else _of_dashboard(logical_id, _resolved(resource["Properties"]))
            if resource["Type"] == "AWS::CloudWatch::Dashboard"
            else ()
        )
    ]


def dashboard(template: dict[str, Any]) -> list[dict[str, Any]]:
    """The dashboard's widgets."""
    (body,) = [
        _resolved(resource["Properties"]["DashboardBody"])
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::CloudWatch::Dashboard"
    ]
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def emitted(lines: Iterable[Line]) -> set[Named]:
    """The metrics in the lines (embedded metric format), with the values of their dimensions."""
    return {
        Named(
            Metric(directive["Namespace"], metric["Name"], frozenset(keys)),
            frozenset((key, str(line[key])) for key in keys),
            "log",
        )
        for line in lines
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", ())
        for keys in directive["Dimensions"]
        for metric in directive["Metrics"]
    }


def lines_of(log: Iterable[str]) -> list[Line]:
    """The JSON lines of the local stack's log, each of which begins with the name of its source."""
    texts = (line.partition(" | ")[2] for line in log)
    return [json.loads(text) for text in texts if text.startswith("{")]


class Query(NamedTuple):
    """A saved query of Logs Insights: the groups it reads, the messages it asks for, the fields it names."""

    groups: frozenset[str]
    messages: frozenset[str]
    fields: frozenset[str]


def queries(template: dict[str, Any]) -> dict[str, Query]:
    """By logical id."""
    return {
        logical_id: _query(_resolved(resource["Properties"]))
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == "AWS::Logs::QueryDefinition"
    }


def _query(properties: dict[str, Any]) -> Query:
    text = re.sub(r"^\s*#.*$", "", properties["QueryString"], flags=re.MULTILINE)
    messages = [
        message
        for condition in re.findall(r'\bmessage (?:=|in) ("[^"]*"|\[[^\]]*\])', text)
        for message in re.findall(r'"([^"]*)"', condition)
    ]
    bare = re.sub(r'"[^"]*"', "", text)
    aliases = set(re.findall(r"\bas (\w+)", bare))
    words = set(re.findall(r"(?<![\w@.])[A-Za-z_]\w*(?!\w*\()", bare))
    keywords = {"fields", "filter", "stats", "sort", "limit", "by", "as", "and", "or", "in", "like", "asc", "desc"}
    return Query(frozenset(properties["LogGroupNames"]), frozenset(messages), frozenset(words - aliases - keywords))


def _of_alarm(where: str, alarm: dict[str, Any]) -> Iterator[Named]:
    if "MetricName" in alarm:
        yield _plain(where, alarm)
    for part in alarm.get("Metrics", ()):
        if "MetricStat" in part:
            yield _plain(where, part["MetricStat"]["Metric"])
        elif found := _SELECT.match(part["Expression"]):
            metric = Metric(found["namespace"], found["name"], frozenset(found["keys"].split(", ")))
            yield Named(metric, frozenset(_VALUE.findall(found["where"] or "")), where)


def _plain(where: str, metric: dict[str, Any]) -> Named:
    dimensions = frozenset((it["Name"], it["Value"]) for it in metric.get("Dimensions", ()))
    named = Metric(metric["Namespace"], metric["MetricName"], frozenset(key for key, _ in dimensions))
    return Named(named, dimensions, where)


def _of_dashboard(where: str, properties: dict[str, Any]) -> Iterator[Named]:
    for widget in json.loads(properties["DashboardBody"])["widgets"]:
        before: list[str] = []
        for row in widget["properties"].get("metrics", ()):
            if isinstance(row[0], dict):
                found = _SEARCH.match(row[0]["expression"])
                assert found, row
                metric = Metric(found["namespace"], found["name"], frozenset(found["keys"].split(",")))
                yield Named(metric, frozenset(), where)
                continue
            before = _spelled_out([part for part in row if isinstance(part, str)], before)
            namespace, name, *rest = before
            dimensions = frozenset(zip(rest[::2], rest[1::2], strict=True))
            yield Named(Metric(namespace, name, frozenset(rest[::2])), dimensions, where)


def _spelled_out(row: list[str], before: list[str]) -> list[str]:
    """A dashboard's metric in full: `.` is the part above it, and `...` all parts above but those that follow it."""
    if row[0] == "...":
        row = [*before[: len(before) - len(row) + 1], *row[1:]]
    return [before[place] if part == "." else part for place, part in enumerate(row)]


def _resolved(node: Any) -> Any:
    """References become the names of what they refer to; of a parameter that decides (`Fn::If`), the first case."""
    match node:
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([^}]+)\}", lambda found: _name(found[1]), text)
        case {"Ref": name} | {"Fn::GetAtt": name}:
            return _name(".".join(name) if isinstance(name, list) else name)
        case {"Fn::If": [_, first, _]}:
            return _resolved(first)
        case dict():
            return {key: _resolved(value) for key, value in node.items()}
    return [_resolved(value) for value in node] if isinstance(node, list) else node


def _name(reference: str) -> str:
    return {"AWS::StackName": STACK_NAME, "AWS::Region": "eu-central-1"}.get(reference, reference)
