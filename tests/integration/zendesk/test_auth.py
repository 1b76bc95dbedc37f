import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.builders import NOW
from tests.fakes import Clock
from tests.fixtures import both_engines
from ticket_relay.errors import SecretsUnavailable
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.zendesk.auth import EARLY, LIFE, RENEWAL_TIME, SCOPE, Credentials
from ticket_relay.zendesk.errors import NotSent, OutcomeUnknown, Rejected, Throttled
from ticket_relay.zendesk.transport import Answer

CLIENT = {"client_id": "relay", "client_secret": "hush"}


class TokenEndpoint:
    """In place of the transport: a token after the other, or the planned error."""

    def __init__(self):
        self.asked = []
        self.error = None
        self.answer = {}

    def call(self, method, path, *, auth, permit, body):
        assert (method, path, auth) == ("POST", "/oauth/tokens", None)
        assert permit.left > 0
        self.asked.append(json.loads(body))
        if self.error:
            raise self.error
        return Answer(201, {"access_token": f"token-{len(self.asked)}", "expires_in": LIFE} | self.answer, {})


@pytest.fixture
def clock():
    clock = Clock()
    clock.time = NOW
    return clock


@pytest.fixture
def endpoint():
    return TokenEndpoint()


@pytest.fixture
def process(table, endpoint, clock):
    """Makes the credentials of one more process."""
    return lambda secret=CLIENT: Credentials(lambda: secret, table, endpoint, clock)


def header(credentials, seconds=3.0):
    return credentials.header(Permit(Deadline.after(seconds)))


def test_a_token_is_asked_for_as_documented(process, endpoint):
    assert header(process()) == "Bearer token-1"
    assert endpoint.asked == [
        {"grant_type": "client_credentials", **CLIENT, "scope": SCOPE, "expires_in": LIFE},
    ]
    assert isinstance(endpoint.asked[0]["scope"], str)
    assert 300 < LIFE < 172800


@both_engines
def test_all_processes_share_one_token(process, endpoint):
    assert {header(process()) for _ in range(3)} == {"Bearer token-1"}
    assert len(endpoint.asked) == 1


def test_a_token_is_kept_in_memory(process, dynamo):
    credentials = process()
    header(credentials)
    reads = []
    dynamo.before = lambda operation, _: reads.append(operation)
    assert header(credentials) == "Bearer token-1"
    assert reads == []


@both_engines
def test_a_token_is_renewed_before_it_ends(process, clock):
    credentials = process()
    header(credentials)
    clock.advance(LIFE * EARLY - 1)
    assert header(credentials) == "Bearer token-1"
    clock.advance(2)
    assert header(credentials) == "Bearer token-2"


def test_while_one_renews_early_the_others_go_on_with_the_old_token(process, clock, endpoint):
    first, second = process(), process()
    header(first), header(second)
    clock.advance(LIFE * EARLY + 1)
    seen = []
    renew = endpoint.call
    endpoint.call = lambda *given, **request: (seen.append(header(second)), renew(*given, **request))[1]
    assert header(first) == "Bearer token-2"
    assert seen == ["Bearer token-1"]
    assert len(endpoint.asked) == 2


def test_of_several_threads_one_fetches_the_token_and_the_others_find_it(process, endpoint):
    credentials, renew, beside = process(), endpoint.call, []
    with ThreadPoolExecutor(1) as pool:

        def slow(*given, **request):
            beside.append(pool.submit(header, credentials, seconds=1.0))
            time.sleep(1.1)  # Longer than it would wait for another process.
            return renew(*given, **request)

        endpoint.call = slow
        assert header(credentials) == "Bearer token-1"
        assert [it.result() for it in beside] == ["Bearer token-1"]


