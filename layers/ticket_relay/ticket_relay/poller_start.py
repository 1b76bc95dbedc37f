"""Starts the poller at once, where the next minute would be late. Lambda queues the invocation and answers (API
reference, Invoke: `Event`); while a run is under way, it waits in Lambda's queue for its end.
"""

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ticket_relay import aws_clients, observability

CLIENT = Config(connect_timeout=0.5, read_timeout=1.0, retries={"mode": "standard", "total_max_attempts": 1})


def start(function: str) -> None:
    """Never raises: the schedule starts the poller within a minute anyhow. Made for this one call, since it is rare."""
    try:
        aws_clients.client("lambda", CLIENT).invoke(FunctionName=function, InvocationType="Event")
    except (ClientError, BotoCoreError) as error:
        observability.count("PollerNotStarted")
        observability.logger().warning("poller not started", extra={"error": type(error).__name__})
