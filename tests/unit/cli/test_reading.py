import json
import time

import pytest

from cli.reading import FIELDS
from tests.builders import CANARY, NOW, ticket_row
from ticket_relay.errors import MappingFailed
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.storage.events import Kept
from ticket_relay.storage.parts import Upload
from ticket_relay.storage.rows import TicketRow, TicketState, UpdateRow, update_pk

REQUEST = json.dumps({"ticket": {"subject": CANARY}}).encode()
ISO_NOW = "2026-11-21T22:26:40.000Z"


@pytest.fixture
def claimed(store):
    def claim(row):
        assert store.claim(row) is None
        return row

    return claim


@pytest.fixture
def moved(claimed, store):
    """A row that went through these steps, a minute each."""

    def move(row, *steps):
        claimed(row)
        for number, step in enumerate(steps, 1):
            new = step(row, NOW + 60 * number)
            store.move(row, new)
            row = new
        return row

    return move


def failed(row, now):
    return ticket_states.failed(row, "RecordInvalid", "Requester: is suspended.", now)


def an_update(now=NOW, invocation="inv_1"):
    event = json.dumps({"about": CANARY}).encode()
    return update_states.claimed(update_pk(35, invocation), 35, invocation, event, now, closed_until=None)


def unmapped(event_id="evt_1", now=NOW):
    return ticket_states.unmapped(
        "acme", event_id, Kept(event=REQUEST), MappingFailed("no_title", "There is no title."), now
    )


def test_the_status_is_one_line_below_its_headings(run, moved):
    moved(ticket_row(), failed)
    headings, line = run("status", "acme", "evt_1").stdout.splitlines()
    assert headings.split("\t") == ["state", "ticket_id", "since", "due_at", "error"]
    assert line.split("\t") == ["failed", "-", "2026-11-21T22:27:40.000Z", "-", "Requester: is suspended."]


def test_a_row_is_named_by_its_key_as_well(run, claimed):
    row = claimed(an_update())
    assert "accepted\t35\t" in run("status", row.pk).stdout


def test_the_status_in_json_is_the_row_without_its_history(answer, claimed):
    claimed(ticket_row(due_at=NOW + 0.25))
    status = answer("status", "acme", "evt_1")
    assert status == answer("status", "acme", "evt_1") | {
        "pk": "ticket#acme#evt_1",
        "kind": "ticket",
        "state": "accepted",
        "ticket_id": None,
        "due_at": "2026-11-21T22:26:40.250Z",
        "created_at": ISO_NOW,
    }
    assert "history" not in status


@pytest.mark.parametrize("row", [ticket_row(), unmapped(), ticket_row(ticket_id=7, job_id="j", error_code="e")])
def test_the_keys_of_a_kind_are_always_the_same(answer, claimed, row):
    claimed(row)
    assert list(answer("show", "acme", "evt_1")) == [
        *("pk", "kind", "state", "since", "partner", "event_id", "job_id", "submitted_at", "failures"),
        *("candidate_jobs", "correlation", "leads", "joined_to"),
        *("ticket_id", "created_at", "updated_at", "due_at", "sent_at", "redriven_at", "expires_at"),
        *("version", "attempt", "retries", "files", "uploads", "error_code", "error_sentence", "history"),
    ]


def test_an_update_has_keys_of_its_own(answer, claimed):
    row = claimed(an_update())
    assert list(answer("show", row.pk)) == [
        *("pk", "kind", "state", "since", "invocation_id", "base", "job_id", "submitted_at", "conflicts"),
        "of_event",
        *("ticket_id", "created_at", "updated_at", "due_at", "sent_at", "redriven_at", "expires_at"),
        *("version", "attempt", "retries", "files", "uploads", "error_code", "error_sentence", "history"),
    ]


@pytest.mark.parametrize(("kind", "row"), [("ticket", TicketRow), ("update", UpdateRow)])
def test_what_is_read_of_a_row_is_what_a_row_has(kind, row):
    assert set(FIELDS[kind]) <= set(row.model_fields)


def test_the_history_says_when_and_why(answer, moved):
    moved(ticket_row(), failed)
    assert answer("show", "acme", "evt_1")["history"][-1] == {
        "at": "2026-11-21T22:27:40.000Z",
        "state": "failed",
        "attempt": 1,
        "reason": "RecordInvalid",
    }


def test_a_row_is_in_its_state_since_it_came_into_it_and_not_since_it_was_last_touched(answer, moved):
    def job_forgotten(row, now):
        return row.moved(now, error_code="job_forgotten")

    moved(
        ticket_row(),
        lambda row, now: row.moved(now, error_code="zendesk_500"),
        job_forgotten,
        lambda row, now: row.moved(now),
    )
    assert answer("status", "acme", "evt_1")["since"] == "2026-11-21T22:27:40.000Z"


