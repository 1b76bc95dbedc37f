"""Finds the stack and the table that the operator means, and makes clients for them."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import click
from botocore.config import Config
from botocore.exceptions import ClientError

from local.runtimes.runtime import ACCESS_KEY, REGION, SECRET_KEY
from ticket_relay.storage.dynamodb import Table
from ticket_relay.storage.events import Events
from ticket_relay.storage.store import Store

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef as Stack
    from mypy_boto3_dynamodb import DynamoDBClient

DEFAULT_STACK = "ticket-relay"
OUTPUT = "TableName"
"""The output of template.yaml that names the table."""

# A person waits for whole pages of a scan: longer time-outs than those of the functions.
_CLIENT = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3})


@dataclass(frozen=True, slots=True)
class Place:
    """A table that has been found, and a client for it; `s3` makes one for the bucket of large events."""

    table: str
    client: "DynamoDBClient"
    s3: Callable[[], Any]

    @property
    def store(self) -> Store:
        """Without the relay's metrics and log lines: stdout is for the answers."""
        return Store(Table(self.table, self.client), report=lambda *_: None)

    @property
    def events(self) -> Events:
        """To read raw events; it keeps none."""
        return Events(Table(self.table, self.client), None, self.s3)


@dataclass(frozen=True, slots=True)
class Where:
    """Where the operator says the table is: a stack, a table, or an endpoint with or without a table."""

    stack: str | None = None
    table: str | None = None
    endpoint_url: str | None = None
    dynamodb_url: str | None = None
    """DynamoDB's address, if it is not the same as that of the rest of AWS."""
    region: str | None = None
    profile: str | None = None

    def __post_init__(self) -> None:
        """Raises UsageError if two places are given: a guess could redrive rows in the wrong one."""
        if self.stack and (self.table or self.endpoint_url):
            raise click.UsageError(
                "A stack is given, and a table or an endpoint too (perhaps as RELAY_STACK, RELAY_TABLE or "
                "RELAY_ENDPOINT_URL). Which one is meant?"
            )
        for url in (self.endpoint_url, self.dynamodb_url):
            if url and not is_url(url):
                raise click.BadParameter(f"{url!r} is not an address like http://127.0.0.1:5000.")

    def place(self) -> Place:
        """Find it. Raises ClickException if there is no such stack or table, botocore's errors if AWS fails."""
        client: DynamoDBClient = self.client("dynamodb")
        s3 = cache(partial(self.client, "s3"))
        if self.table:
            return Place(self.table, client, s3)
        return Place(_only_table(client) if self.endpoint_url else self.output(OUTPUT), client, s3)

    def client(self, service: str) -> Any:
        """A client of an AWS service there. Raises botocore's errors where the profile or the region is missing."""
        session = boto3.Session(profile_name=self.profile, region_name=self.region)
        url = (self.dynamodb_url if service in {"dynamodb", "dynamodbstreams"} else None) or self.endpoint_url
        return session.client(service, config=_CLIENT, **self._at(url))  # type: ignore[call-overload] # lite stubs know no service by name

    def described(self) -> "Stack":
        """The stack, as CloudFormation describes it. Raises ClickException where there is none of that name."""
        name = self.stack or DEFAULT_STACK
        cloudformation: CloudFormationClient = self.client("cloudformation")
        try:
            (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except ClientError as error:
            # CloudFormation has no code of its own for this (API reference, DescribeStacks).
            if "does not exist" in error.response["Error"]["Message"]:
                raise click.ClickException(
                    f"There is no stack {name} in {cloudformation.meta.region_name} in this account."
                ) from None
            raise
        return stack

    def output(self, key: str) -> str:
        """An output of the stack. Raises ClickException where there is no such stack, or no such output."""
        stack = self.described()
        for output in stack.get("Outputs", []):
            if output["OutputKey"] == key:
                return str(output["OutputValue"])
        name = stack["StackName"]
        raise click.ClickException(f"The stack {name} has no output {key}: it is not a relay, or not yet made.")

    def resource(self, logical_id: str) -> str:
        """The physical id of a part of the stack. Raises as `client`, and ClientError where there is none."""
        found = self.client("cloudformation").describe_stack_resource(
            StackName=self.stack or DEFAULT_STACK, LogicalResourceId=logical_id
        )
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def _at(self, url: str | None) -> dict[str, Any]:
        """For a loopback address, the local stack's made-up credentials, never the operator's real ones."""
        if not url:
            return {}
        if not on_loopback(url):
            return {"endpoint_url": url}
        return {
            "endpoint_url": url,
            "region_name": self.region or REGION,
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
        }


def _only_table(client: "DynamoDBClient") -> str:
    names = client.list_tables(Limit=20)["TableNames"]
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise click.ClickException(f"Name the table with --table: there is not exactly one at the endpoint ({known}).")
    return names[0]


def is_url(text: str) -> bool:
    """Whether it is an address of HTTP."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname)


def on_loopback(url: str) -> bool:
    """Whether an address is of this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
