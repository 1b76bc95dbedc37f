"""What `make local` prints in a terminal: how to send the stack an event, see its ticket, and open the console."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def how_to_use(ready: Mapping[str, Any], config: Path | None) -> str:
    """Commands to paste, made from the stack's ready line and the folder of its definitions."""
    partner = next(iter(ready["partners"]), "PARTNER")
    where = f" --config {shlex.quote(str(config.resolve()))}" if config else ""
    at = f"--endpoint-url {ready['aws_url']}"
    if ready["dynamodb_url"] != ready["aws_url"]:
        at += f" --dynamodb-url {ready['dynamodb_url']}"
    return f"""
The relay is at {ready["url"]}, its Zendesk at {ready["zendesk_url"]}. Ctrl-C stops everything.
A new event of {partner}, signed as {partner} signs (from the repository's folder), until it has its ticket:

  .venv/bin/relay send {partner} --wait 30s --url {ready["url"]}{where}

The tickets, as the simulated Zendesk lists them:

  curl -s {ready["zendesk_url"]}/api/v2/tickets -u anybody@example.com/token:any

All of it as a page in your browser, whose address this prints:

  .venv/bin/relay console {at}{where}
"""
