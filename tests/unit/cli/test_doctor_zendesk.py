import time
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
import requests

from cli import definitions
from cli.doctor import line, zendesk
from cli.doctor.finding import NotGood, Status
from cli.doctor.line import Line
from cli.doctor.setup import POLL, Setup
from cli.where import Where
from tests import builders
from tests.fakes import ZENDESK, Wire, answered

CLIENT = {"client_id": "c", "client_secret": "canary-7f3a"}
API_TOKEN = {"email": "a@example.com", "api_token": "canary-7f3a"}
TOKEN = {"access_token": "t", "token_type": "bearer", "scope": "read tickets:write", "expires_in": 7200}
REFUSED = {"error": "Couldn't authenticate you"}
NO_SCOPE = {"error": "Forbidden", "description": "You are missing the following required scopes: read"}


@pytest.fixture
def setup(lambda_environment):
    return Setup(Where(), settings={POLL: builders.settings(ZENDESK)}, client=CLIENT)


@pytest.fixture
def wire(setup, monkeypatch):
    """What Zendesk answers, one after the other."""

    def over(*answers):
        wire = Wire(*answers)
        session = requests.Session()
        session.mount(ZENDESK, wire)
        monkeypatch.setattr(zendesk, "Line", lambda base_url: Line(base_url, lambda: session))
        setup.line = Line(ZENDESK, lambda: session)
        return wire

    return over


@pytest.fixture
def proven(setup, wire):
    """A token is had; then Zendesk answers so."""

    def over(*answers, token=TOKEN):
        wire(answered(201, token), *answers)
        zendesk.credentials(setup)

    return over


def flaw(check, setup):
    with pytest.raises(NotGood) as caught:
        check(setup)
    assert "canary-7f3a" not in f"{caught.value.finding} {caught.value.advice}"
    return caught.value


@pytest.mark.parametrize("answer", [answered(401, REFUSED), answered(200, {"user": {"id": None}})])
def test_zendesk_is_reached_where_it_does_not_know_us(setup, wire, answer):
    sent = wire(answer)
    assert zendesk.reached(setup) == f"{ZENDESK} answers."
    assert "Authorization" not in sent.sent[0].headers


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (requests.ConnectionError(), "The connection to Zendesk broke."),
        (requests.ReadTimeout(), "Zendesk did not answer in time."),
        (requests.ConnectTimeout(), "Zendesk could not be connected to in time."),
        (answered(301), "Zendesk redirects"),
        (answered(404, b"There is no help desk configured at this address"), f"{ZENDESK} answers 404."),
        (answered(500), "Zendesk answered 500."),
        (answered(429, headers={"Retry-After": "7"}), "asks to wait 7 s"),
        (answered(200, b"<html>"), "is not JSON"),
    ],
)
def test_a_zendesk_that_is_not_reached_is_wrong_and_not_asked_any_more(setup, wire, answer, said):
    wire(answer)
    setup.line = None
    assert said in flaw(zendesk.reached, setup).finding
    assert flaw(zendesk.credentials, setup).status is Status.UNCHECKED


def test_behind_a_closed_gate_zendesk_is_left_alone(setup, wire):
    sent = wire()
    setup.gate_open = False
    assert flaw(zendesk.reached, setup).status is Status.UNCHECKED
    assert sent.sent == []


def test_a_token_is_fetched_with_the_secret(setup, wire):
    sent = wire(answered(201, TOKEN))
    assert zendesk.credentials(setup) == "Zendesk gives a token for the OAuth client."
    assert sent.sent[0].url == f"{ZENDESK}/oauth/tokens"


@pytest.mark.parametrize(
    ("answer", "finding", "advice"),
    [
        (answered(401, REFUSED), "Zendesk does not accept the relay's credentials.", "Compare the OAuth client"),
        (answered(400, {"error": "invalid_scope"}), "accept the OAuth client. It says invalid_scope.", "Compare"),
        (answered(400, {"error": "canary-7f3a"}), "Zendesk does not accept the OAuth client.", "Compare"),
        (answered(503, headers={"Retry-After": "5"}), "asks to wait 5 s", "status page"),
        (answered(500), "did not answer as it should", "status page"),
        (answered(200, {}), "gave no token", "Compare"),
    ],
)
def test_a_client_that_gets_no_token_is_wrong_and_its_secret_not_quoted(setup, wire, answer, finding, advice):
    wire(answer)
    found = flaw(zendesk.credentials, setup)
    assert found.finding.endswith(finding) or finding in found.finding
    assert advice in found.advice
    assert flaw(zendesk.user, setup).status is Status.UNCHECKED


@pytest.mark.parametrize(("days", "status"), [(1, Status.WARNING), (0, Status.WRONG), (-1, Status.WRONG)])
def test_an_api_token_is_good_only_until_its_end(setup, wire, monkeypatch, days, status):
    monkeypatch.setattr(zendesk, "END_OF_API_TOKENS", datetime.now(UTC).date() + timedelta(days=days))
    wire()
    setup.client = API_TOKEN
    assert flaw(zendesk.credentials, setup).status is status
    assert setup.auth is not None


