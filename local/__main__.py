"""`python -m local`: the whole of Ticket Relay on this machine, without Docker and without accounts."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from types import FrameType

import click
from botocore.exceptions import BotoCoreError, ClientError

from layers.config.compile import VARIABLE
from local.aws.cloud import forget_aws_profile
from local.hint import how_to_use
from local.processes import log
from local.ready import announced
from local.runtimes.runtime import InitError
from local.stack import DEFAULT_RUNTIME, Options, running


@click.command(context_settings={"auto_envvar_prefix": "LOCAL", "show_default": True})
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_envvar=True, help="Of the HTTP front; 0: any."
)
@click.option(
    "--poll-every",
    type=click.FloatRange(0, min_open=True),
    default=5.0,
    metavar="SECONDS",
    show_envvar=True,
    help="Between two runs of the poller.",
)
@click.option("--zendesk-url", metavar="URL", show_envvar=True, help="A Zendesk to use in place of the simulator.")
@click.option("--zendesk-client-id", default="ticket-relay", show_envvar=True, help="OAuth client at that Zendesk.")
@click.option(
    "--zendesk-client-secret",
    show_envvar=True,
    help="Its secret; better given as the variable. Made up if absent.",
)
@click.option(
    "--dynamodb-url",
    metavar="URL",
    show_envvar=True,
    help="A DynamoDB to use in place of moto's: region us-east-1, access key `testing`.",
)
@click.option(
    "--config",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    envvar=["LOCAL_CONFIG", VARIABLE],
    show_envvar=True,
    help="A folder with partners/, updates/ and their samples, in place of the repository's.",
)
@click.option(
    "--concurrency", type=click.IntRange(1), default=2, show_envvar=True, help="Runtimes for each HTTP function."
)
@click.option(
    "--runtime",
    type=click.Choice(["emulator", "process"]),
    default=DEFAULT_RUNTIME,
    show_envvar=True,
    help="Lambda's own (Linux), or plain Python processes.",
)
def main(**options: object) -> None:
    """Run the relay, a simulated Zendesk and the AWS side on this machine, until SIGINT or SIGTERM.

    Prints one line of JSON when ready; logs go to stderr. Every option is an environment variable too.
    """
    forget_aws_profile()
    given = {name: value for name, value in options.items() if value is not None}
    try:
        asyncio.run(_serve(Options(**given)))  # type: ignore[arg-type] # click has checked their types
    except* (RuntimeError, OSError, InitError, BotoCoreError, ClientError) as errors:
        for error in _leaves(errors):
            log("local", f"{type(error).__name__}: {error}")
        sys.exit(1)


async def _serve(options: Options) -> None:
    """Run until a signal, which cancels everything, start-up included, so that all of it is undone."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in one
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        if not stopped.is_set():
            stopped.set()
            loop.call_soon_threadsafe(task.cancel)

    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, stop)
    try:
        async with running(options) as stack:
            with announced(stack.ready):
                print(json.dumps(stack.ready), flush=True)  # noqa: T201 - the contract's one line
                if sys.stderr.isatty():
                    print(how_to_use(stack.ready, options.config), file=sys.stderr, flush=True)  # noqa: T201 - a person is watching
                await asyncio.Event().wait()
    except asyncio.CancelledError:
        if not stopped.is_set():
            raise


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    leaves: list[BaseException] = []
    for error in group.exceptions:
        leaves += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return leaves


if __name__ == "__main__":
    main()
