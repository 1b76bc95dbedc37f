import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.zendesk.client import Zendesk
from ticket_relay.zendesk.errors import OutcomeUnknown
from ticket_relay.zendesk.transport import Timeouts, Transport


@pytest.fixture
def zendesk_that_takes():
    """A server on loopback that answers after so many seconds, and keeps its connections."""
    servers = []

    def serve(seconds):
        class Slow(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                time.sleep(seconds)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def do_POST(self):
                received, began = 0, time.monotonic()
                while received < int(self.headers["Content-Length"]):
                    received += len(self.rfile.read1())
                    if time.monotonic() < began + seconds:
                        time.sleep(0.05)
                time.sleep(seconds)
                body = b'{"upload": {"token": "t"}}'
                self.send_response(201)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_kept_connection_leaves_the_whole_time_for_reading(zendesk_that_takes):
    """Connecting takes none of it, so the time-out for connecting is not taken off."""
    url = zendesk_that_takes(0.7)
    transport = Transport(url, Timeouts(connect=0.5, read=3))
    for _ in range(2):
        answer = transport.call("GET", "/", auth=None, permit=Permit(Deadline.after(1)))
        assert answer.status == 200


def test_a_file_has_more_time_than_other_requests(zendesk_that_takes):
    """To be sent, which takes longer than connecting, and to be answered."""
    url = zendesk_that_takes(0.6)
    client = Zendesk(Transport(url, Timeouts(connect=0.3, read=0.3)), None)
    upload = client.upload(bytes(20_000_000), "a.bin", "application/zip", Permit(Deadline.after(20)))
    assert upload.token == "t"


def test_a_file_has_no_more_time_than_there_is(zendesk_that_takes):
    client = Zendesk(Transport(zendesk_that_takes(3), Timeouts(connect=0.3, read=0.3)), None)
    began = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        client.upload(b"a", "a.txt", "text/plain", Permit(Deadline.after(1)))
    assert time.monotonic() - began < 3
