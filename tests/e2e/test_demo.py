"""The demo: it must not claim what is not so, and it must run through."""

import shutil
import subprocess
import sys
from typing import Any

import pytest

from local.demo import claims
from local.demo.__main__ import judged
from local.demo.claims import Claim
from local.demo.partner import Answer, Event, signed
from local.demo.screen import Line, Screen
from local.hint import how_to_use
from tests.builders import SECRETS
from tests.e2e.conftest import ROOT, LocalStack
from ticket_relay.webhooks.presets import PRESETS
from ticket_relay.webhooks.signatures import sign

SECRET = SECRETS["acme"]
EVENT = Event("acme", b"{}", "msg_1")
ROW = {"state": "created", "ticket_id": 7, "version": 4}
OUTCOME = {"id": EVENT.pk, "revision": "4", "type": "ticket.created", "ticket_id": "7"}
LATER = Event("acme", b"{}", "msg_2")
JOINED = {"state": "joined", "ticket_id": 7}


def ticket(**changes: Any) -> dict[str, Any]:
    return {"id": 7, "external_id": "acme:msg_1", "priority": "urgent", "tags": ["called_back", "escalated"]} | changes


def answer(status: int = 202, seconds: float = 0.1, **body: Any) -> Answer:
    return Answer(status, body, seconds)


def note(author: int = 1, body: str = "Escalated from urgent.", *, public: bool = False) -> dict[str, Any]:
    return {"author_id": author, "events": [{"type": "Comment", "body": body, "public": public}]}


@pytest.mark.parametrize(
    "claim",
    [
        claims.answered_in_time([answer(), answer()]),
        claims.one_ticket_each([EVENT], [ticket()]),
        claims.rows_name_their_tickets([EVENT], {EVENT.pk: ROW}, [ticket()]),
        claims.all_answered_alike([answer(state="created", ticket_id=7)], 7),
        claims.refused([answer(401, error="wrong_signature")], ["wrong_signature"]),
        claims.nothing_kept([EVENT], {}, []),
        claims.no_calls(0, "at all"),
        claims.all_failed([1, 2]),
        claims.looked_for([EVENT], ["external_id=acme:msg_1"]),
        claims.left_alone([9.9, 10.0, 13.0], [10.0], 3),
        claims.agents_change_survived(ticket(), "urgent", "called_back"),
        claims.escalated_once(ticket(), [note()], 1, "urgent"),
        claims.collided([409, 200, 409]),
        claims.loop_was_cut([200]),
        claims.all_told({EVENT.pk: ROW, "ticket#acme#msg_2": {"due_at": 1}}, [OUTCOME, OUTCOME]),
        claims.one_ticket_for_all([EVENT, LATER], {EVENT.pk: ROW, LATER.pk: JOINED}, [ticket()]),
        claims.solved_and_reopened(["new", "new", "solved", "open"]),
        claims.each_said_once(["a-1-firing", "a-2-resolved"], [note(body="(a-1-firing)"), note(body="Resolved at 2.")]),
        claims.nothing_waits({EVENT.pk: ROW}),
        claims.no_ticket_too_many([EVENT], [ticket()]),
    ],
)
def test_a_claim_is_true_where_the_evidence_is_there(claim: Claim) -> None:
    assert claim.true


