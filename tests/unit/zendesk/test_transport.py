import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError

from tests.fakes import ZENDESK, Wire, answered, transport_over
from ticket_relay import observability
from ticket_relay.rate_limits.headers import DEFAULT_RETRY_AFTER, LONGEST_RETRY_AFTER, UPDATES, Limit, retry_after
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.zendesk import transport
from ticket_relay.zendesk.errors import Conflict, NotSent, OutcomeUnknown, Rejected, Throttled, ZendeskError
from ticket_relay.zendesk.transport import LONGEST_IDLE, MAX_ANSWER, Timeouts, Transport, error_of


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


class Token:
    """An `Auth` with a pocket full of tokens."""

    def __init__(self, *tokens, renewable=True):
        self.tokens = list(tokens)
        self.refused = []
        self._renewable = renewable

    def header(self, _by):
        return f"Bearer {self.tokens[len(self.refused)]}"

    def renewable(self, refused):
        self.refused.append(refused)
        return self._renewable


def call(wire, auth=None, *, seconds=5.0, method="POST", **request):
    return transport_over(wire).call(
        method, "/api/v2/tickets", auth=auth, permit=Permit(Deadline.after(seconds)), **request
    )


def error(answer, **options):
    with pytest.raises((Throttled, NotSent, OutcomeUnknown, Rejected)) as raised:
        call(Wire(answer), **options)
    return raised.value


def test_an_answer_is_its_status_json_and_the_servers_clock():
    answer = call(Wire(answered(201, {"ticket": {"id": 5}}, {"Date": "Sat, 21 Nov 2026 22:26:40 GMT"})))
    assert (answer.status, answer.body, answer.at) == (201, {"ticket": {"id": 5}}, 1795300000)


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}])
def test_without_a_readable_date_the_servers_clock_is_unknown(headers):
    assert call(Wire(answered(200, {}, headers))).at is None


def test_an_empty_success_is_an_empty_object():
    assert call(Wire(answered(204, b""))).body == {}


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (301, b"", {"Location": "https://elsewhere.test/"}, NotSent),
        (302, b"", {"Location": "http://[broken"}, NotSent),
        (400, {"error": "X"}, {}, Rejected),
        (401, {"error": "invalid_token"}, {}, NotSent),
        (403, {"error": {"title": "Forbidden", "message": "No access"}}, {}, Rejected),
        (404, {"error": "RecordNotFound"}, {}, Rejected),
        (408, b"", {}, OutcomeUnknown),
        (409, {"error": "UpdateConflict", "description": "Safe Update"}, {}, Conflict),
        (409, {"error": "DatabaseConflict"}, {}, OutcomeUnknown),
        (409, b"<html>", {}, OutcomeUnknown),
        (413, b"too large", {}, Rejected),
        (422, {"error": "RecordInvalid"}, {}, Rejected),
        (429, b"Number of allowed API requests per minute exceeded", {"Retry-After": "93"}, Throttled),
        (429, b"", {}, Throttled),
        (500, b"", {}, OutcomeUnknown),
        (502, b"<html>Bad gateway</html>", {}, OutcomeUnknown),
        (503, b"", {}, OutcomeUnknown),
        (503, b"", {"Retry-After": "2"}, Throttled),
        (504, b"", {}, OutcomeUnknown),
    ],
)
def test_a_status_says_what_may_be_done_next(status, body, headers, kind):
    assert type(error(answered(status, body, headers))) is kind


def test_only_a_429_had_no_effect_for_certain():
    assert not error(answered(429, b"", {"Retry-After": "1"})).outcome_unknown
    assert error(answered(503, b"", {"Retry-After": "1"})).outcome_unknown


REFUSED = requests.ConnectionError(MaxRetryError(None, "/", NewConnectionError(None, "refused")))


@pytest.mark.parametrize(
    ("accident", "kind"),
    [
        (requests.ConnectTimeout(), NotSent),
        (REFUSED, NotSent),
        (requests.ReadTimeout(), OutcomeUnknown),
        (requests.ConnectionError(ProtocolError("Connection aborted.")), OutcomeUnknown),
        (requests.exceptions.ChunkedEncodingError(), OutcomeUnknown),
        (requests.exceptions.SSLError(), OutcomeUnknown),
        (ProtocolError("IncompleteRead"), OutcomeUnknown),
    ],
)
def test_an_accident_says_whether_the_request_may_have_arrived(accident, kind):
    assert type(error(accident)) is kind


@pytest.mark.parametrize(("answer", "failed"), [(requests.ReadTimeout(), 1), (answered(500), 1), (answered(422), 0)])
def test_each_request_is_measured_whatever_comes_of_it(answer, failed):
    assert error(answer)
    metrics = observability.metrics().metric_set
    assert (len(metrics["ZendeskLatency"]["Value"]), metrics["ZendeskFailed"]["Value"]) == (1, [failed])


