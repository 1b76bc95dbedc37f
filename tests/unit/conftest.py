"""Unit tests reach nothing outside their process."""

from collections.abc import Iterator

import pytest
from pytest_socket import disable_socket, enable_socket

from tests import fixtures

aws, counted, dynamo = fixtures.aws, fixtures.counted, fixtures.dynamo
lambda_environment, table = fixtures.lambda_environment, fixtures.table


@pytest.fixture(autouse=True)
def _no_sockets() -> Iterator[None]:
    """Only the pairs of Unix sockets that asyncio's event loops are made with."""
    disable_socket(allow_unix_socket=True)
    yield
    enable_socket()
