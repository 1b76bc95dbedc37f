"""Which URLs and which addresses a file may come from. Whatever is tried here ends without a connection."""

import socket
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticket_relay.attachments import download as downloads
from ticket_relay.attachments.addresses import INTERNET, Network, is_public, resolved
from ticket_relay.attachments.urls import permitted
from ticket_relay.errors import FileUnavailable
from ticket_relay.rate_limits.permit import Deadline

HOSTS = ("files.acme.example", "*.cdn.acme.example")

URLS = {
    # An address in the host's place, in every spelling that some parser takes for one.
    "dotted": "https://127.0.0.1/f",
    "short": "https://127.1/f",
    "zero": "https://0/f",
    "any": "https://0.0.0.0/f",
    "decimal": "https://2130706433/f",
    "decimal metadata": "https://2852039166/latest/meta-data/",
    "octal": "https://0177.0.0.1/f",
    "octal in full": "https://017700000001/f",
    "hexadecimal": "https://0x7f000001/f",
    "hexadecimal in parts": "https://0x7f.0.0.1/f",
    "mixed": "https://0xa9.254.0251.254/f",
    "leading zeros": "https://127.000.000.001/f",
    "overflow": "https://256.256.256.256/f",
    "loopback v6": "https://[::1]/f",
    "unspecified v6": "https://[::]/f",
    "mapped": "https://[::ffff:127.0.0.1]/f",
    "mapped in hexadecimal": "https://[::ffff:7f00:1]/f",
    "compatible": "https://[::127.0.0.1]/f",
    "6to4": "https://[2002:7f00:1::]/f",
    "NAT64": "https://[64:ff9b::a9fe:a9fe]/f",
    "metadata v4": "https://169.254.169.254/latest/meta-data/",
    "metadata v6": "https://[fd00:ec2::254]/latest/meta-data/",
    "zone id": "https://[fe80::1%25eth0]/f",
    "a public address": "https://93.184.216.34/f",
    # Digits and dots of other scripts, which become ASCII when they are normalised.
    "circled digits": "https://①②⑦.⓪.⓪.①/f",
    "full-width digits": "https://\uff11\uff12\uff17.0.0.1/f",
    "ideographic full stop": "https://127\u30020\u30020\u30021/f",
    "a host that becomes ours": "https://files.ACME\u3002example/f",
    "Turkish dotless i": "https://f\u0131les.acme.example/f",
    "soft hyphen": "https://files.ac\u00adme.example/f",
    # Names.
    "localhost": "https://localhost/f",
    "localhost below a name": "https://localhost.localdomain/f",
    "another host": "https://evil.example/f",
    "ours as a prefix": "https://files.acme.example.evil.example/f",
    "ours as a suffix": "https://evilfiles.acme.example/f",
    "ours as a suffix of a wildcard": "https://evilcdn.acme.example/f",
    "the wildcard itself": "https://cdn.acme.example/f",
    "trailing dot": "https://files.acme.example./f",
    "empty label": "https://files..acme.example/f",
    "underscore": "https://a_b.cdn.acme.example/f",
    "number last": "https://files.acme.example.1/f",
    "escaped": "https://files%2eacme.example/f",
    "escaped slash": "https://files.acme.example%2f@evil.example/f",
    "nip.io": "https://127.0.0.1.nip.io/f",
    # Credentials, ports, schemes, and what parsers disagree about.
    "credentials": "https://user:password@files.acme.example/f",
    "our host as credentials": "https://files.acme.example@169.254.169.254/f",
    "our host as a password": "https://x:files.acme.example@evil.example/f",
    "two at signs": "https://files.acme.example@evil.example@files.acme.example/f",
    "a port": "https://files.acme.example:8443/f",
    "port 80": "https://files.acme.example:80/f",
    "port 0": "https://files.acme.example:0/f",
    "port 443 and more": "https://files.acme.example:4430/f",
    "an empty port": "https://files.acme.example:/f",
    "a negative port": "https://files.acme.example:-443/f",
    "http": "http://files.acme.example/f",
    "file": "file:///etc/passwd",
    "ftp": "ftp://files.acme.example/f",
    "gopher": "gopher://files.acme.example:443/_GET",
    "data": "data:text/plain;base64,aGVsbG8=",
    "javascript": "javascript:alert(1)",
    "no scheme": "//files.acme.example/f",
    "a path": "/etc/passwd",
    "one slash": "https:/files.acme.example/f",
    "three slashes": "https:///files.acme.example/f",
    "upper-case scheme": "HTTPS://files.acme.example/f",
    "backslash": "https://evil.example\\@files.acme.example/f",
    "backslash behind": "https://files.acme.example\\.evil.example/f",
    "a fragment for a host": "https://files.acme.example#@evil.example/f",
    "line break": "https://files.acme.example/f\r\nHost: evil.example",
    "a space": "https://files.acme.example/a b",
    "a tab in the host": "https://files.ac\tme.example/f",
    "NUL": "https://files.acme.example\x00.evil.example/f",
    "space before": " https://files.acme.example/f",
    "nothing": "",
    "too long": f"https://files.acme.example/{'a' * 2048}",
}

PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),  # noqa: S104
    *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("168.63.129.16", "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:a9fe:a9fe::", "2001::1"),
    *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1"),
    *("fe80::1%eth0", "fec0::1", "ff02::1", "100::1", "5f00::1", "2606:4700:4700::1111%eth0"),
]


@pytest.fixture
def connections(monkeypatch):
    """Every address that a socket was to connect to; none of them answers."""
    made = []

    class Socket:
        def __init__(self, family, kind):
            assert kind is socket.SOCK_STREAM

        def settimeout(self, seconds):
            assert seconds > 0

        def connect(self, address):
            made.append(address)
            raise OSError("nobody there")

        def close(self):
            pass

    monkeypatch.setattr(downloads.socket, "socket", Socket)
    return made


