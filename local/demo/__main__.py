"""`python -m local.demo`: exits with 0 if every claim that it makes was true, with 1 if not."""

import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

import aiohttp
import boto3

from local.aws.cloud import forget_aws_profile
from local.demo import scenes
from local.demo.claims import Claim
from local.demo.partner import Partner
from local.demo.screen import Screen
from local.demo.stage import Stage
from local.demo.subscriber import Subscriber
from local.runtimes.runtime import ACCESS_KEY, SECRET_KEY
from local.stack import Options, Stack, running

_LOG_LINES = 40


def main() -> None:
    """Play the scenes on a new stack, on free ports, so that other stacks may run beside it."""
    forget_aws_profile()
    # Killed, it must not leave the stack's processes behind: as with Ctrl-C, everything is undone.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    screen = Screen()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as logs:
        try:
            with contextlib.redirect_stderr(logs):
                stage = asyncio.run(_play(screen))
        except KeyboardInterrupt:
            screen.title("Stopped. Nothing is left running.")
            sys.exit(130)
        except Exception:
            _show_end(logs)
            raise
        if not judged(stage.claims, screen):
            _show_end(logs)
            sys.exit(1)


def judged(claims: Mapping[str, Sequence[Claim]], screen: Screen) -> bool:
    """Show what was claimed; whether all of it was true. A scene that claims nothing has shown nothing."""
    screen.title("What was claimed, and what the simulator and the table say of it")
    screen.verdict(claims)
    true = bool(claims) and all(made and all(claim.true for claim in made) for made in claims.values())
    screen.title("All of it is true." if true else "Not all of it is true: see FALSE above.")
    return true


async def _play(screen: Screen) -> Stage:
    began = time.monotonic()
    screen.title("Ticket Relay, at work on this machine")
    screen.say("Starting the functions in Lambda's runtime, DynamoDB in moto, and a simulated Zendesk.")
    screen.say("The first start after a change builds what would be deployed.")
    # Two events will meet time-outs at once, and the next one shall not wait behind them.
    options = Options(port=0, poll_every=1.0, concurrency=3)
    async with (
        running(options) as stack,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as http,
    ):
        screen.say(f"Up after {time.monotonic() - began:.0f} s. A poller's run begins every second, not every minute.")
        subscriber = await asyncio.to_thread(Subscriber, stack.ready)
        stage = _stage(stack, http, screen, subscriber)
        await scenes.play(stage)
    screen.say(f"\n{time.monotonic() - began:.0f} s in all.")
    return stage


def _stage(stack: Stack, http: aiohttp.ClientSession, screen: Screen, subscriber: Subscriber) -> Stage:
    assert stack.zendesk is not None  # noqa: S101 - no other Zendesk was asked for
    ready = stack.ready
    table = _table(ready)
    return Stage(
        screen=screen,
        account=stack.zendesk,
        http=http,
        url=ready["url"],
        webhook_secret=ready["zendesk_webhook_secret"],
        partners={name: Partner.of(name, ready) for name in ready["partners"]},
        read=lambda: {item["pk"]: item for item in table.scan(ConsistentRead=True)["Items"] if "state" in item},
        listen=subscriber.heard,
    )


def _table(ready: dict[str, Any]) -> Any:
    dynamodb = boto3.resource(
        "dynamodb",
        endpoint_url=ready["dynamodb_url"],
        region_name=ready["aws_region"],
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
    )
    return dynamodb.Table(ready["table"])


def _show_end(logs: TextIO) -> None:
    """The last lines that the stack logged, on stderr."""
    logs.seek(0)
    sys.stderr.writelines(deque(logs, _LOG_LINES))


if __name__ == "__main__":
    main()
