"""One file from a partner's server: over TLS, from an address that was judged, within limits of size and time.

Redirects are followed here, and each is judged like the first URL. A header of the partner's secret goes to the host
that it is for, and to no other.
"""

import http.client
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any
from urllib.parse import urljoin

from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.response import BaseHTTPResponse

from ticket_relay.attachments.addresses import HTTPS, INTERNET, Network, SocketAddress
from ticket_relay.attachments.urls import permitted
from ticket_relay.errors import FileUnavailable
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.zendesk.file_values import base_type

MOST_REDIRECTS = 4
CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
"""For each piece. The deadline is for all."""
PIECE = 64 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
PASSING = frozenset({408, 425, 429})
"""Beside 5xx, what a server may answer otherwise the next time."""

type Headers = Callable[[str], Mapping[str, str]]
"""What goes to a host besides the relay's own headers."""


def download(
    url: str,
    hosts: Sequence[str],
    most: int,
    *,
    by: Deadline,
    headers: Headers,
    network: Network = INTERNET,
) -> tuple[bytes, str]:
    """The content, at most so many bytes, and the type that the server says it has ("" where it says none).

    Raises FileUnavailable; repeating is safe.
    """
    for _ in range(MOST_REDIRECTS + 1):
        target = permitted(url, hosts)
        addresses = network.addresses(target.host)
        with _connected(target.host, addresses, by, network) as connection:
            response = _asked(connection, target.target, headers(target.host))
            if response.status not in REDIRECTS:
                return _content(connection, response, most, by), base_type(response.headers.get("Content-Type", ""))
            location = response.headers.get("Location", "")
        # What is no URL at all is refused in the next turn, as an address.
        with suppress(ValueError):
            location = urljoin(url, location)
        url = location
    raise FileUnavailable("too_many_redirects", f"its server redirects more than {MOST_REDIRECTS} times")


class _Connection(HTTPSConnection):
    """To one of the addresses that were judged, and to nothing else. Name (SNI), `Host` and certificate are the host's:
    only where the bytes go is settled beforehand.
    """

    def __init__(self, host: str, addresses: Sequence[SocketAddress], by: Deadline, **settings: Any) -> None:
        super().__init__(host, HTTPS, **settings)
        self._addresses = addresses
        self._by = by
        self._lifeline: socket.socket | None = None
        self.overdue = False

    def _new_conn(self) -> socket.socket:
        for family, address in self._addresses:
            left = self._by.left
            if left <= 0:
                raise _too_slow()
            made = socket.socket(family, socket.SOCK_STREAM)
            try:
                made.settimeout(min(CONNECT_SECONDS, left))
                made.connect(address)
            except OSError:
                made.close()
                continue
            made.settimeout(READ_SECONDS)
            # TLS takes the socket over; by its twin the connection can be cut in the middle of the handshake, too.
            self._lifeline = made.dup()
            if self.overdue:
                # The timer found nothing to cut.
                made.close()
                raise _too_slow()
            return made
        raise NewConnectionError(self, "no address could be connected to")

    def cut(self) -> None:
        """End it, whatever another thread waits for."""
        self.overdue = True
        if self._lifeline is not None:
            with suppress(OSError):
                self._lifeline.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        if self._lifeline is not None:
            self._lifeline.close()
            self._lifeline = None


@contextmanager
def _connected(host: str, addresses: Sequence[SocketAddress], by: Deadline, network: Network) -> Iterator[_Connection]:
    """A connection that is cut at the deadline: time-outs alone begin anew with every byte, of headers as well."""
    left = by.left
    if left <= 0:
        raise _too_slow()
    connection = _Connection(host, addresses, by, cert_reqs="CERT_REQUIRED", ca_certs=network.certificates)
    timer = Timer(left, connection.cut)
    timer.daemon = True
    timer.start()
    try:
        yield connection
    # An answer that is no HTTP, a broken or refused connection, a certificate that is not the host's.
    except (OSError, http.client.HTTPException, HTTPError, ValueError):
        if connection.overdue:
            raise _too_slow() from None
        raise FileUnavailable("download_failed", "its server did not answer", passing=True) from None
    finally:
        timer.cancel()
        connection.close()


def _asked(connection: _Connection, target: str, headers: Mapping[str, str]) -> BaseHTTPResponse:
    # What is compressed would have to be unpacked to be judged, and may become a thousand times as large.
    own = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "ticket-relay", "Connection": "close"}
    connection.request("GET", target, headers=own | dict(headers), preload_content=False, decode_content=False)
    return connection.getresponse()


def _content(connection: _Connection, response: BaseHTTPResponse, most: int, by: Deadline) -> bytes:
    status = response.status
    if status != 200:
        raise FileUnavailable(
            f"http_{status}", f"its server answered {status}", passing=status >= 500 or status in PASSING
        )
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FileUnavailable("encoding_refused", "its server sends it compressed")
    length = response.headers.get("Content-Length", "")
    if length.isascii() and length.isdigit() and int(length[:20]) > most:
        raise too_large(most)
    content = bytearray()
    while piece := response.read1(PIECE, decode_content=False):
        content += piece
        if len(content) > most:
            raise too_large(most)
        if by.left <= 0:
            break
    if connection.overdue or by.left <= 0:
        # A connection that was cut looks like one that ended.
        raise _too_slow()
    return bytes(content)


def too_large(most: int) -> FileUnavailable:
    return FileUnavailable("too_large", f"it is larger than {most / 1024 / 1024:.3g} MB")


def _too_slow() -> FileUnavailable:
    return FileUnavailable("download_too_slow", "its server took too long", passing=True)