@pytest.mark.parametrize("body", [b"{", b"<html>", b"\xff", b"[" * 100_000])
def test_a_success_that_cannot_be_read_is_uncertain(body):
    assert error(answered(200, body)).code == "zendesk_answer_unreadable"


def test_a_compressed_answer_that_breaks_is_uncertain():
    assert isinstance(error(answered(200, b"no gzip", {"Content-Encoding": "gzip"})), OutcomeUnknown)


def test_an_endless_answer_is_not_read_to_its_end():
    assert error(answered(200, b" " * (MAX_ANSWER + 1))).code == "zendesk_answer_too_large"


def test_a_refused_token_is_renewed_once():
    wire = Wire(answered(401, {"error": "invalid_token"}), answered(200, {"ok": 1}))
    auth = Token("old", "new")
    assert call(wire, auth, body=b"{}").body == {"ok": 1}
    assert [request.headers["Authorization"] for request in wire.sent] == ["Bearer old", "Bearer new"]
    assert auth.refused == ["Bearer old"]


def test_a_second_refusal_is_an_outage_and_not_a_third_request():
    wire = Wire(answered(401), answered(401))
    with pytest.raises(NotSent, match="does not accept the relay's credentials"):
        call(wire, Token("old", "new", "newer"))
    assert len(wire.sent) == 2


def test_credentials_that_cannot_be_renewed_are_not_tried_twice():
    wire = Wire(answered(401))
    with pytest.raises(NotSent):
        call(wire, Token("basic", renewable=False))
    assert len(wire.sent) == 1


def test_a_redirect_is_not_followed():
    wire = Wire(answered(307, b"", {"Location": "https://elsewhere.test/"}))
    with pytest.raises(NotSent):
        call(wire, Token("secret"))
    assert [request.url for request in wire.sent] == [f"{ZENDESK}/api/v2/tickets"]


def test_the_exact_bytes_and_headers_are_sent():
    wire = Wire(answered())
    call(wire, body=b'{"a":  1}', params={"async": "true"}, headers={"Idempotency-Key": "k"})
    assert wire.sent[0].body == b'{"a":  1}'
    assert wire.sent[0].url == f"{ZENDESK}/api/v2/tickets?async=true"
    assert wire.sent[0].headers["Idempotency-Key"] == "k"
    assert wire.sent[0].headers["Content-Type"] == "application/json"


def test_nothing_is_taken_from_the_machines_netrc_or_proxies(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine zendesk.test login eve password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test")
    wire = Wire(answered())
    call(wire)
    assert "Authorization" not in wire.sent[0].headers


def test_no_connection_is_used_that_was_idle_for_long_whatever_the_others_did(monkeypatch):
    """Two calls at a time have a connection each; then one call after the other uses the same one."""
    both, closed, now = threading.Barrier(2, timeout=10), [], [1_000.0]
    monkeypatch.setattr(transport.time, "time", lambda: now[0])

    class Adapter(Wire):
        def send(self, request, **options):
            if request.url.endswith("/both"):
                both.wait()
            return answered()

        def close(self):
            closed.append(self)

    sessions = []

    def new_session():
        sessions.append(requests.Session())
        sessions[-1].mount(ZENDESK, Adapter())
        return sessions[-1]

    line = Transport(ZENDESK, Timeouts(connect=1, read=3), new_session)

    def call(path):
        return line.call("GET", path, auth=None, permit=Permit(Deadline.after(5)))

    def two_at_a_time():
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(call, ["/both", "/both"]))

    two_at_a_time()
    closed.clear()  # The one that was there when the process began.
    for _ in range(3):
        now[0] += LONGEST_IDLE - 1
        call("/one")
    assert closed == []
    two_at_a_time()
    assert len(closed) == 1
    assert len(sessions) == 2


def test_time_outs_shrink_with_the_time_that_is_left():
    wire = Wire(answered(), answered())
    call(wire, seconds=60)
    call(wire, seconds=1)
    long, short = wire.timeouts
    assert (long.connect_timeout, long.read_timeout) == (1, 3)
    assert short.connect_timeout <= 0.5
    assert short.total <= 1


