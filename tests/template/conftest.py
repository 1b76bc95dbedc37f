"""What `sam build` makes, and the stack as CloudFormation sees it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from local import artefacts
from local.aws import template as templates

type Stack = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def built() -> Path:
    """The folder that holds an artefact for each function and layer, named by its logical id."""
    return asyncio.run(artefacts.build())


@pytest.fixture(scope="session")
def template(built: Path) -> dict[str, Any]:
    """All of the template, after SAM's transform."""
    return templates.translated(built, {"ZendeskBaseUrl": "https://example.zendesk.com"})


@pytest.fixture(scope="session")
def stack(template: dict[str, Any]) -> Stack:
    """The resources by logical id."""
    resources: Stack = template["Resources"]
    return resources
