"""Which addresses a file may be fetched from: a URL comes with an event, and must not lead into anybody's own network.

    URL ──▶ https, port 443, an allowed name (urls.py) ──▶ resolved once ──▶ all addresses are public ──▶ connected to

Only the addresses that were judged are connected to, so that a name which resolves to something else a moment later
gains nothing.
"""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from ticket_relay.errors import FileUnavailable

type IpAddress = IPv4Address | IPv6Address
type SocketAddress = tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]

HTTPS = 443

# IANA's special-purpose registries, beyond what `is_global` knows: what embeds an IPv4 address (6to4, Teredo; NAT64 and
# IPv4-mapped ones lie outside of global unicast), and Azure's address of its own host, which is public in form only.
_UNICAST = ip_network("2000::/3")
_NOT_PUBLIC = tuple(
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2002::/16", "3fff::/20"))
)


def is_public(address: IpAddress) -> bool:
    """Whether the address is somebody's on the public Internet, and is nothing but itself."""
    if any(address in network for network in _NOT_PUBLIC) or address.is_multicast or not address.is_global:
        return False
    return isinstance(address, IPv4Address) or (address.scope_id is None and address in _UNICAST)


def resolved(host: str) -> Sequence[SocketAddress]:
    """What the system's resolver says. Raises OSError."""
    found = socket.getaddrinfo(host, HTTPS, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    # Without IPv6 in the interpreter an address may be (number, bytes): there is no such interpreter on Lambda.
    return [(family, address) for family, _, _, _, address in found if isinstance(address[0], str)]


@dataclass(frozen=True, slots=True)
class Network:
    """How a host's addresses are found, which of them may be connected to, and whose certificates are believed.

    No setting of the deployment changes these; only who calls the poller from Python does: the local stack and tests.
    """

    resolve: Callable[[str], Sequence[SocketAddress]] = resolved
    allows: Callable[[IpAddress], bool] = is_public
    certificates: str = DEFAULT_CA_BUNDLE_PATH

    def addresses(self, host: str) -> Sequence[SocketAddress]:
        """The addresses to connect to. Raises FileUnavailable: `host_unknown` (passing), or `address_refused` if any of
        them is not public.
        """
        try:
            found = list(self.resolve(host))
        except (OSError, UnicodeError):
            found = []
        if not found:
            raise FileUnavailable("host_unknown", "its server cannot be found", passing=True)
        if not all(self._may_be(address[0]) for _, address in found):
            raise FileUnavailable("address_refused", "its server is not on the public Internet")
        return found

    def _may_be(self, address: str) -> bool:
        try:
            return self.allows(ip_address(address))
        except ValueError:
            return False


INTERNET = Network()
