"""Files from a server over TLS: what is followed, what is refused, and that nothing takes for ever."""

import socket
import time

import pytest

from tests.file_server import HOST, PNG, file_server, trickle
from ticket_relay.attachments.addresses import HTTPS, Network
from ticket_relay.attachments.download import MOST_REDIRECTS, download
from ticket_relay.errors import FileUnavailable
from ticket_relay.rate_limits.permit import Deadline

HOSTS = (HOST, "*.cdn.acme.example", "internal.acme.example")


@pytest.fixture
def files(tmp_path):
    with file_server(tmp_path, "a.cdn.acme.example") as server:
        yield server


@pytest.fixture
def connected(monkeypatch):
    """Every address that was connected to, by any socket."""
    addresses, connect = [], socket.socket.connect

    def noted(self, address):
        addresses.append(address)
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    return addresses


def fetch(files, url, *, most=1000, seconds=5.0, headers=lambda _: {}, network=None):
    return download(url, HOSTS, most, by=Deadline.after(seconds), headers=headers, network=network or files.network)


def refusal(files, url, **options):
    with pytest.raises(FileUnavailable) as refused:
        fetch(files, url, **options)
    return refused.value


def test_a_file_comes_with_the_type_that_the_server_says(files):
    url = files.serves("/a.png?x=1", content_type="image/PNG; charset=binary")
    assert fetch(files, url) == (PNG, "image/png")


def test_the_request_names_the_host_and_asks_for_nothing_compressed(files, connected):
    fetch(files, files.serves("/a.png"))
    ((path, headers),) = files.asked
    assert (path, headers["Host"], headers["Accept-Encoding"]) == ("/a.png", HOST, "identity")
    assert connected == [("127.0.0.1", files.port)]
    assert files.looked_up == [HOST]


def test_a_certificate_for_another_name_is_not_believed(files):
    assert refusal(files, "https://internal.acme.example/a").code == "download_failed"
    assert files.asked == []


def test_an_authority_that_nobody_knows_is_not_believed(files):
    network = files.network
    stranger = Network(network.resolve, network.allows)
    assert refusal(files, files.serves("/a.png"), network=stranger).code == "download_failed"
    assert files.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_an_allowed_host_is_followed(files, status):
    files.serves("/there.png")
    url = files.redirects("/here", "https://a.cdn.acme.example/there.png", status)
    assert fetch(files, url)[0] == PNG
    assert files.looked_up == [HOST, "a.cdn.acme.example"]


def test_a_redirect_may_be_relative(files):
    files.serves("/b/there.png")
    assert fetch(files, files.redirects("/a/here", "../b/there.png"))[0] == PNG


@pytest.mark.parametrize(
    "to",
    [
        f"http://{HOST}/a",
        "https://evil.example/a",
        "https://127.0.0.1/a",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/a",
        "https://2130706433/",
        f"https://{HOST}:8443/a",
        f"https://user:password@{HOST}/a",
        f"https://{HOST}@evil.example/a",
        "//evil.example/a",
        "\\\\evil.example\\a",
        "file:///etc/passwd",
        "gopher://127.0.0.1:443/_a",
        "https://[not-an-address/a",
        "https://evil.example\x00/a",
        "",
    ],
)
def test_a_redirect_is_judged_like_the_first_url(files, connected, to):
    error = refusal(files, files.redirects("/here", to))
    # An empty Location is the same page again.
    assert error.code in ({"too_many_redirects"} if not to else {"url_refused", "host_refused"})
    assert {address[0] for address in connected} == {"127.0.0.1"}
    assert set(files.looked_up) == {HOST}


@pytest.mark.parametrize("address", ["10.0.0.7", "169.254.169.254", "192.168.0.1", "127.0.0.2"])
def test_a_redirect_to_an_allowed_host_in_a_private_network_is_not_followed(files, connected, address):
    files.elsewhere["internal.acme.example"] = address
    chain = files.redirects("/1", f"https://{HOST}/2")
    files.redirects("/2", "https://a.cdn.acme.example/3")
    files.redirects("/3", "https://internal.acme.example/secret")
    assert refusal(files, chain).code == "address_refused"
    assert {each[0] for each in connected} == {"127.0.0.1"}


def test_a_chain_of_redirects_ends(files):
    files.redirects("/loop", f"https://{HOST}/loop")
    assert refusal(files, f"https://{HOST}/loop").code == "too_many_redirects"
    assert len(files.asked) == MOST_REDIRECTS + 1


