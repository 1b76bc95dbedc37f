"""How the tests share a machine with one another."""

import os

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

BREAKING = ("tests/e2e/test_chaos", "tests/e2e/test_watching")
"""End-to-end tests that break a stack of their own."""


class OneStack(LoadScopeScheduling):
    """All end-to-end tests that share one local stack in one process, and those that break one in another; any other
    test wherever there is room.

    The mark `xdist_group` would say it shorter, but pytest 9.2 ignores it (pytest-xdist issue 1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(BREAKING):
            return "broken stack"
        return "stack" if nodeid.startswith("tests/e2e/") else nodeid


def pytest_configure() -> None:
    """The tests are about the repository's definitions, whatever folder of their own a team has set."""
    os.environ.pop("RELAY_CONFIG", None)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneStack:
    return OneStack(config, log)


# How long an example takes says nothing on a machine that others share.
settings.register_profile("relay", deadline=None)
settings.load_profile("relay")
