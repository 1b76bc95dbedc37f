"""What `sam build` makes, and the stack as CloudFormation sees it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from local import artefacts
from local.aws import template

type Stack = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder that holds an artefact for each function and layer, named by its logical id."""
    return asyncio.run(artefacts.build())


@pytest.fixture(scope="session")
def stack(built: Path) -> Stack:
    """The resources by logical id, after SAM's transform."""
    resources: Stack = template.translated(built, {"ZendeskBaseUrl": "https://example.zendesk.com"})["Resources"]
    return resources