def fetch(url, network=INTERNET, hosts=HOSTS):
    return downloads.download(url, hosts, 1000, by=Deadline.after(5), headers=lambda _: {}, network=network)


def answering(*answers):
    """A network whose resolver gives these answers, one after the other, and then the last again and again."""
    left = list(answers)
    return Network(
        resolve=lambda _: [
            (socket.AF_INET6 if ":" in it else socket.AF_INET, (it, 443))
            for it in (left.pop(0) if len(left) > 1 else left[0])
        ]
    )


@pytest.mark.parametrize("url", URLS.values(), ids=URLS.keys())
def test_a_url_that_tries_something_is_refused_and_nothing_is_looked_up_or_connected_to(url, connections):
    network = Network(resolve=lambda host: pytest.fail(f"looked up {host}"))
    with pytest.raises(FileUnavailable) as refused:
        fetch(url, network)
    assert refused.value.code in {"url_refused", "host_refused"}
    assert not refused.value.passing
    assert connections == []


@pytest.mark.parametrize("url", URLS.values(), ids=URLS.keys())
def test_no_spelling_of_an_address_leads_to_it_even_if_it_were_allowed(url, connections):
    """A definition cannot allow such a host. If it could, the URL would not pass, or what it resolves to."""
    host = url.partition("//")[2].partition("/")[0].lower()
    with pytest.raises(FileUnavailable) as refused:
        fetch(url, answering(["127.0.0.1"]), hosts=(host, host.rpartition("@")[2], *HOSTS))
    assert refused.value.code in {"url_refused", "host_refused", "address_refused"}
    assert connections == []


@pytest.mark.parametrize("address", PRIVATE)
def test_a_name_that_leads_to_an_address_of_somebodys_own_network_is_refused(address, connections):
    assert not is_public(ip_address(address))
    with pytest.raises(FileUnavailable) as refused:
        fetch("https://files.acme.example/f", answering([address]))
    assert refused.value.code == "address_refused"
    assert connections == []


@pytest.mark.parametrize("address", PRIVATE)
def test_one_such_address_among_public_ones_refuses_them_all(address, connections):
    with pytest.raises(FileUnavailable, match="public Internet"):
        fetch("https://files.acme.example/f", answering(["93.184.216.34", address, "2606:4700:4700::1111"]))
    assert connections == []


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "52.95.110.1", "2606:4700:4700::1111", "2a00:1450::1"])
def test_public_addresses_are(address):
    assert is_public(ip_address(address))


def test_a_name_that_resolves_to_something_else_a_moment_later_gains_nothing(connections):
    """Rebinding: the name is resolved once, and what was judged is what is connected to."""
    with pytest.raises(FileUnavailable) as failed:
        fetch("https://files.acme.example/f", answering(["93.184.216.34", "8.8.8.8"], ["127.0.0.1"]))
    assert failed.value.code == "download_failed"
    assert connections == [("93.184.216.34", 443), ("8.8.8.8", 443)]


@pytest.mark.parametrize("answer", ["nonsense", "", "1.2.3", "127.0.0.1 8.8.8.8", "::ffff"])
def test_what_is_no_address_is_none_to_connect_to(answer, connections):
    with pytest.raises(FileUnavailable):
        fetch("https://files.acme.example/f", answering([answer]))
    assert [each for each in connections if not is_public(ip_address(each[0]))] == []


def test_a_host_that_is_not_found_may_be_there_later():
    def resolve(host):
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    with pytest.raises(FileUnavailable) as failed:
        fetch("https://files.acme.example/f", Network(resolve=resolve))
    assert failed.value.passing


@pytest.mark.parametrize(
    ("url", "host", "target"),
    [
        ("https://files.acme.example", "files.acme.example", "/"),
        ("https://FILES.acme.example:443/a%20b?c=/../d&e=@#f", "files.acme.example", "/a%20b?c=/../d&e=@"),
        ("https://x.y.cdn.acme.example?q", "x.y.cdn.acme.example", "/?q"),
        ("https://xn--bcher-kva.cdn.acme.example/", "xn--bcher-kva.cdn.acme.example", "/"),
    ],
)
def test_what_is_allowed_is_asked_for_as_it_stands(url, host, target):
    found = permitted(url, HOSTS)
    assert (found.host, found.target) == (host, target)


@given(st.text())
def test_whatever_the_text_only_an_allowed_host_is_asked(text):
    for url in (text, f"https://{text}", f"https://files.acme.example{text}"):
        try:
            found = permitted(url, HOSTS)
        except FileUnavailable:
            continue
        assert found.host == "files.acme.example" or found.host.endswith(".cdn.acme.example")
        assert found.target.startswith("/")
        assert found.target.isascii()
        assert not set(found.target) & set(" \r\n\t\\#")


@given(st.ip_addresses())
def test_no_address_is_public_that_ipaddress_calls_private_or_that_embeds_one(address):
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        if address.version == 6:
            assert address.ipv4_mapped is None
            assert address.sixtofour is None
            assert address.teredo is None
            assert address not in ip_network("64:ff9b::/96")


def test_the_resolver_is_asked_for_connections_of_tcp_to_the_port_of_https(monkeypatch):
    asked = []

    def getaddrinfo(*arguments, **named):
        asked.append((arguments, named))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert resolved("files.acme.example") == [(socket.AF_INET, ("93.184.216.34", 443))]
    assert asked == [(("files.acme.example", 443), {"type": socket.SOCK_STREAM, "proto": socket.IPPROTO_TCP})]
