"""Never lost, never twice: the short version of `make chaos`, and proof that the harness can tell."""

import subprocess
import sys
import zlib
from dataclasses import replace
from typing import Any

import pytest

from local.aws import dynamodb
from local.demo.partner import Event
from tests.e2e.chaos.gate_watch import JUST_SENT, ONE_ROWS_WORK, TOGETHER, GateWatch
from tests.e2e.chaos.senders import Sent
from tests.e2e.chaos.verdict import WORKING, Ended, Evidence, judged, leaks
from tests.e2e.conftest import ROOT
from ticket_relay.poll_jobs.send_due import REQUESTS_AT_ONCE

EVENT = Event("acme", b"{}", "msg_1")
KEY = "ticket#acme#msg_1"
SHORT = ["--events=40", "--concurrency=2", "--seed=1", "--seed=2", "--keys=ignored", "--keys=honoured", "--at-once"]
ENGINES = ["--dynamodb=moto"] if dynamodb.missing() else ["--dynamodb=moto", "--dynamodb=local"]
NOW = 1_795_300_000.0


def test_whatever_breaks_no_event_is_lost_or_becomes_two_tickets() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.chaos", *SHORT, *ENGINES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": kept") == 2
    assert "\x1b" not in done.stdout


def evidence(row: dict[str, Any] | None, *tickets: int, sent: Sent | None = None, **changes: Any) -> Evidence:
    told = {"id": KEY, "revision": "4", "type": f"ticket.{row['state']}"} if row else {}
    seen = Evidence(
        sent=[sent or Sent(EVENT, maps=True, answers=[503, 202])],
        items={KEY: {"pk": KEY, "attempt": 1, "version": 4} | row} if row else {},
        indexed=(),
        tickets={EVENT.external_id: tickets} if tickets else {},
        jobs={"V3-1": Ended("failed", "TicketCreateFailed", "Description: cannot be blank")},
        refusals={},
        outcomes=[told] if row and row["state"] not in WORKING else [],
        now=NOW,
    )
    return replace(seen, **changes)


CREATED = {"state": "created", "ticket_id": 7, "event": b"{}"}
TOLD = {"id": KEY, "revision": "4", "type": "ticket.created"}
FAILED = {
    "state": "failed",
    "event": b"{}",
    "job_id": "V3-1",
    "error_code": "TicketCreateFailed",
    "error_sentence": "Description: cannot be blank",
}
GIVEN_UP = FAILED | {"error_code": "job_killed", "error_sentence": "Given up after 20 jobs. The last one's reason: …"}
UNMAPPED = {"state": "unmapped", "event": b"{}", "error_code": "mapping_failed"}
LARGE = {"state": "created", "ticket_id": 7, "event_at": "bucket/key"}
REFUSED = Sent(EVENT, maps=True, answers=[503, 500])
UNMAPPABLE = Sent(EVENT, maps=False, answers=[202])
WITH_FILES = Sent(EVENT, maps=True, files=("a.csv", "b.csv"), unfit=("c.html",), answers=[202])
FILES = {"attached": {7: ["b.csv", "a.csv"]}, "noted": {7: ["Missing:\n- c.html: no."]}}


@pytest.mark.parametrize(
    "seen",
    [
        evidence(CREATED, 7),
        evidence(FAILED),
        evidence(GIVEN_UP | {"attempt": 20}),
        evidence(UNMAPPED, sent=UNMAPPABLE),
        evidence(CREATED, 7, sent=REFUSED),
        evidence(None, sent=REFUSED),
        evidence(CREATED, 7, outcomes=[TOLD, TOLD]),
        evidence(CREATED, 7, sent=WITH_FILES, **FILES),
        evidence(LARGE, 7, objects={"bucket/key": zlib.compress(b"{}")}),
    ],
)
def test_a_promise_that_was_kept_is_no_violation(seen: Evidence) -> None:
    assert judged(seen) == []


@pytest.mark.parametrize(
    "seen",
    [
        evidence(None),
        evidence(None, 7, sent=REFUSED),
        evidence(CREATED),
        evidence(CREATED, 8),
        evidence(CREATED, 7, 8),
        evidence(CREATED, 7, 8, sent=REFUSED),
        evidence(CREATED, 7, sent=UNMAPPABLE),
        evidence({"state": "accepted"}),
        evidence({"state": "submitted", "due_at": NOW + 60}, 7),
        evidence({"state": "submitted", "due_at": NOW - 60}, sent=REFUSED),
        evidence(FAILED, 7),
        evidence(FAILED | {"job_id": "V3-2"}),
        evidence(FAILED | {"error_sentence": "Something else"}),
        evidence(GIVEN_UP | {"attempt": 19}),
        evidence(UNMAPPED),
        evidence(UNMAPPED | {"event": b"[]"}, sent=UNMAPPABLE),
        evidence(UNMAPPED, 7, sent=UNMAPPABLE),
        evidence(CREATED | {"event": b"[]"}, 7),
        evidence({"state": "created", "ticket_id": 7}, 7),
        evidence(LARGE, 7),
        evidence(LARGE, 7, objects={"bucket/key": zlib.compress(b"[]")}),
        evidence(CREATED, 7, indexed={KEY}),
        evidence(CREATED, 7, outcomes=[]),
        evidence(CREATED, 7, outcomes=[TOLD, TOLD | {"type": "ticket.failed"}]),
        evidence(CREATED, 7, outcomes=[TOLD, TOLD | {"id": "ticket#acme#msg_2"}]),
        evidence(CREATED, 7, outcomes=[TOLD, TOLD | {"revision": "3"}]),
        evidence(CREATED, 7, sent=WITH_FILES),
        evidence(CREATED, 7, sent=WITH_FILES, **FILES | {"attached": {7: ["a.csv"]}}),
        evidence(CREATED, 7, sent=WITH_FILES, **FILES | {"attached": {7: ["a.csv", "a.csv", "b.csv"]}}),
        evidence(CREATED, 7, sent=WITH_FILES, **FILES | {"noted": {}}),
        evidence(CREATED, 7, sent=WITH_FILES, **FILES | {"noted": {7: FILES["noted"][7] * 2}}),
        evidence(CREATED, 7, attached={7: ["a.csv"]}),
        evidence(CREATED, 7, noted={7: ["Missing:\n- c.html: no."]}),
        evidence(CREATED, 7, tickets={EVENT.external_id: [7], "acme:msg_2": [8]}),
        evidence(CREATED, 7, items={KEY: {"pk": KEY} | CREATED, "gate": {"pk": "gate", "closed_until": NOW + 9}}),
        evidence(CREATED, 7, items={KEY: {"pk": KEY} | CREATED, "token": {"pk": "token", "renewing_until": NOW + 5}}),
    ],
)
def test_a_broken_promise_is_found(seen: Evidence) -> None:
    assert judged(seen)


