"""`relay export` and `relay replay`: authentic events from one stack to another."""

import json
from types import SimpleNamespace

import pytest
import requests

from cli import replaying, sending
from local import ready
from tests.builders import CANARY, NOW, ROOT, SECRETS, acme_event, body_of
from tests.senders import SENDERS
from ticket_relay.errors import MappingFailed
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.events import Events, Kept
from ticket_relay.storage.rows import DAY
from ticket_relay.webhooks.payload import Request
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.signatures import filled, verify

BODY = json.dumps(acme_event(title="Feuer \N{FIRE}"), ensure_ascii=False, indent=1).encode()
LOCAL = {"partners": {"acme": {"secret": SECRETS["acme"]}, "hooli": {"secret": SECRETS["hooli"]}}}


@pytest.fixture(autouse=True)
def naps(monkeypatch):
    """The seconds that were waited; a stack runs at the usual address."""
    seconds = []
    monkeypatch.setattr(replaying.time, "sleep", seconds.append)
    monkeypatch.setattr(ready, "read", lambda _url: LOCAL)
    for name in ("RELAY_URL", "RELAY_SECRET"):
        monkeypatch.delenv(name, raising=False)
    return seconds


@pytest.fixture
def put(store):
    """Rows of events; the later, the higher their number."""

    def put(event_id, now=NOW, partner="acme", **given):
        row = ticket_states.claimed(
            partner, event_id, b"{}", now, closed_until=now, kept=Kept(**({"event": BODY} | given))
        )
        row = ticket_states.created(row, 7, now)
        assert store.claim(row) is None
        return row

    return put


@pytest.fixture
def exported(run, tmp_path):
    """What is exported with these words, read back; what was said of it."""

    def export(*words):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
        result = run("export", str(path), *words)
        assert result.exit_code == 0, result.stderr
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return lines, dict(line.split("\t") for line in result.stdout.splitlines())

    return export


@pytest.fixture
def sent(monkeypatch):
    """The requests that were sent, each answered with the next of the answers; the last is repeated."""
    calls = []
    answers = [(202, {"state": "submitted", "id": "evt_1", "ticket_id": 9})]

    def post(url, *, data, headers, timeout, allow_redirects):
        status, body = answers[min(len(calls), len(answers) - 1)]
        calls.append(SimpleNamespace(url=url, body=data, headers={name.lower(): it for name, it in headers.items()}))
        response = requests.Response()
        response.status_code, response._content = status, json.dumps(body).encode()
        return response

    monkeypatch.setattr(sending.requests, "post", post)
    return SimpleNamespace(calls=calls, answers=answers)


def line(partner="acme", id="evt_1", body=BODY, **more):
    return json.dumps({"partner": partner, "id": id, "at": NOW, "body": body.decode(), "format": 1} | more) + "\n"


def test_events_are_written_as_they_came_the_oldest_first(put, exported):
    put("evt_2", NOW + 5)
    put("evt_1")
    lines, said = exported()
    assert [(each["partner"], each["id"], each["at"]) for each in lines] == [
        ("acme", "evt_1", NOW),
        ("acme", "evt_2", NOW + 5),
    ]
    assert lines[0]["body"].encode() == BODY
    assert said == {"written": "2"}


def test_only_the_wanted_are_written(put, store, exported):
    put("evt_1")
    put("evt_2", NOW + 60)
    store.claim(ticket_states.unmapped("acme", "evt_3", Kept(event=b"{}"), MappingFailed("e", "No."), NOW))
    put("evt_4", partner="hooli")
    assert [each["id"] for each in exported("--state", "unmapped")[0]] == ["evt_3"]
    assert [each["id"] for each in exported("--partner", "hooli")[0]] == ["evt_4"]


def test_times_are_those_of_this_moment(put, exported, monkeypatch):
    monkeypatch.setattr("cli.options.time.time", lambda: NOW + 100)
    put("evt_1", NOW)
    put("evt_2", NOW + 60)
    put("evt_3", NOW + 90)
    assert [each["id"] for each in exported("--newer-than", "50s", "--older-than", "20s")[0]] == ["evt_2"]


def test_an_event_that_was_not_kept_is_counted(put, exported):
    put("evt_1", event=None)
    assert exported() == ([], {"not_kept": "1"})


def test_a_delivery_of_several_events_is_written_once_under_its_own_id(put, table, exported):
    body = (ROOT / "events/hooli-alerts-firing.json").read_bytes()
    kept = Events(table, None).keep_delivery("hooli", "dlv_1", body, NOW).delivery
    for event_id in ("one", "two"):
        put(event_id, partner="hooli", event=None, delivery=kept)
    lines, said = exported()
    assert [(each["id"], each["body"].encode()) for each in lines] == [("dlv_1", body)]
    assert said == {"written": "1"}


def test_the_file_is_new_and_nobody_elses(put, run, tmp_path):
    put("evt_1")
    path = tmp_path / "events.jsonl"
    assert run("export", str(path)).exit_code == 0
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_bytes()
    result = run("export", str(path))
    assert (result.exit_code, path.read_bytes()) == (1, before)
    assert "is there already" in result.stderr
    assert CANARY not in result.stdout + result.stderr


