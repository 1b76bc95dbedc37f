import json
from types import SimpleNamespace

import pytest
import requests
from click.testing import CliRunner

from cli import sending
from cli.main import main
from cli.where import Where
from local import ready
from tests.builders import CANARY, SECRETS
from tests.senders import SENDERS, WHSEC
from ticket_relay.webhooks.payload import Request
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.signatures import verify

PRESET = [name for name, sender in SENDERS.items() if sender.scheme == PRESETS.get(name.partition(",")[0])]
CREATED = {"state": "created", "id": "msg_1", "ticket_id": 7}


@pytest.fixture(autouse=True)
def _no_stack(tmp_path, monkeypatch):
    """No stack of this machine is found, and no variable helps."""
    monkeypatch.setattr(ready, "_FOLDER", tmp_path / "ready")
    monkeypatch.setattr(sending.time, "sleep", lambda _: None)
    for name in ("RELAY_URL", "RELAY_SECRET", "RELAY_CONFIG"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def sent(monkeypatch):
    """The requests that were sent, each answered with the next of the answers; the last is repeated."""
    calls = []
    answers = [(202, CREATED)]

    def post(url, *, data, headers, timeout, allow_redirects):
        assert timeout
        assert not allow_redirects
        status, body = answers[min(len(calls), len(answers) - 1)]
        calls.append((url, data, headers))
        response = requests.Response()
        response.status_code = status
        response._content = (body if isinstance(body, str) else json.dumps(body)).encode()
        return response

    monkeypatch.setattr(sending.requests, "post", post)
    return SimpleNamespace(calls=calls, answers=answers)


@pytest.fixture
def secret_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text(f"{SECRETS['acme']}\n")
    return f"--secret-file={path}"


def relay(*words, typed=None):
    return CliRunner(mix_stderr=False).invoke(main, ["send", *words], input=typed)


def test_the_sample_is_sent_as_a_new_event_to_the_local_stack(sent, secret_file):
    result = relay("acme", secret_file)
    assert (result.exit_code, result.stdout) == (0, "status\t202\nstate\tcreated\nid\tmsg_1\nticket_id\t7\n")
    relay("acme", secret_file)
    (url, body, headers), (_, _, others) = sent.calls
    assert url == "http://127.0.0.1:8080/webhooks/acme"
    assert json.loads(body)["incident"]
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] != others["webhook-id"]


@pytest.mark.parametrize("name", PRESET)
def test_it_signs_as_each_sender_does(sent, tmp_path, monkeypatch, name):
    sender = SENDERS[name]
    monkeypatch.setenv("RELAY_SECRET", sender.secret)
    definition = {"partner": "initech", "sample": "it.json", "ticket": {"subject": "x", "comment": {"body": "x"}}}
    scheme = name.partition(",")[0]
    (tmp_path / "partners").mkdir()
    (tmp_path / "partners" / "initech.yaml").write_text(json.dumps(definition | {"scheme": scheme}))
    (tmp_path / "it.json").write_text(json.dumps(sender.event))
    result = relay("initech", "--config", str(tmp_path), "--id", "evt-1")
    assert result.exit_code == 0, result.stderr
    ((_, body, headers),) = sent.calls
    request = Request({key.lower(): value for key, value in headers.items()}, body)
    delivery = verify(sender.scheme, request, secrets=[sender.secret], now=sending.time.time())
    assert delivery.id == "evt-1" or name in {"bearer", "basic"}


def test_a_body_that_lacks_the_place_of_the_id_is_an_error(sent, tmp_path, monkeypatch):
    monkeypatch.setenv("RELAY_SECRET", "any")
    (tmp_path / "partners").mkdir()
    (tmp_path / "partners" / "initech.yaml").write_text(
        json.dumps({"partner": "initech", "scheme": "pagerduty", "sample": "x", "ticket": {"description": "x"}})
    )
    result = relay("initech", "-", "--config", str(tmp_path), typed='{"event": []}')
    assert (result.exit_code, result.stderr) == (1, "Error: The body has no object at /event.\n")
    assert sent.calls == []


def test_it_waits_by_repeating_the_same_event(sent, secret_file):
    sent.answers[:] = [(503, {"error": "store_unavailable"}), (202, CREATED | {"state": "submitted"}), (202, CREATED)]
    result = relay("acme", secret_file, "--wait", "10s", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"status": 202, **CREATED})
    assert len(sent.calls) == 3
    assert len({(body, headers["webhook-id"]) for _, body, headers in sent.calls}) == 1


def test_without_waiting_one_delivery_is_all(sent, secret_file):
    sent.answers[:] = [(202, CREATED | {"state": "accepted"})]
    assert relay("acme", secret_file).exit_code == 0
    assert len(sent.calls) == 1


