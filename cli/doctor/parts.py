"""Checks that the parts of the stack exist, as template.yaml describes them."""

import time
from functools import partial
from typing import Any

import click
from pydantic import ValidationError

from cli import reading, shown
from cli.doctor.finding import unchecked, wrong
from cli.doctor.setup import CREATE, POLL, TABLE, UPDATE, Setup
from cli.where import Place
from ticket_relay.config import Settings
from ticket_relay.storage.dynamodb import DUE_INDEX

SCHEDULE = "PollJobsFunctionEveryMinute"
"""The logical id that SAM gives the schedule."""

_DEPLOYED = {"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_COMPLETE"}
_KEYS = [("pk", "HASH", "S")]
_DUE_KEYS = [("due_shard", "HASH", "S"), ("due_at", "RANGE", "N")]
_LIFETIME = "expires_at"
_WHERE = "Name it with --stack, --region and --profile; the local stack, with --endpoint-url and its `aws_url`."
_NO_MORE = "It was deleted by hand, and a deployment does not make it again: restore it, or deploy another stack."


def stack(setup: Setup) -> str:
    try:
        found = setup.where.described()
        parts = setup.aws("cloudformation").describe_stack_resources(StackName=found["StackName"])
    except click.ClickException as error:
        raise wrong(error.message, _WHERE) from None
    setup.resources = {
        part["LogicalResourceId"]: part["PhysicalResourceId"]
        for part in parts["StackResources"]
        if "PhysicalResourceId" in part
    }
    if found["StackStatus"] not in _DEPLOYED:
        raise wrong(f"{found['StackName']} is in {found['StackStatus']}.", "Let the deployment end, or fix it.")
    return f"{found['StackName']} is deployed."


def table(setup: Setup) -> str:
    name = setup.resource(TABLE)
    if name is None:
        raise wrong("The stack has no table.", "Deploy it.")
    dynamodb = setup.aws("dynamodb")
    try:
        found = dynamodb.describe_table(TableName=name)["Table"]
        lifetime = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    except dynamodb.exceptions.ResourceNotFoundException:
        raise wrong(f"There is no table {name}.", _NO_MORE) from None
    if flaws := list(_flaws(found, lifetime)):
        raise wrong(f"{name}: {'; '.join(flaws)}.", "Undo what was changed by hand, or deploy the stack again.")
    return f"{name} has its key, its index {DUE_INDEX} and its expiry."


def _flaws(found: dict[str, Any], lifetime: dict[str, Any]) -> list[str]:
    types = {each["AttributeName"]: each["AttributeType"] for each in found["AttributeDefinitions"]}
    index = next((each for each in found.get("GlobalSecondaryIndexes", ()) if each["IndexName"] == DUE_INDEX), None)

    def keys(keyed: dict[str, Any]) -> list[tuple[str, str, str]]:
        return [(key["AttributeName"], key["KeyType"], types[key["AttributeName"]]) for key in keyed["KeySchema"]]

    alive = lifetime.get("TimeToLiveStatus") in {"ENABLED", "ENABLING"}
    flaws = {
        "it is not active": found["TableStatus"] not in {"ACTIVE", "UPDATING"},
        "its key is not pk, a text": keys(found) != _KEYS,
        f"there is no index {DUE_INDEX}": index is None,
        f"the index {DUE_INDEX} has other keys": index is not None and keys(index) != _DUE_KEYS,
        # Other engines than Amazon's own may leave this out.
        f"the index {DUE_INDEX} is not active": index is not None and index.get("IndexStatus", "ACTIVE") != "ACTIVE",
        f"items do not expire by {_LIFETIME}": not alive or lifetime.get("AttributeName") != _LIFETIME,
    }
    return [flaw for flaw, has in flaws.items() if has]


def function(logical_id: str, setup: Setup) -> str:
    name = setup.resource(logical_id)
    if name is None:
        raise wrong(f"The stack has no {logical_id}.", "Deploy it.")
    lambda_ = setup.aws("lambda")
    try:
        found = lambda_.get_function_configuration(FunctionName=name)
    except lambda_.exceptions.ResourceNotFoundException:
        raise wrong(f"There is no function {name}.", _NO_MORE) from None
    given = found.get("Environment", {}).get("Variables", {})
    try:
        settings = Settings.model_validate(
            {field: given[field.upper()] for field in Settings.model_fields if field.upper() in given}
        )
    except ValidationError as error:
        names = ", ".join(sorted({str(problem["loc"][0]).upper() for problem in error.errors()}))
        raise wrong(f"Its environment lacks or misstates {names}.", "Deploy the stack again.") from None
    setup.settings[logical_id] = settings
    if settings.table_name != setup.resource(TABLE):
        raise wrong("Its environment names another table than the stack's.", "Deploy the stack again.")
    if logical_id in {CREATE, UPDATE} and not settings.signing_secrets_arn:
        raise wrong("Its environment lacks SIGNING_SECRETS_ARN.", "Deploy the stack again.")
    states = {found.get("State"), found.get("LastUpdateStatus")}
    if unready := states & {"Failed", "Pending", "InProgress"}:
        raise wrong(f"Lambda says that it is {', '.join(sorted(unready))}.", "Wait, or deploy the stack again.")
    return "It is there, and its environment is complete."


def schedule(setup: Setup) -> str:
    name = setup.resource(SCHEDULE)
    if name is None:
        if setup.where.endpoint_url:
            raise unchecked("Cannot be checked: the local stack starts its poller itself.")
        raise wrong("The stack has no schedule, so the poller is never started.", "Deploy it.")
    scheduler = setup.aws("scheduler")
    try:
        found = scheduler.get_schedule(Name=name)
    except scheduler.exceptions.ResourceNotFoundException:
        raise wrong(f"There is no schedule {name}.", _NO_MORE) from None
    if found["State"] != "ENABLED":
        raise wrong("It is off, so no waiting row goes on.", "Deploy with PollState=ENABLED.")
    return f"{found['ScheduleExpression']}, and it is on."


def gate(setup: Setup) -> str:
    name = setup.settings_of(POLL, CREATE, UPDATE).table_name
    found = reading.gate_state(Place(name, setup.aws("dynamodb"), partial(setup.aws, "s3")), time.time())
    if found["state"] == "closed":
        setup.gate_open = False
        until = shown.iso(found["closed_until"])
        raise wrong(f"Closed until {until}: Zendesk asked callers to wait.", "Run this again then.")
    return "It is open." if found["state"] == "open" else "Half-open: the next worker tries one call."
