"""A partner's server of files, over TLS, on this machine."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import trustme

from ticket_relay.attachments.addresses import Network

HOST = "files.acme.example"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


@dataclass
class FileServer:
    """`answers` are by path: status, headers and body, or what writes them to the socket itself. `asked` are the
    requests that came: path and headers. `network` resolves every name to this server, and allows it.
    """

    port: int
    certificates: str
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    elsewhere: dict[str, str] = field(default_factory=dict)
    """By name, the addresses of hosts that are not this server."""

    @property
    def network(self) -> Network:
        return Network(self._resolve, lambda address: address == ip_address("127.0.0.1"), self.certificates)

    def _resolve(self, host: str) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
        self.looked_up.append(host)
        return [(socket.AF_INET, (self.elsewhere.get(host, "127.0.0.1"), self.port))]

    def serves(
        self, path: str, body: bytes = PNG, content_type: str = "image/png", status: int = 200, **headers: str
    ) -> str:
        """Answer so at this path; the URL."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, {"Content-Type": content_type} | named, body)
        return f"https://{HOST}{path}"

    def redirects(self, path: str, to: str, status: int = 302) -> str:
        return self.serves(path, b"", "text/html", status, Location=to)

    def writes(self, path: str, write: Callable[[Any], None]) -> str:
        self.answers[path] = write
        return f"https://{HOST}{path}"


def trickle(*pieces: bytes, every: float) -> Callable[[Any], None]:
    """Writes pieces with pauses, until nobody reads any more."""

    def write(stream: Any) -> None:
        with contextlib.suppress(OSError):
            for piece in pieces:
                stream.write(piece)
                stream.flush()
                time.sleep(every)

    return write


@contextlib.contextmanager
def file_server(folder: Path, *names: str) -> Iterator[FileServer]:
    """Serve with a certificate for HOST (and more names), of an authority that only `network` trusts."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, *names).configure_cert(context)
    bundle = folder / "authority.pem"
    authority.cert_pem.write_to_path(bundle)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append((self.path, dict(self.headers.items())))
            answer = served.answers.get(self.path, (404, {}, b""))
            if callable(answer):
                answer(self.wfile)
                return
            status, headers, body = answer
            self.send_response_only(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    class QuietServer(ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> tuple[Any, Any]:
            made, address = super().get_request()
            made.settimeout(5)
            return context.wrap_socket(made, server_side=True, do_handshake_on_connect=False), address

        def handle_error(self, *_: Any) -> None:
            pass

    server = QuietServer(("127.0.0.1", 0), Handler)
    served = FileServer(server.server_address[1], str(bundle))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
