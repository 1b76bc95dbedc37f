"""Fixtures for unit and integration tests alike: the conftest that imports one has it."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from moto import mock_aws
from samtranslator.yaml_helper import yaml_parse

from local.aws import dynamodb
from tests import builders
from tests.fakes import Dynamo
from ticket_relay import observability
from ticket_relay.storage.dynamodb import Table

_TESTS = count()

both_engines = pytest.mark.parametrize("dynamo", ["moto", "dynamodb-local"], indirect=True)
"""For what can differ on Amazon's own DynamoDB: the table, and one path of each use case. The rest runs on moto's."""


@pytest.fixture
def lambda_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Credentials that open nothing, Powertools' variables as the template sets them, and no metrics yet."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "TicketRelay")
    # A name of its own for each test: a logger goes on writing to the stdout of the test that made it.
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", f"test-{next(_TESTS)}")
    observability.logger.cache_clear()
    observability.metrics.cache_clear()
    observability.metrics().clear_metrics()
    yield
    observability.metrics().clear_metrics()


@pytest.fixture
def counted() -> Callable[[str], float]:
    """How much was counted under a metric's name, and not yet sent off, since the test began."""

    def total(name: str) -> float:
        metric = observability.metrics().metric_set.get(name)
        return sum(metric["Value"]) if metric else 0

    return total


@pytest.fixture
def aws(lambda_environment: None) -> Iterator[None]:
    """AWS as moto plays it in this process: no socket is opened."""
    with mock_aws():
        yield


@pytest.fixture(scope="session")
def dynamodb_local() -> Iterator[str]:
    """The address of Amazon's own engine: one for all tests of a process."""
    if reason := dynamodb.missing():
        pytest.skip(reason)
    with dynamodb.dynamodb_local_in_thread() as url:
        yield url


@cache
def client(service: str, url: str | None = None) -> Any:
    """One for all tests of a process, since making one takes longer than most tests. Only to be called under `aws`.

    moto's DynamoDB looks at no signature, and to make one takes a tenth of a call. Its S3 does look.
    """
    unsigned = service == "dynamodb" and url is None
    config = Config(signature_version=UNSIGNED if unsigned else None)
    return boto3.client(service, endpoint_url=url, config=config)


@cache
def table_properties() -> dict[str, Any]:
    """The table of the template, but for what moto knows only as calls of their own."""
    table = yaml_parse((builders.ROOT / "template.yaml").read_text())["Resources"]["Table"]
    return {name: value for name, value in table["Properties"].items() if not name.endswith("Specification")}


@pytest.fixture
def dynamo(aws: None) -> Dynamo:
    """A client of moto's DynamoDB, which holds the table of the template."""
    client("dynamodb").create_table(TableName=builders.TABLE, **table_properties())
    return Dynamo(client("dynamodb"))


@pytest.fixture
def bucket(aws: None) -> Callable[[], list[str]]:
    """The bucket of large events; called, the keys of what is in it."""
    s3 = client("s3")
    s3.create_bucket(Bucket=builders.BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    return lambda: [it["Key"] for it in s3.list_objects_v2(Bucket=builders.BUCKET).get("Contents", [])]


@pytest.fixture
def table(dynamo: Dynamo) -> Table:
    return Table(builders.TABLE, dynamo)  # type: ignore[arg-type]  # only as much as the table calls