@pytest.mark.parametrize("line", ["the body was canary7", "sent to marta@acme.example.com", "Bearer s3cr3t"])
def test_a_leak_is_found_and_not_repeated(line: str) -> None:
    (found,) = leaks(["fine", line], {"s3cr3t"}, "canary7")
    assert line not in found.sentence


def test_ids_and_outcomes_are_no_leak() -> None:
    assert leaks(['create_ticket | {"pk": "ticket#acme#msg_1", "state": "created"}'], {"s3cr3t"}, "canary7") == []


class Gate:
    """The relay's operations on its gate as the proxy sees them, by workers 1, 2, …"""

    def __init__(self) -> None:
        self.gate_watch = GateWatch()

    def read(self, worker: int, closed_until: float | None = None) -> None:
        item = {} if closed_until is None else {"Item": {"closed_until": {"N": str(closed_until)}}}
        self.gate_watch.operated("GetItem", {"Key": {"pk": {"S": "gate"}}}, item, worker, NOW)

    def change(self, worker: int, **values: float) -> None:
        given = {f":{name}": {"N": str(value)} for name, value in values.items()}
        key, change = {"pk": {"S": "gate"}}, "SET closed_until = …"
        asked = {"Key": key, "UpdateExpression": change, "ExpressionAttributeValues": given}
        self.gate_watch.operated("UpdateItem", asked, {}, worker, NOW)

    def late_calls(self, worker: int, times: int = 1, at: float = NOW, what: str = "POST /api/v2/tickets") -> int:
        """How many of the calls that the worker now makes were not its to make."""
        before = self.gate_watch.seen["knocks"]
        for _ in range(times):
            self.gate_watch.called(what, worker, at)
        return self.gate_watch.seen["knocks"] - before


@pytest.fixture
def gate() -> Gate:
    """Worker 1 was told to wait; worker 2 had its leave before; worker 3 has not looked."""
    gate = Gate()
    gate.read(1)
    gate.read(2)
    gate.change(1, until=NOW + 10, probe=0)
    return gate


def test_a_call_that_was_under_way_when_the_gate_closed_is_no_knock(gate: Gate) -> None:
    assert gate.late_calls(2, times=ONE_ROWS_WORK) == 0
    assert gate.gate_watch.seen["under way"] == ONE_ROWS_WORK


def test_a_worker_that_goes_on_and_on_under_an_old_leave_knocks(gate: Gate) -> None:
    assert gate.late_calls(2, times=ONE_ROWS_WORK + 2) == 2


def test_a_worker_that_was_told_knocks_if_it_calls(gate: Gate) -> None:
    assert gate.late_calls(1) == 1


def test_batches_that_a_worker_was_sending_beside_the_one_that_was_told_are_no_knock(gate: Gate) -> None:
    assert gate.late_calls(1, times=REQUESTS_AT_ONCE, what=TOGETHER) == 1
    assert gate.late_calls(1) == 1


def test_a_batch_that_comes_later_knocks(gate: Gate) -> None:
    assert gate.late_calls(1, at=NOW + JUST_SENT, what=TOGETHER) == 1


def test_a_worker_that_did_not_ask_or_found_the_gate_closed_knocks_if_it_calls(gate: Gate) -> None:
    assert gate.late_calls(3) == 1
    gate.read(2, closed_until=NOW + 10)
    assert gate.late_calls(2) == 1


def test_nobody_knocks_when_the_time_is_over(gate: Gate) -> None:
    assert gate.late_calls(3, at=NOW + 10) == 0


def test_only_the_one_that_asks_first_may_call_until_it_knows(gate: Gate) -> None:
    gate.change(3, read=NOW + 10, probe=NOW + 20)
    assert gate.late_calls(3, times=9, at=NOW + 11) == 0
    gate.read(2, closed_until=NOW + 20)
    assert gate.late_calls(2, at=NOW + 11) == 1
    gate.change(3, probe=NOW + 20)
    assert gate.late_calls(2, at=NOW + 11) == 0


def test_a_worker_that_might_ask_first_and_does_not_is_counted(gate: Gate) -> None:
    gate.change(3, read=NOW + 10, probe=NOW + 20)
    gate.change(2, read=NOW + 20, probe=NOW + 30)
    gate.late_calls(2, at=NOW + 21)
    gate.change(3, read=NOW + 30, probe=NOW + 40)
    assert gate.gate_watch.seen["and did not"] == 1