def test_waiting_ends(sent, secret_file):
    sent.answers[:] = [(202, CREATED | {"state": "accepted"})]
    assert relay("acme", secret_file, "--wait", "0s").exit_code == 0
    clock = iter(range(100))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sending.time, "monotonic", lambda: next(clock))
        assert relay("acme", secret_file, "--wait", "3s").exit_code == 1


def test_each_event_of_a_split_delivery_is_told_and_waited_for(sent, monkeypatch):
    monkeypatch.setenv("RELAY_SECRET", SECRETS["acme"])
    first = {"state": "created", "id": "a", "ticket_id": 7}
    answers = [
        {"state": "split", "id": "msg_1", "events": [first, {"state": state, "id": "b"}]}
        for state in ("accepted", "ignored")
    ]
    sent.answers[:] = [(202, answer) for answer in answers]
    result = relay("hooli", "--wait", "10s")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-3:] == ["state\tticket_id\tid", "created\t7\ta", "ignored\t-\tb"]


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, {"error": "wrong_signature", "message": "x"}), (202, {"state": "unmapped"}), (202, {"state": "failed"})],
)
def test_an_event_that_gets_no_ticket_is_a_failure(sent, secret_file, status, body):
    sent.answers[:] = [(status, body)]
    assert relay("acme", secret_file, "--wait", "10s").exit_code == 1
    assert len(sent.calls) == 1


@pytest.mark.parametrize("answer", ["<html>", "[]", ""])
def test_what_does_not_answer_as_the_relay_is_told(sent, secret_file, answer):
    sent.answers[:] = [(200, answer)]
    result = relay("acme", secret_file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "that is not the relay" in result.stderr


def test_nobody_there_is_an_error_without_a_traceback(monkeypatch, secret_file):
    def fail(*_, **__):
        raise requests.ConnectionError(CANARY)

    monkeypatch.setattr(sending.requests, "post", fail)
    result = relay("acme", secret_file)
    assert result.stderr == "Error: There is no answer from http://127.0.0.1:8080 (ConnectionError).\n"


def test_the_local_stack_at_the_address_says_its_secret(sent):
    line = {"url": "http://127.0.0.1:9000", "partners": {"acme": {"secret": WHSEC}}}
    with ready.announced(line):
        assert relay("acme", "--url", line["url"]).exit_code == 0
        assert "does not know globex" in relay("globex", "--url", line["url"]).stderr
        assert "No local stack runs at http://127.0.0.1:9001" in relay("acme", "--url", "http://127.0.0.1:9001").stderr
    (_, body, headers) = sent.calls[0]
    assert verify(PRESETS["standard-webhooks"], Request(headers, body), secrets=[WHSEC], now=sending.time.time())
    assert "No local stack runs" in relay("acme", "--url", line["url"]).stderr


def test_what_a_stack_says_only_its_owner_reads(tmp_path):
    with ready.announced({"url": "http://127.0.0.1:9000", "partners": {}}):
        (file,) = (tmp_path / "ready").iterdir()
        assert file.stat().st_mode & 0o777 == 0o600
    assert not file.exists()


def test_a_deployed_stack_says_its_address_and_secret(sent, monkeypatch):
    monkeypatch.setattr(Where, "output", lambda _, key: {"ApiUrl": "https://api.example.com"}[key])
    monkeypatch.setattr(Where, "resource", lambda _, name: {"PartnerSecrets": "arn:it"}[name])

    class Manager:
        def get_secret_value(self, SecretId):  # noqa: N803 - boto3's name
            assert SecretId == "arn:it"
            return {"SecretString": json.dumps({"acme": [WHSEC, "other"]})}

    monkeypatch.setattr(Where, "client", lambda _, service: {"secretsmanager": Manager()}[service])
    assert relay("acme", "--stack", "mine").exit_code == 0
    assert sent.calls[0][0] == "https://api.example.com/webhooks/acme"
    assert relay("globex", "--stack", "mine").stderr == "Error: The stack has no secret of globex.\n"


def test_a_stack_must_be_named_each_time(sent, monkeypatch):
    """RELAY_STACK, set for other commands, does not send test events to production."""
    monkeypatch.setenv("RELAY_STACK", "mine")
    assert "No local stack runs" in relay("acme").stderr


@pytest.mark.parametrize("url", ["http://relay.example.com", "relay.example.com", "ftp://127.0.0.1", "http://["])
def test_a_secret_goes_over_no_open_line(sent, secret_file, url):
    assert relay("acme", secret_file, "--url", url).exit_code == 2
    assert sent.calls == []


def test_a_partner_that_is_not_defined_is_an_error(sent):
    assert relay("nobody").stderr == "Error: There is no partner nobody in layers/config.\n"


def test_a_secret_that_is_none_of_the_scheme_is_an_error_that_does_not_show_it(sent, monkeypatch):
    monkeypatch.setenv("RELAY_SECRET", CANARY)
    result = relay("acme")
    assert result.exit_code == 1
    assert CANARY not in result.output