def test_without_time_nothing_is_asked():
    wire = Wire()
    with pytest.raises(NotSent) as raised:
        call(wire, seconds=0.1)
    assert raised.value.code == "no_time_left"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"Number of allowed API requests per minute exceeded", ("", "")),
        (b"", ("", "")),
        (b'{"error":"RecordNotFound","description":"Not found"}', ("RecordNotFound", "Not found")),
        (b'{"error":{"title":"Forbidden","message":"No access"}}', ("Forbidden", "No access")),
        (b'{"error":"invalid_token","error_description":"Expired"}', ("invalid_token", "Expired")),
        (b'{"errors":[{"code":"Bad","title":"Worse"}]}', ("Bad", "Worse")),
        (
            b'{"error":"RecordInvalid","description":"Record validation errors","details":{"base":["x"]}}',
            ("RecordInvalid", 'Record validation errors: {"base": ["x"]}'),
        ),
        (b'{"error":"\\ud83d","description":"\\ude00 cut"}', ("zendesk_error", "? cut")),
        (b'{"error":"a@b.example is suspended"}', ("zendesk_error", "a@b.example is suspended")),
    ],
)
def test_errors_are_read_in_each_of_their_shapes(body, expected):
    assert error_of(body) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
error_like = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("error", "errors", "description", "details", "message", "title"), json_values)
)


@given(st.binary() | st.builds(lambda value: json.dumps(value).encode(), json_values | error_like))
def test_whatever_zendesk_sends_becomes_a_short_code_and_sentence(content):
    code, sentence = error_of(content)
    assert len(code.encode("utf-8")) <= 400
    assert len(sentence.encode("utf-8")) <= 2000


@pytest.mark.parametrize("depth", [100, 5_000, 9_990, 50_000])
def test_deep_json_in_an_error_is_no_accident(depth):
    error_of(b'{"error":"X","details":' + b"[" * depth + b"]" * depth + b"}")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("93", 93),
        ("1.5", 1.5),
        ("0", 1),
        ("-5", 1),
        ("1e9", LONGEST_RETRY_AFTER),
        ("inf", LONGEST_RETRY_AFTER),
        ("nan", DEFAULT_RETRY_AFTER),
        ("", DEFAULT_RETRY_AFTER),
        ("soon", DEFAULT_RETRY_AFTER),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 1),
        ("Mon, 01 Jan 9999 00:00:00 GMT", LONGEST_RETRY_AFTER),
        ("Mon, 01 Jan 99999999 00:00:00 GMT", DEFAULT_RETRY_AFTER),
    ],
)
def test_the_wait_is_read_in_each_of_its_forms(given, seconds):
    assert retry_after({"Retry-After": given}) == seconds


def test_the_wait_may_be_a_date(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1795300000.0)
    assert retry_after({"Retry-After": "Sat, 21 Nov 2026 22:27:10 GMT"}) == 30


@given(st.text(st.characters(max_codepoint=255)))
def test_whatever_the_wait_says_it_is_bounded(given):
    assert 1 <= retry_after({"Retry-After": given}) <= LONGEST_RETRY_AFTER


class Recorded:
    """Where a permit reports to: remembers it."""

    def __init__(self):
        self.heard = []

    def record_throttling(self, _permit, wait, limits, tickets):
        self.heard.append(("throttling", wait, tuple(limits), tuple(tickets)))

    def record_success(self, _permit, limits, tickets):
        self.heard.append(("success", tuple(limits), tuple(tickets)))


USED_UP = {"Zendesk-RateLimit-tickets-update": "total=100; remaining=0; resets=41"}


@pytest.mark.parametrize(
    ("status", "headers", "heard"),
    [
        (200, {}, [("success", (), (7,))]),
        (200, USED_UP, [("success", (Limit(UPDATES, 100, 0, 41.0),), (7,))]),
        (422, {}, [("success", (), (7,))]),
        (409, {}, []),
        (429, {"Retry-After": "30"}, [("throttling", 30.0, (), (7,))]),
        (429, {"Retry-After": "30", **USED_UP}, [("throttling", 30.0, (Limit(UPDATES, 100, 0, 41.0),), (7,))]),
        (503, {"Retry-After": "5"}, [("throttling", 5.0, (), (7,))]),
        (503, {}, []),
        (500, {}, []),
        (302, {"Location": "https://elsewhere.test"}, []),
    ],
)
def test_the_permit_hears_what_an_answer_says_of_rate_limits(status, headers, heard):
    recorded = Recorded()
    with suppress(ZendeskError):
        transport_over(Wire(answered(status, "{}", headers))).call(
            "PUT",
            "/api/v2/tickets/7",
            auth=Token("one", renewable=False),
            permit=Permit(Deadline.after(5), recorder=recorded),
            tickets=[7],
        )
    assert recorded.heard == heard


def test_a_token_that_was_given_does_not_end_the_half_open_trial():
    recorded = Recorded()
    permit = Permit(Deadline.after(5), recorder=recorded)
    transport_over(Wire(answered(200, "{}"))).call("POST", "/oauth/tokens", auth=None, permit=permit)
    assert recorded.heard == []