@pytest.mark.parametrize(
    "claim",
    [
        claims.answered_in_time([]),
        claims.answered_in_time([answer(), answer(503)]),
        claims.answered_in_time([answer(seconds=5.1)]),
        claims.one_ticket_each([], []),
        claims.one_ticket_each([EVENT], []),
        claims.one_ticket_each([EVENT], [ticket(), ticket(id=8)]),
        claims.rows_name_their_tickets([EVENT], {}, [ticket()]),
        claims.rows_name_their_tickets([EVENT], {EVENT.pk: {"state": "submitted", "ticket_id": 7}}, [ticket()]),
        claims.rows_name_their_tickets([EVENT], {EVENT.pk: ROW}, [ticket(id=8)]),
        claims.rows_name_their_tickets([EVENT], {EVENT.pk: {"state": "created"}}, []),
        claims.all_answered_alike([], 7),
        claims.all_answered_alike([answer(state="created", ticket_id=8)], 7),
        claims.all_answered_alike([answer(state="submitted", ticket_id=7)], 7),
        claims.refused([answer(202)], ["wrong_signature"]),
        claims.refused([answer(401, error="missing_header")], ["wrong_signature"]),
        claims.refused([], []),
        claims.nothing_kept([EVENT], {EVENT.pk: ROW}, []),
        claims.nothing_kept([EVENT], {}, [ticket()]),
        claims.no_calls(1, "at all"),
        claims.all_failed([1, 0]),
        claims.all_failed([]),
        claims.looked_for([EVENT], ["external_id=acme:msg_2"]),
        claims.left_alone([10.0, 12.9], [10.0], 3),
        claims.left_alone([10.0], [], 3),
        claims.agents_change_survived(ticket(priority="high"), "urgent", "called_back"),
        claims.agents_change_survived(ticket(tags=["escalated"]), "urgent", "called_back"),
        claims.escalated_once(ticket(tags=["called_back"]), [note()], 1, "urgent"),
        claims.escalated_once(ticket(), [note(), note()], 1, "urgent"),
        claims.escalated_once(ticket(), [note(author=2)], 1, "urgent"),
        claims.escalated_once(ticket(), [note(body="Escalated from high.")], 1, "urgent"),
        claims.collided([200]),
        claims.collided([409]),
        claims.collided([409, 200, 200]),
        claims.loop_was_cut([]),
        claims.loop_was_cut([202]),
        claims.all_told({}, []),
        claims.all_told({EVENT.pk: ROW}, []),
        claims.all_told({EVENT.pk: ROW}, [OUTCOME, OUTCOME | {"id": "ticket#acme#msg_2"}]),
        claims.all_told({EVENT.pk: ROW}, [OUTCOME | {"type": "ticket.failed"}]),
        claims.all_told({EVENT.pk: ROW}, [OUTCOME | {"ticket_id": "8"}]),
        claims.all_told({EVENT.pk: ROW | {"due_at": 1}}, [OUTCOME]),
        claims.one_ticket_for_all([EVENT, LATER], {EVENT.pk: ROW}, [ticket()]),
        claims.one_ticket_for_all([EVENT, LATER], {EVENT.pk: ROW, LATER.pk: JOINED | {"ticket_id": 8}}, [ticket()]),
        claims.one_ticket_for_all([EVENT, LATER], {EVENT.pk: ROW, LATER.pk: JOINED}, [ticket(), ticket(id=8)]),
        claims.one_ticket_for_all([EVENT, LATER], {EVENT.pk: ROW, LATER.pk: ROW}, [ticket()]),
        claims.solved_and_reopened(["new", "open", "open"]),
        claims.solved_and_reopened([]),
        claims.each_said_once(["a-1-firing"], []),
        claims.each_said_once([], []),
        claims.each_said_once(["a-1-firing"], [note(body="(a-1-firing)"), note(body="(a-1-firing)")]),
        claims.each_said_once(["a-1-firing", "a-2-resolved"], [note(body="Resolved at 2."), note(body="(a-1-firing)")]),
        claims.nothing_waits({}),
        claims.nothing_waits({EVENT.pk: ROW | {"due_at": 1}}),
        claims.no_ticket_too_many([EVENT], [ticket(), ticket()]),
    ],
)
def test_a_claim_is_false_where_the_evidence_is_not_there(claim: Claim) -> None:
    assert not claim.true


TRUE, FALSE = Claim("it rains", true=True, seen="drops"), Claim("it snows", true=False, seen="no flake")


@pytest.mark.parametrize(
    ("made", "true"),
    [
        ({"1": [TRUE], "2": [TRUE, TRUE]}, True),
        ({"1": [TRUE], "2": [TRUE, FALSE]}, False),
        ({"1": [TRUE], "2": []}, False),
        ({}, False),
    ],
)
def test_the_demo_has_succeeded_if_every_scene_claims_something_and_all_of_it_is_true(
    made: dict[str, list[Claim]], true: bool
) -> None:
    assert judged(made, Screen()) is true


def test_a_false_claim_is_named_with_what_was_seen(capsys: pytest.CaptureFixture[str]) -> None:
    judged({"weather": [TRUE, FALSE]}, Screen())
    assert "  FALSE it snows (no flake)\n" in capsys.readouterr().out


def test_a_pipe_is_told_of_changes_only_and_without_control_characters(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with Screen().board() as show:
        show([Line("acme 1"), Line("acme 2")])
        show([Line("acme 1", "202 submitted"), Line("acme 2")])
        show([Line("acme 1", "202 submitted"), Line("acme 2")])
    assert capsys.readouterr().out == "  acme 1 | 202 submitted\n"


def test_the_demos_partner_signs_as_the_relays_own_signer_does() -> None:
    theirs = signed(SECRET, "msg_1", b"{}", 1_795_300_000)
    assert (
        theirs.items()
        >= sign(PRESETS["standard-webhooks"], id="msg_1", timestamp=1_795_300_000, body=b"{}", secret=SECRET).items()
    )


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_the_commands_that_a_person_is_told_send_an_event(local_stack: LocalStack) -> None:
    commands = [line for line in how_to_use(local_stack.ready, None).splitlines() if line.startswith("  ")]
    assert commands.pop().startswith("  .venv/bin/relay console ")  # it goes on until it is ended; see test_console.py
    done = subprocess.run(
        ["/bin/sh", "-ec", "\n".join(commands)], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert b"status\t202\nstate\tcreated\n" in done.stdout
    assert b'{"tickets": ' in done.stdout


def test_the_demo_claims_nothing_that_is_not_true() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local.demo"], cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All of it is true." in done.stdout
    assert "\x1b" not in done.stdout