def test_who_has_no_token_waits_for_the_one_that_is_being_fetched(process, endpoint):
    first, second = process(), process()
    seen = []
    renew = endpoint.call

    def slow(*given, **request):
        with pytest.raises(NotSent) as raised:
            header(second, seconds=0.5)
        seen.append(raised.value.code)
        return renew(*given, **request)

    endpoint.call = slow
    header(first)
    assert seen == ["token_pending"]
    endpoint.call = renew
    assert header(second) == "Bearer token-1"
    assert len(endpoint.asked) == 1


def test_a_token_that_another_has_fetched_since_the_look_is_not_fetched_again(process, endpoint, dynamo):
    first, second = process(), process()

    def the_other_is_faster(operation, _request):
        if operation == "update_item":
            dynamo.before = lambda *_: None
            header(second)

    dynamo.before = the_other_is_faster
    assert header(first) == "Bearer token-1"
    assert len(endpoint.asked) == 1


def test_when_the_one_who_fetches_dies_another_does(process, endpoint, clock):
    endpoint.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        header(process())
    endpoint.error = None
    clock.advance(RENEWAL_TIME + 1)
    assert header(process()) == "Bearer token-2"


def test_a_refused_token_is_not_used_again(process):
    credentials = process()
    assert credentials.renewable(header(credentials))
    assert header(credentials) == "Bearer token-2"


def test_a_refused_token_is_replaced_by_the_one_another_has_fetched_meanwhile(process, endpoint):
    first, second = process(), process()
    refused = header(first)
    header(second)
    first.renewable(refused)
    assert header(first) == "Bearer token-2"
    second.renewable(refused)
    assert header(second) == "Bearer token-2"
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OutcomeUnknown("zendesk_500", "Zendesk answered 500."), "zendesk_500"),
        (NotSent("zendesk_unreachable", "No connection."), "zendesk_unreachable"),
        (Rejected(400, "invalid_client", "No such client"), "zendesk_unauthorized"),
    ],
)
def test_without_the_token_endpoint_nothing_was_sent_for_certain(process, endpoint, error, code):
    endpoint.error = error
    with pytest.raises(NotSent) as raised:
        header(process())
    assert raised.value.code == code
    assert "No such client" not in raised.value.sentence


def test_a_throttled_token_endpoint_says_when_to_come_back(process, endpoint):
    endpoint.error = Throttled(429, 60)
    with pytest.raises(Throttled):
        header(process())


@pytest.mark.parametrize("answer", [{"access_token": None}, {"access_token": 7}])
def test_an_answer_without_a_token_is_no_token(process, endpoint, answer):
    endpoint.answer = answer
    with pytest.raises(NotSent):
        header(process())


def test_a_token_that_does_not_say_how_long_it_lives_is_taken_for_what_was_asked(process, endpoint, clock):
    endpoint.answer = {"expires_in": None}
    credentials = process()
    header(credentials)
    clock.advance(LIFE * EARLY - 1)
    assert header(credentials) == "Bearer token-1"


def test_basic_is_the_legacy_way_and_cannot_be_renewed(process, endpoint):
    credentials = process({"email": "relay@example.com", "api_token": "t0k"})
    value = header(credentials)
    assert base64.b64decode(value.removeprefix("Basic ")) == b"relay@example.com/token:t0k"
    assert not credentials.renewable(value)
    assert endpoint.asked == []


@pytest.mark.parametrize("secret", [{}, {"client_id": "a"}, {"client_id": 1, "client_secret": 2}, {"email": "a"}])
def test_a_secret_that_is_neither_is_an_outage_and_is_not_quoted(process, secret):
    with pytest.raises(NotSent) as raised:
        header(process(secret))
    assert raised.value.code == "zendesk_secret_malformed"


def test_an_unreachable_secret_store_means_that_nothing_was_sent(table, endpoint):
    def unreachable():
        raise SecretsUnavailable("The secret store could not be read.")

    with pytest.raises(NotSent) as raised:
        header(Credentials(unreachable, table, endpoint))
    assert raised.value.code == "secrets_unavailable"
