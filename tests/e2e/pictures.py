"""`make pictures`: takes the pictures of docs/console.md, of a stack made for it, with invented events."""

import json
import time
from typing import Any

import boto3
import requests

from cli.doctor.examination import CHECKS
from local.runtimes.runtime import ACCESS_KEY, SECRET_KEY
from tests.builders import ROOT
from tests.e2e import console
from tests.e2e.conftest import LocalStack, stack_process
from tests.waiting import eventually
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.dynamodb import Table
from ticket_relay.storage.store import Store

FOLDER = ROOT / "docs" / "console"
SIZE: Any = {"width": 1060, "height": 680}

TITLES = ("Checkout answers 502", "Search is slow", "Invoices are not sent", "The app does not start")
UNMAPPED = "msg_2n8wQpR41"
WAITING = {20: 7, 90: 12, 400: 5, 1500: 2, 9000: 1}
"""How many events wait for how many seconds."""


def furnish(stack: LocalStack) -> None:
    """Events that became tickets, some that did not, and some that wait."""
    sample = json.loads((ROOT / "events" / "acme-incident-opened.json").read_text())
    for number, title in enumerate(TITLES):
        event = sample | {"incident": sample["incident"] | {"title": title, "id": f"INC-2042{number}"}}
        console.deliver(stack, f"msg_2n8vK{number}fT", event)
    refund = json.loads((ROOT / "events" / "globex-refund-requested.json").read_text())
    console.deliver(stack, "evt_8241", refund, "globex")
    refusal = {"error": "RecordInvalid", "description": "Requester: Marta Lindqvist is suspended."}
    fault = {"kind": "status", "status": 422, "method": "POST", "path": "/api/v2/tickets", "body": json.dumps(refusal)}
    requests.post(f"{stack.ready['zendesk_url']}/_control/faults", json=fault, timeout=10).raise_for_status()
    console.deliver(stack, "msg_2n8wB7cLm", sample)
    without = {name: value for name, value in sample["incident"].items() if name != "severity"}
    console.deliver(stack, UNMAPPED, sample | {"incident": without})
    eventually(lambda: requests.post(f"{stack.control_url}/poll", timeout=90).ok and _all_created(stack))
    requests.post(f"{stack.control_url}/schedule", json={"every": None}, timeout=10).raise_for_status()
    store = Store(Table(stack.ready["table"], _dynamodb(stack)), report=lambda *_: None)
    now = time.time()
    for age, count in WAITING.items():
        for number in range(count):
            came = now - age - number
            store.claim(ticket_states.claimed("hooli", f"alert-{age}-{number}", b"{}", came, closed_until=now + 900))


def _dynamodb(stack: LocalStack) -> Any:
    return boto3.client(
        "dynamodb",
        endpoint_url=stack.ready["dynamodb_url"],
        region_name=stack.ready["aws_region"],
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )


def _all_created(stack: LocalStack) -> bool:
    items = _dynamodb(stack).scan(TableName=stack.ready["table"])["Items"]
    return not any(item.get("state", {}).get("S") in {"accepted", "submitted"} for item in items)


PICTURES = (
    ("events", "light", "events"),
    ("event", "dark", "event?key=ticket%23acme%23msg_2n8wB7cLm"),
    ("playground", "light", f"playground?key=ticket%23acme%23{UNMAPPED}"),
    ("health", "dark", "health"),
)
"""Name, colours, and what is shown."""


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with stack_process("--poll-every", "1") as stack:
        furnish(stack)
        with console.console_of(stack) as address, console.browser() as browser:
            for name, colours, path in PICTURES:
                scheme: Any = colours
                page = browser.new_context(color_scheme=scheme, viewport=SIZE, base_url=address).new_page()
                page.goto(path)
                if name == "health":
                    page.locator(".checks li").nth(len(CHECKS) - 1).wait_for()
                page.wait_for_timeout(1500)
                page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
