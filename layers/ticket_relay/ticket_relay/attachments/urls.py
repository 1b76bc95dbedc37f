"""Which URLs may be asked for a file: https, port 443, and a host that the partner's definition allows by name.

A host is a name of letters, digits and hyphens whose last label begins with a letter. So no spelling of an IP address
(decimal, octal, hexadecimal, IPv6, digits of other scripts) is ever a host.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ticket_relay.errors import FileUnavailable
from ticket_relay.zendesk.file_values import LONGEST_URL

# Whatever RFC 3986 has beyond this (user information, other ports, IP literals, escapes in the host) is refused.
_URL = re.compile(r"https://([A-Za-z0-9.-]{1,253})(:443)?([/?][!-~]*)?")
_HOST = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Target:
    """One request: `target` is path and query, as they will be sent."""

    host: str
    target: str


def permitted(url: str, hosts: Sequence[str]) -> Target:
    """What to ask of which host. Raises FileUnavailable: `url_refused`, or `host_refused` if the host is not allowed.

    `hosts` are names in lower case; `*.` before one stands for any name below it, and not for itself.
    """
    found = _URL.fullmatch(url) if len(url) <= LONGEST_URL and "\\" not in url else None
    if found is None:
        raise FileUnavailable("url_refused", "its address is not one of https, or has parts that are not allowed")
    host = found[1].lower()
    if not _HOST.fullmatch(host) or not any(_fits(host, allowed) for allowed in hosts):
        raise FileUnavailable("host_refused", "its server is not one that the partner's definition allows")
    target = (found[3] or "/").partition("#")[0]
    return Target(host, target if target.startswith("/") else f"/{target}")


def _fits(host: str, allowed: str) -> bool:
    return host.endswith(allowed[1:]) if allowed.startswith("*.") else host == allowed
