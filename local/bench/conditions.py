"""What the relay is measured under: the limits of a Zendesk account, and the engine that its table is in."""

import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import boto3
from botocore.config import Config
from mypy_boto3_dynamodb import DynamoDBClient

from local.aws import cloud, dynamodb
from local.runtimes.runtime import ACCESS_KEY, REGION, SECRET_KEY
from local.zendesk_simulator import Account, Fault
from local.zendesk_simulator.limits import Limits

type EngineKind = Literal["moto", "local", "url"]

TICKETS_IN_A_JOB = 100
"""Create Many Tickets takes so many (Tickets reference)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """An account of Zendesk's. Its documented limits are the simulator's defaults: local/zendesk_simulator/settings.py.

    `call_seconds` is an assumption: what a call to a true account takes. `job_seconds`: of a job of 100 tickets,
    observed as 10 to 15.
    """

    account_limit: int = 700
    create_limit: int = 300
    jobs: int = 30
    call_seconds: float = 0.2
    job_seconds: float = 12.6

    def put_on(self, account: Account) -> None:
        """From now on; what was counted before is forgotten."""
        settings = account.settings
        settings.limit_account, settings.limit_create = self.account_limit, self.create_limit
        settings.max_jobs = self.jobs
        by_ticket = self.job_seconds - settings.job_queued_seconds - settings.job_working_seconds
        settings.job_ticket_seconds = by_ticket / TICKETS_IN_A_JOB
        account.limits = Limits(settings)
        account.journal.entries.clear()
        account.faults.add(Fault("delay", delay=self.call_seconds, times=None))

    def one_by_one_seconds(self, tickets: int) -> float:
        """What the limit of creates alone allows."""
        return tickets * 60 / self.create_limit

    def drain_seconds(self, tickets: int) -> float:
        """What the limit of jobs allows, in rounds: as many jobs as there may be at once, of a hundred tickets each."""
        rounds = math.ceil(math.ceil(tickets / TICKETS_IN_A_JOB) / self.jobs)
        return rounds * self.job_seconds

    @property
    def drain_rate(self) -> float:
        """Tickets a second while every job is a full one."""
        return self.jobs * TICKETS_IN_A_JOB / self.job_seconds

    def __str__(self) -> str:
        return (
            f"{self.account_limit} requests and {self.create_limit} creates a minute, {self.jobs} jobs at a time, "
            f"{self.call_seconds:g} s a call, {self.job_seconds:g} s for a job of {TICKETS_IN_A_JOB} tickets"
        )


@dataclass(frozen=True, slots=True)
class Engine:
    """A DynamoDB."""

    name: str
    url: str


@contextlib.asynccontextmanager
async def engine(kind: EngineKind | None, url: str | None) -> AsyncIterator[Engine]:
    """The DynamoDB to measure on: the one at `url`, else DynamoDB Local if this machine can run it and moto is not
    asked for. Raises RuntimeError.
    """
    if url:
        yield Engine("the DynamoDB that was given", url)
    elif kind == "moto" or (kind is None and dynamodb.missing()):
        async with cloud.moto() as started:
            yield Engine("moto", started)
    else:
        async with dynamodb.dynamodb_local() as started:
            yield Engine("DynamoDB Local", started)


def client(engine: Engine) -> DynamoDBClient:
    """A patient client of the engine, for this process and all its threads."""
    config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 3}, max_pool_connections=16)
    return boto3.client(
        "dynamodb",
        endpoint_url=engine.url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=config,
    )