def test_a_header_of_the_secret_goes_to_its_own_host_only(files):
    files.serves("/there.png")
    url = files.redirects("/here", "https://a.cdn.acme.example/there.png")
    secret = {HOST: {"Authorization": "Bearer of-acme"}}
    fetch(files, url, headers=lambda host: secret.get(host, {}))
    (_, first), (_, second) = files.asked
    assert first["Authorization"] == "Bearer of-acme"
    assert "Authorization" not in second


@pytest.mark.parametrize(
    ("status", "passing"),
    [(404, False), (403, False), (410, False), (204, False), (429, True), (500, True), (503, True)],
)
def test_another_answer_than_200_is_no_file(files, status, passing):
    error = refusal(files, files.serves("/a.png", status=status))
    assert (error.code, error.passing) == (f"http_{status}", passing)


def test_a_file_that_says_it_is_too_large_is_not_read(files):
    url = files.serves("/a.png", Content_Length="99999999999999999999999")
    assert refusal(files, url).code == "too_large"


def test_a_file_that_turns_out_too_large_is_not_read_to_its_end(files):
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"800\r\n" + bytes(2048) + b"\r\n"
    assert refusal(files, files.writes("/a", trickle(head, *[chunk] * 1000, every=0.0))).code == "too_large"


def test_a_file_of_just_the_size_is_taken(files):
    assert fetch(files, files.serves("/a.png", bytes(1000)))[0] == bytes(1000)
    assert refusal(files, files.serves("/b.png", bytes(1001))).code == "too_large"


def test_what_is_compressed_is_refused(files):
    assert refusal(files, files.serves("/a.png", Content_Encoding="gzip")).code == "encoding_refused"


def test_a_file_that_is_cut_off_is_none(files):
    error = refusal(files, files.serves("/a.png", Content_Length="900"))
    assert (error.code, error.passing) == ("download_failed", True)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"H", b"T", b"T", b"P", *[b"/"] * 200],
        [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 200],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", *[b"a"] * 900],
        [b"HTTP/1.1 200 OK\r\n\r\n", *[b"a"] * 900],
    ],
    ids=["status line", "headers", "body", "body without a length"],
)
def test_a_server_that_trickles_is_cut_off_at_the_deadline(files, pieces):
    began = time.monotonic()
    error = refusal(files, files.writes("/slow", trickle(*pieces, every=0.05)), seconds=0.6)
    assert (error.code, error.passing) == ("download_too_slow", True)
    assert time.monotonic() - began < 3


def test_a_server_that_never_greets_is_cut_off_at_the_deadline():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        network = Network(lambda _: [(socket.AF_INET, address)], lambda _: True)
        began = time.monotonic()
        with pytest.raises(FileUnavailable) as failed:
            download(f"https://{HOST}/a", HOSTS, 10, by=Deadline.after(0.5), headers=lambda _: {}, network=network)
        assert failed.value.code == "download_too_slow"
        assert time.monotonic() - began < 3


def test_connecting_ends_with_the_deadline_however_many_addresses_there_are(monkeypatch):
    waits = []

    def connect(self, _):
        waits.append(self.gettimeout())
        time.sleep(min(self.gettimeout(), 0.5))
        raise TimeoutError

    monkeypatch.setattr(socket.socket, "connect", connect)
    network = Network(lambda _: [(socket.AF_INET, ("192.0.2.1", HTTPS))] * 20, lambda _: True)
    with pytest.raises(FileUnavailable) as failed:
        download(f"https://{HOST}/a", HOSTS, 10, by=Deadline.after(0.8), headers=lambda _: {}, network=network)
    assert (failed.value.code, failed.value.passing) == ("download_too_slow", True)
    assert len(waits) == 2
    assert max(waits) <= 0.8


def test_a_server_that_is_reached_after_the_deadline_is_not_asked(files, monkeypatch):
    """The timer had no connection to cut."""
    connect = socket.socket.connect

    def late(self, address):
        connect(self, address)
        time.sleep(0.6)

    monkeypatch.setattr(socket.socket, "connect", late)
    assert refusal(files, files.serves("/a.png"), seconds=0.3).code == "download_too_slow"
    assert files.asked == []


def test_without_time_nobody_is_asked(files):
    assert refusal(files, files.serves("/a.png"), seconds=0).code == "download_too_slow"
    assert files.asked == []


def test_what_is_no_http_is_no_file(files):
    assert refusal(files, files.writes("/a", lambda stream: stream.write(b"SSH-2.0-OpenSSH\r\n"))).passing
