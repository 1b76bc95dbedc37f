import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ticket_relay.rate_limits.permit import Deadline, Permit
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