def test_an_event_is_sent_as_its_partner_would_under_its_own_id(put, run, sent, tmp_path):
    put("evt_1")
    path = tmp_path / "events.jsonl"
    run("export", str(path))
    result = run("replay", str(path))
    assert result.exit_code == 0, result.stderr
    (call,) = sent.calls
    assert (call.url, call.body) == ("http://127.0.0.1:8080/webhooks/acme", BODY)
    scheme = PRESETS["standard-webhooks"]
    now = sending.time.time()
    delivery = verify(scheme, Request(call.headers, call.body), secrets=[SECRETS["acme"]], now=now)
    assert delivery.id == "evt_1"
    assert result.stdout.splitlines()[1] == "submitted\t9\tacme\tevt_1\t-"


@pytest.mark.parametrize("name", ["stripe", "slack", "github", "linear", "shopify"])
def test_an_id_in_the_body_stays_and_the_time_is_new(sent, run, tmp_path, monkeypatch, name):
    sender = SENDERS[name]
    monkeypatch.setattr(replaying.sending, "secret_of", lambda *_: sender.secret)
    definition = {"partner": "initech", "sample": "it.json", "ticket": {"subject": "x", "comment": {"body": "x"}}}
    (tmp_path / "partners").mkdir()
    (tmp_path / "partners" / "initech.yaml").write_text(json.dumps(definition | {"scheme": name}))
    (tmp_path / "it.json").write_text(json.dumps(sender.event))
    body = filled(sender.scheme, id="evt-7", timestamp=NOW - DAY, body=body_of(sender.event))
    result = run("replay", "-", "--config", str(tmp_path), typed=line("initech", "evt-7", body))
    assert result.exit_code == 0, result.stderr
    (call,) = sent.calls
    now = sending.time.time()
    delivery = verify(sender.scheme, Request(call.headers, call.body), secrets=[sender.secret], now=now)
    assert delivery.id == "evt-7"


def test_a_stack_that_is_busy_is_waited_for_and_not_for_ever(run, sent, naps):
    sent.answers[:0] = [(429, {"message": "Too Many Requests"}), (503, {"error": "store_unavailable"})]
    assert run("replay", "-", typed=line()).exit_code == 0
    assert (len(sent.calls), naps) == (3, [1.0, 2.0])
    sent.calls.clear()
    sent.answers[:] = [(503, {"error": "store_unavailable"})]
    result = run("replay", "-", typed=line())
    assert (result.exit_code, len(sent.calls)) == (1, replaying.TRIES)
    assert "HTTP 503 store_unavailable" in result.stdout


def test_what_is_refused_does_not_stop_the_others(run, sent):
    sent.answers[:] = [(401, {"error": "wrong_signature"}), (202, {"state": "split", "id": "evt_2"})]
    result = run("replay", "-", "--json", typed=line("initech") + line(id="evt_1") + line(id="evt_2"))
    events = json.loads(result.stdout)["events"]
    assert [(each["state"], each["reason"]) for each in events] == [
        ("refused", "There is no definition of this partner."),
        ("refused", "HTTP 401 wrong_signature"),
        ("split", None),
    ]
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("no json", "Line 2 is not an exported event."),
        ("{}", "Line 2 is not an exported event."),
        (line(format=2).strip(), "Line 2 has format 2, and this version reads 1."),
    ],
)
def test_a_file_that_is_no_export_is_refused_whole(run, sent, wrong, why):
    result = run("replay", "-", typed=line() + wrong + "\n")
    assert (result.exit_code, sent.calls) == (1, [])
    assert why in result.stderr


def test_another_stack_than_a_local_one_is_asked_about(run, sent, monkeypatch):
    monkeypatch.setattr(replaying.sending, "secret_of", lambda *_: SECRETS["acme"])
    words = ["replay", "-", "--url", "https://sandbox.example.com"]
    result = run(*words, typed=line())
    assert (result.exit_code, sent.calls) == (1, [])
    assert "Send 1 events to https://sandbox.example.com?" in result.stderr
    assert run(*words, "--yes", typed=line()).exit_code == 0


@pytest.mark.parametrize("given", ["file", "variable"])
def test_a_relay_that_is_no_known_stack_is_sent_to_with_a_secret_of_the_partner(
    run, sent, monkeypatch, tmp_path, given
):
    words = ["replay", "-", "--url", "https://sandbox.example.com", "--yes"]
    if given == "file":
        (tmp_path / "secret").write_text(f"{SECRETS['acme']}\n")
        words.append(f"--secret-file={tmp_path / 'secret'}")
    else:
        monkeypatch.setenv("RELAY_SECRET", SECRETS["acme"])
    result = run(*words, typed=line(id="evt_1") + line(id="evt_2"))
    assert result.exit_code == 0, result.stderr
    for call in sent.calls:
        request = Request(call.headers, call.body)
        assert verify(PRESETS["standard-webhooks"], request, secrets=[SECRETS["acme"]], now=sending.time.time())


def test_a_secret_is_that_of_one_partner(run, sent, monkeypatch):
    monkeypatch.setenv("RELAY_SECRET", SECRETS["acme"])
    result = run("replay", "-", typed=line("acme") + line("hooli"))
    assert (result.exit_code, sent.calls) == (2, [])
    assert "of one partner" in result.stderr