def test_an_event_that_joined_another_ones_ticket_says_so(run, answer, claimed):
    disk = {"correlation": "correlation#acme#disk"}
    claimed(ticket_row(ticket_id=7, leads=True, state="created", due_at=None, **disk))
    claimed(
        ticket_row(
            "evt_2", state="joined", due_at=None, ticket_id=7, joined_to="ticket#acme#evt_1", changes=b"{}", **disk
        )
    )
    claimed(ticket_row("evt_3"))
    assert "joined\t7\t" in run("status", "acme", "evt_2").stdout
    row = answer("show", "acme", "evt_2")
    assert (row["joined_to"], row["correlation"]) == ("ticket#acme#evt_1", "correlation#acme#disk")
    about_it = answer("list", "--correlation", row["correlation"])["rows"]
    assert [row["state"] for row in about_it] == ["created", "joined"]
    assert [row["state"] for row in answer("list", "--state", "joined")["rows"]] == ["joined"]
    assert "changes:\n{}" in run("show", "acme", "evt_2", "--payload").stdout


@pytest.mark.parametrize("words", [["show", "acme", "evt_1"], ["status", "acme", "evt_1"], ["list"], ["stats"]])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_payload_is_never_printed_unasked(run, claimed, words, form):
    claimed(unmapped())
    claimed(ticket_row("evt_2", request=REQUEST))
    claimed(an_update().model_copy(update={"rest": REQUEST}))
    result = run(*words, *form)
    assert result.exit_code == 0
    assert CANARY not in result.output


@pytest.mark.parametrize(
    ("row", "name"), [(unmapped(), "event"), (ticket_row(request=REQUEST), "request"), (an_update(), "event")]
)
def test_a_payload_is_printed_when_it_is_asked_for(run, answer, claimed, row, name):
    claimed(row)
    assert CANARY in answer("show", row.pk, "--payload")[name]
    assert CANARY in run("show", row.pk, "--payload").stdout


def test_help_warns_of_payloads(run):
    assert "WARNING: they hold customers' data" in " ".join(run("show", "--help").stdout.split())


def test_the_list_holds_what_is_in_a_state_first_come_first(answer, claimed):
    for minutes in (3, 1, 2):
        claimed(unmapped(f"evt_{minutes}", NOW + 60 * minutes))
    claimed(ticket_row("evt_4"))
    found = answer("list", "--state", "unmapped")
    assert [row["event_id"] for row in found["rows"]] == ["evt_1", "evt_2", "evt_3"]


def test_several_states_may_be_listed(answer, claimed):
    claimed(unmapped())
    claimed(ticket_row("evt_2"))
    claimed(an_update())
    assert len(answer("list", "--state", "unmapped", "--state", "accepted")["rows"]) == 3


def test_the_list_may_be_of_one_kind_only(answer, claimed):
    claimed(ticket_row())
    row = claimed(an_update())
    assert [found["pk"] for found in answer("list", "--kind", "update")["rows"]] == [row.pk]


def test_the_list_may_be_of_one_partner_only(answer, claimed):
    claimed(ticket_row())
    claimed(ticket_row(pk="ticket#globex#evt_1", partner="globex"))
    claimed(an_update())
    assert [row["partner"] for row in answer("list", "--partner", "globex")["rows"]] == ["globex"]


def test_the_list_may_be_of_old_rows_only(answer, claimed):
    now = time.time()
    claimed(ticket_row("old", now=now - 1000))
    claimed(ticket_row("young", now=now - 800))
    assert [row["event_id"] for row in answer("list", "--older-than", "15m")["rows"]] == ["old"]


def test_a_limited_list_says_how_many_more_there_are(run, answer, claimed):
    for number in range(3):
        claimed(ticket_row(f"evt_{number}", now=NOW + number))
    assert "1 more came later" in run("list", "--limit", "2").stderr
    found = answer("list", "--limit", "2")
    assert found["matched"] == 3
    assert [row["event_id"] for row in found["rows"]] == ["evt_0", "evt_1"]


def test_a_table_of_several_pages_is_read_to_its_end(answer, claimed):
    # DynamoDB ends a page of a scan at 1 MB, before it filters.
    for number in range(5):
        claimed(ticket_row(f"evt_{number}", request=bytes(300_000)))
    assert answer("list")["matched"] == 5
    assert answer("stats")["rows"] == [{"kind": "ticket", "partner": "acme", "state": "accepted", "count": 5}]


def test_an_empty_table_is_an_empty_list(answer, dynamo):
    assert answer("list") == {"matched": 0, "rows": []}


