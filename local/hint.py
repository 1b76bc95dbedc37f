"""What `make local` prints in a terminal: how to send the stack an event, and see its ticket."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def how_to_send(ready: Mapping[str, Any], config: Path | None) -> str:
    """Commands to paste, made from the stack's ready line and the folder of its definitions."""
    partner = next(iter(ready["partners"]), "PARTNER")
    where = f" --config {shlex.quote(str(config.resolve()))}" if config else ""
    return f"""
The relay is at {ready["url"]}, its Zendesk at {ready["zendesk_url"]}. Ctrl-C stops everything.
A new event of {partner}, signed as {partner} signs (from the repository's folder), until it has its ticket:

  .venv/bin/relay send {partner} --wait 30s --url {ready["url"]}{where}

The tickets, as the simulated Zendesk lists them:

  curl -s {ready["zendesk_url"]}/api/v2/tickets -u anybody@example.com/token:any
"""