def test_api_tokens_end_when_zendesk_says():
    assert date(2027, 4, 30) == zendesk.END_OF_API_TOKENS


def test_the_user_is_told_by_number_and_role(setup, proven):
    proven(answered(200, {"user": {"id": 7, "role": "admin", "email": "a@example.com"}}))
    assert zendesk.user(setup) == "The relay acts as user 7 (admin), and ignores what that user does."


@pytest.mark.parametrize(
    ("user", "said"),
    [
        ({"id": None, "name": "Anonymous user", "role": "end-user"}, "does not recognise the relay"),
        ({"id": 7, "role": "end-user"}, "User 7 is an end user."),
    ],
)
def test_nobody_and_an_end_user_are_wrong_though_zendesk_answers_200(setup, proven, user, said):
    proven(answered(200, {"user": user}))
    assert said in flaw(zendesk.user, setup).finding


@pytest.mark.parametrize("check", [zendesk.user, zendesk.tickets, zendesk.jobs])
def test_a_missing_scope_is_named(setup, proven, check):
    proven(answered(403, NO_SCOPE))
    found = flaw(check, setup)
    assert "403 Forbidden: You are missing the following required scopes: read." in found.finding
    assert found.advice.startswith("Allow the OAuth client the scope read")


def test_credentials_that_are_refused_in_use_are_wrong(setup, proven):
    proven(answered(401, REFUSED), answered(201, TOKEN), answered(401, REFUSED))
    assert flaw(zendesk.tickets, setup).advice.startswith("Compare the OAuth client")


def test_only_gets_are_sent_besides_the_one_for_a_token(setup, wire):
    good = answered(200, {"user": {"id": 7, "role": "agent"}})
    sent = wire(answered(201, TOKEN), good, answered(200), answered(200))
    for check in (zendesk.credentials, zendesk.user, zendesk.tickets, zendesk.jobs, zendesk.writing):
        check(setup)
    assert [request.method for request in sent.sent] == ["POST", "GET", "GET", "GET"]
    assert all(timeout.total <= 8 for timeout in sent.timeouts)


@pytest.mark.parametrize("scope", ["write", "read tickets:write", "tickets:write read"])
def test_either_scope_for_writing_is_good(setup, proven, scope):
    proven(token=TOKEN | {"scope": scope})
    assert zendesk.writing(setup) == "Tickets may be written."


@pytest.mark.parametrize(
    ("scope", "said"), [("read", "only: read."), ("", "only: nothing."), ("tickets:writer", "only")]
)
def test_a_token_that_may_not_write_is_wrong(setup, proven, scope, said):
    proven(token=TOKEN | {"scope": scope})
    assert said in flaw(zendesk.writing, setup).finding


def test_where_the_scopes_are_not_told_writing_is_not_tried(setup, proven):
    proven(token={"access_token": "t"})
    assert flaw(zendesk.writing, setup).status is Status.UNCHECKED


def test_an_api_token_has_no_scopes(setup, wire):
    wire()
    setup.client = API_TOKEN
    flaw(zendesk.credentials, setup)
    assert flaw(zendesk.writing, setup).status is Status.UNCHECKED


def dated(seconds):
    moment = datetime.fromtimestamp(time.time() + seconds, UTC)
    return answered(200, headers={"Date": format_datetime(moment, usegmt=True)})


@pytest.mark.parametrize(("ahead", "status"), [(60, Status.WARNING), (-60, Status.WARNING), (400, Status.WRONG)])
def test_a_clock_that_is_off_is_told_with_its_distance(setup, wire, ahead, status):
    wire(dated(ahead))
    zendesk.reached(setup)
    found = flaw(zendesk.clock, setup)
    assert found.status is status
    assert "behind" in found.finding if ahead > 0 else "ahead of" in found.finding


def test_clocks_that_may_agree_do(setup, wire):
    wire(dated(0))
    zendesk.reached(setup)
    assert zendesk.clock(setup) == "This machine's clock agrees with Zendesk's."


@pytest.mark.parametrize(
    ("asked", "at", "answered_at", "skew"),
    [(100.2, 100, 100.4, 0), (100.9, 100, 103.5, 0), (100.2, 105, 101.0, 4.0), (100.5, 90, 101, -9.5)],
)
def test_the_skew_is_what_cannot_be_explained_by_the_way_and_by_whole_seconds(asked, at, answered_at, skew):
    assert line._skew(asked, at, answered_at) == pytest.approx(skew)


def test_an_answer_without_a_date_leaves_the_clock_unchecked(setup, wire):
    wire(answered(200))
    zendesk.reached(setup)
    assert flaw(zendesk.clock, setup).status is Status.UNCHECKED


def test_where_partners_bring_files_the_token_must_be_good_for_uploads(setup, proven, monkeypatch):
    monkeypatch.setattr(definitions, "partners", lambda _: {"acme": SimpleNamespace(attachments=object())})
    proven()
    assert 'ZendeskScope="read write"' in flaw(zendesk.writing, setup).advice
    proven(token=TOKEN | {"scope": "read write"})
    assert zendesk.writing(setup) == "Tickets may be written."