@pytest.mark.parametrize("duration", ["15", "m", "15 m", "-15m", "1.5h", "15w", "\u0663m"])
def test_a_duration_of_another_form_is_wrong_usage(run, duration):
    result = run("list", "--older-than", duration)
    assert result.exit_code == 2
    assert "is not a duration" in result.stderr


def test_the_stats_count_by_kind_partner_and_state(answer, claimed, table):
    claimed(ticket_row())
    claimed(ticket_row("evt_2"))
    claimed(unmapped("evt_3"))
    claimed(ticket_row(pk="ticket#globex#evt_1", partner="globex"))
    claimed(an_update())
    table.put({"pk": "seen#x", "row": "ticket#acme#evt_1", "expires_at": 1}, only_if="attribute_not_exists(pk)")
    assert answer("stats")["rows"] == [
        {"kind": "ticket", "partner": "acme", "state": "accepted", "count": 2},
        {"kind": "ticket", "partner": "acme", "state": "unmapped", "count": 1},
        {"kind": "ticket", "partner": "globex", "state": "accepted", "count": 1},
        {"kind": "update", "partner": None, "state": "accepted", "count": 1},
    ]


def test_the_stats_name_the_oldest_unfinished_row(answer, claimed, moved):
    moved(ticket_row("evt_1"), failed)
    claimed(ticket_row("evt_2", now=NOW + 2))
    claimed(ticket_row("evt_3", now=NOW + 1))
    assert answer("stats")["oldest_unfinished"] == {
        "pk": "ticket#acme#evt_3",
        "state": "accepted",
        "created_at": "2026-11-21T22:26:41.000Z",
    }


@pytest.mark.parametrize(("seconds", "state"), [(60, "closed"), (-1, "probe_due")])
def test_the_stats_show_the_gate(answer, table, seconds, state):
    until = time.time() + seconds
    table.put({"pk": "gate", "closed_until": until}, only_if="attribute_not_exists(pk)")
    gate = answer("stats")["gate"]
    assert gate["state"] == state
    assert gate["closed_until"].endswith("Z")


def test_without_rows_a_gate_or_a_token_the_stats_say_so(answer, dynamo):
    assert answer("stats") == {
        "table": "relay",
        "rows": [],
        "oldest_unfinished": None,
        "gate": {"state": "open", "closed_until": None},
        "token": None,
    }


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_stats_show_the_tokens_times_and_never_its_value(run, table, form):
    token = {"pk": "token", "access_token": "s3cret", "renew_at": NOW + 80, "valid_until": NOW + 100}
    table.put(token, only_if="attribute_not_exists(pk)")
    result = run("stats", *form)
    assert ISO_NOW in result.stdout
    assert "s3cret" not in result.output


@pytest.mark.parametrize("command", ["status", "show", "redrive"])
@pytest.mark.parametrize("key", ["token", "gate", "seen#x", "evt_1"])
def test_only_rows_can_be_named(run, table, command, key):
    table.put({"pk": "token", "access_token": "s3cret"}, only_if="attribute_not_exists(pk)")
    result = run(command, key)
    assert result.exit_code == 2
    assert "s3cret" not in result.output


@pytest.mark.parametrize("command", ["status", "show"])
def test_a_row_that_is_not_there_is_an_error(run, command):
    result = run(command, "acme", "evt_1")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: There is no row ticket#acme#evt_1.\n"


def test_a_row_without_a_history_is_shown_all_the_same(answer, claimed):
    claimed(ticket_row(history=(), state=TicketState.FAILED, due_at=None))
    row = answer("show", "acme", "evt_1")
    assert (row["history"], row["since"]) == ([], ISO_NOW)


@pytest.mark.parametrize("words", [["show", "acme", "evt_1"], ["status", "acme", "evt_1"], ["list"], ["stats"]])
def test_an_item_that_is_hardly_a_row_is_shown_all_the_same(run, table, words):
    table.put({"pk": "ticket#acme#evt_1"}, only_if="attribute_not_exists(pk)")
    result = run(*words)
    assert (result.exit_code, result.stderr) == (0, "")


def test_of_files_it_is_shown_what_became_of_each_but_no_token(run, answer, claimed):
    uploads = (Upload(token=CANARY, expires_at=NOW + 3600), Upload(reason="http_404", sentence="No."), Upload(tries=1))
    claimed(ticket_row(files=4, uploads=uploads))
    shown = answer("show", "acme", "evt_1")
    assert (shown["files"], shown["uploads"]) == (4, ["uploaded", "http_404", "tried"])
    assert CANARY not in json.dumps(shown)
    assert CANARY not in run("show", "acme", "evt_1").stdout
