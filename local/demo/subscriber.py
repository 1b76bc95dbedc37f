"""Somebody who hears how events ended: a queue on the stack's event bus, as docs/events/to-sqs.yaml makes it."""

import json
from collections.abc import Mapping
from typing import Any

import boto3

from local.artefacts import ROOT
from local.runtimes.runtime import ACCESS_KEY, SECRET_KEY

_TEMPLATE = ROOT / "docs" / "events" / "to-sqs.yaml"
_STACK = "outcomes"
_AT_ONCE = 10

type Outcome = dict[str, Any]
"""The detail of an event: docs/events/outcome.v1.schema.json."""


def kind_of(pk: str, row: Mapping[str, Any]) -> str:
    """The type of a row's outcome. An event that joined a ticket to solve it has solved it."""
    solved = row["state"] == "joined" and row.get("joining", {}).get("do") == "solve"
    return f"{pk.partition('#')[0]}.{'solved' if solved else row['state']}"


class Subscriber:
    """Subscribes when it is made. It blocks, as boto3 does."""

    def __init__(self, ready: Mapping[str, Any]) -> None:
        """From the stack's ready line."""
        self._ready = ready
        self._sqs = self._client("sqs")
        self._queue_url = self._subscribed()
        self._heard: list[Outcome] = []

    def heard(self) -> list[Outcome]:
        """All that it has been told so far, in the order in which it came."""
        while messages := self._received():
            for message in messages:
                event = json.loads(message["Body"])
                self._heard.append(event["detail"])
                self._sqs.delete_message(QueueUrl=self._queue_url, ReceiptHandle=message["ReceiptHandle"])
        return list(self._heard)

    def _received(self) -> list[Any]:
        answer = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=_AT_ONCE)
        messages: list[Any] = answer.get("Messages", [])
        return messages

    def _subscribed(self) -> str:
        cloudformation = self._client("cloudformation")
        cloudformation.create_stack(
            StackName=_STACK,
            TemplateBody=_TEMPLATE.read_text(encoding="utf-8"),
            Parameters=[{"ParameterKey": "EventBusName", "ParameterValue": self._ready["event_bus"]}],
        )
        (stack,) = cloudformation.describe_stacks(StackName=_STACK)["Stacks"]
        (queue_url,) = [it["OutputValue"] for it in stack["Outputs"] if it["OutputKey"] == "QueueUrl"]
        return str(queue_url)

    def _client(self, service: str) -> Any:
        return boto3.client(  # type: ignore[call-overload] # the lite stubs know no service by name
            service,
            endpoint_url=self._ready["aws_url"],
            region_name=self._ready["aws_region"],
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
