"""Clients of AWS, straight from botocore: boto3 would add its resources and S3's transfers to each cold start."""

from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

from ticket_relay import __version__

USER_AGENT = f"ticket-relay/{__version__}"
"""What CloudTrail shows of a call. botocore's own tells of the machine, and making it takes a tenth of each call."""


def client(service: str, config: Config) -> Any:
    """A client in the function's own region, with its role's credentials."""
    return _session().create_client(service, config=config.merge(Config(user_agent=USER_AGENT)))


@cache
def _session() -> botocore.session.Session:
    """One for all clients: what botocore knows of regions and defaults is read once."""
    return botocore.session.get_session()
