"""Whatever goes wrong between an event and its ticket: one ticket, or a row that says why there is none.

Each fault is tried in both worlds: whether Zendesk honours an idempotency key together with `async=true` is published
nowhere.
"""

import socket
import threading
import time
from contextlib import contextmanager
from typing import Any

import pytest

from local.zendesk_simulator import Fault, JobPlan
from tests.builders import acme_event
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.states.ticket import KEY_LIFE, MAX_FAILURES
from ticket_relay.storage.rows import DAY, TicketState
from ticket_relay.zendesk.errors import NotSent, OutcomeUnknown
from ticket_relay.zendesk.transport import Timeouts, Transport

LATE = 0.8
"""Seconds, real ones: longer than the read time-out of the tests' relay."""

CREATE = {"method": "POST", "path": "/api/v2/tickets"}
LOOK = {"method": "GET", "path": "/api/v2/tickets"}
ASK = {"method": "GET", "path": "/api/v2/job_statuses/show_many"}

FAULTS: dict[str, dict[str, Any]] = {
    "time-out without effect": {"kind": "drop", "delay": LATE},
    "time-out with effect": {"kind": "delay", "delay": LATE},
    "reset without effect": {"kind": "drop"},
    "reset after effect": {"kind": "drop", "effect": "before"},
    "429 with text": {"kind": "status", "status": 429, "headers": {"Retry-After": "7"}},
    "429 that names no time": {"kind": "status", "status": 429},
    "500": {"kind": "status", "status": 500},
    "500 after effect": {"kind": "status", "status": 500, "effect": "before"},
    "503": {"kind": "status", "status": 503},
    "503 after effect": {"kind": "status", "status": 503, "effect": "before", "headers": {"Retry-After": "7"}},
    "409 while another is under way": {"kind": "status", "status": 409, "effect": "before"},
    "error page": {"kind": "html"},
    "error page that says 200": {"kind": "html", "status": 200, "effect": "before"},
    "malformed JSON": {"kind": "malformed"},
    "401": {"kind": "status", "status": 401},
}


@pytest.fixture(params=[True, False], ids=["key honoured", "key ignored"])
def _both_worlds(request, zendesk):
    zendesk.account.settings.key_with_async = request.param


@pytest.fixture
def looked_before_every_repetition(zendesk):
    """Asserts that no request that may have had its effect was sent again without a look."""

    def check():
        in_doubt = looked = False
        for entry in zendesk.account.journal.calls(path=CREATE["path"]):
            if entry.method == "GET":
                looked = looked or entry.status == 200
                continue
            assert looked or not in_doubt
            in_doubt, looked = in_doubt or entry.status not in {401, 429}, False

    return check


@pytest.mark.usefixtures("_both_worlds")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_creation_leaves_one_ticket(
    services, zendesk, deliver, drive, tickets, stored, looked_before_every_repetition, fault
):
    zendesk.account.faults.add(Fault(**fault, **CREATE, times=1 if fault.get("delay") else 3))
    assert deliver(services).state in {"accepted", "submitted"}
    while not zendesk.account.journal.calls(**CREATE):  # It notes a delayed call when it is over.
        time.sleep(0.02)
    drive(services)
    assert [ticket["id"] for ticket in tickets()] == [stored().ticket_id]
    assert stored().state == TicketState.CREATED
    looked_before_every_repetition()


@pytest.mark.usefixtures("_both_worlds")
@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_look_leaves_one_ticket(
    services, zendesk, deliver, drive, tickets, stored, looked_before_every_repetition, fault
):
    zendesk.account.faults.add(Fault("drop", effect="before", **CREATE))
    zendesk.account.faults.add(Fault(**fault, **LOOK, times=1 if fault.get("delay") else 3))
    deliver(services)
    drive(services)
    assert [ticket["id"] for ticket in tickets()] == [stored().ticket_id]
    assert stored().state == TicketState.CREATED
    looked_before_every_repetition()


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_question_after_the_job_leaves_one_ticket(
    services, zendesk, deliver, drive, tickets, stored, fault
):
    zendesk.account.faults.add(Fault(**fault, **ASK, times=1 if fault.get("delay") else 3))
    deliver(services)
    drive(services)
    assert [ticket["id"] for ticket in tickets()] == [stored().ticket_id]
    assert (stored().state, stored().attempt) == (TicketState.CREATED, 1)


JOBS: dict[str, dict[str, Any]] = {
    "failed for a passing reason": {"outcome": "failed", "error": "DatabaseTimeout", "details": "Try again"},
    "failed without a word": {"outcome": "failed_without_results"},
    "failed although the ticket is there": {"outcome": "failed", "effect": True},
    "killed": {"outcome": "killed"},
    "killed although the ticket is there": {"outcome": "killed", "effect": True},
    "forgotten at once": {"outcome": "forgotten"},
    "forgotten without a ticket": {"outcome": "forgotten", "effect": False},
    "completed with a failed row": {"outcome": "failed_row", "error": "DatabaseTimeout", "details": "Try again"},
    "completed with null": {"outcome": "results_null"},
    "completed with null and no ticket": {"outcome": "results_null", "effect": False},
    "completed with an object": {"outcome": "results_object"},
    "completed without our row": {"outcome": "row_missing"},
    "unknown while young": {"hidden_seconds": 9},
    "unknown for a minute": {"hidden_seconds": 70},
    "queued for hours": {"queued_seconds": 3 * 3600},
}


@pytest.mark.usefixtures("_both_worlds")
@pytest.mark.parametrize("plan", JOBS.values(), ids=JOBS)
def test_whatever_becomes_of_the_job_there_is_one_ticket(
    services, zendesk, clock, deliver, drive, tickets, stored, looked_before_every_repetition, plan
):
    zendesk.account.jobs.plans.append(JobPlan(**plan))
    deliver(services)
    drive(services, minutes=8)
    if stored().state != TicketState.CREATED:
        assert stored().state == TicketState.SUBMITTED
        clock.advance(3 * 3600)
        drive(services)
    assert [ticket["id"] for ticket in tickets()] == [stored().ticket_id]
    assert stored().state == TicketState.CREATED
    looked_before_every_repetition()


@pytest.mark.parametrize("outcome", ["failed", "failed_row"])
def test_a_job_that_blames_the_ticket_is_the_end_of_it(services, zendesk, deliver, drive, tickets, stored, outcome):
    zendesk.account.jobs.plans.append(JobPlan(outcome))
    deliver(services)
    drive(services)
    assert (stored().state, stored().error_code) == (TicketState.FAILED, "TicketCreateFailed")
    assert stored().error_sentence == "Description: cannot be blank"
    assert tickets() == []


def test_jobs_that_always_fail_are_given_up_in_the_end(services, zendesk, clock, deliver, run_poller, tickets, stored):
    zendesk.account.jobs.plans.append(JobPlan("killed", times=None))
    deliver(services)
    for _ in range(40):
        run_poller(services)
        clock.advance(1800)
    assert (stored().state, stored().error_code) == (TicketState.FAILED, "job_killed")
    assert len(list(zendesk.account.jobs)) == stored().attempt == MAX_FAILURES
    assert tickets() == []


@pytest.mark.usefixtures("_both_worlds")
@pytest.mark.parametrize("fault", ["reset after effect", "500 after effect", "malformed JSON", "time-out with effect"])
def test_an_answer_that_is_lost_while_the_queue_is_long_leaves_one_ticket(
    services, zendesk, deliver, drive, tickets, stored, fault
):
    zendesk.account.settings.job_queued_seconds = 150
    zendesk.account.faults.add(Fault(**FAULTS[fault], **CREATE))
    deliver(services)
    deliver(services, "evt_2")
    drive(services, minutes=20)
    assert [ticket["id"] for ticket in tickets()] == [stored().ticket_id]
    assert len(tickets("evt_2")) == 1


def test_a_job_that_never_finishes_is_known_as_failed_after_three_days(
    services, zendesk, clock, deliver, run_poller, stored
):
    zendesk.account.settings.job_retention_seconds = 30 * DAY
    zendesk.account.jobs.plans.append(JobPlan("never_finishes"))
    deliver(services)
    for _ in range(10):
        run_poller(services)
        clock.advance(DAY / 3)
    assert (stored().state, stored().error_code) == (TicketState.FAILED, "job_stuck")


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, '{"error":"InvalidRequest","description":"Bad"}', "InvalidRequest"),
        (403, '{"error":{"title":"Forbidden","message":"No access"}}', "Forbidden"),
        (404, '{"error":"InvalidEndpoint","description":"Not found"}', "InvalidEndpoint"),
        (413, "<html>Too large</html>", "zendesk_413"),
        (422, '{"error":"RecordInvalid","description":"Requester is suspended"}', "RecordInvalid"),
    ],
)
def test_a_final_no_fails_the_row_with_zendesks_reason(services, zendesk, deliver, drive, stored, status, body, code):
    zendesk.account.faults.add(Fault("status", status=status, body=body, **CREATE))
    assert deliver(services).state == "failed"
    drive(services)
    assert (stored().state, stored().error_code) == (TicketState.FAILED, code)
    assert len(zendesk.account.journal.calls(**CREATE)) == 1


def suspended(zendesk, email="reporter@example.com"):
    users = zendesk.account.users
    users.suspended.add(users.add("Rae Porter", email, "end-user").id)
    return acme_event() | {"reporter": {"name": "Rae Porter", "email": email}}


@pytest.mark.usefixtures("_both_worlds")
def test_an_event_of_a_suspended_user_fails_visibly_and_is_not_sent_again(
    services, zendesk, deliver, drive, tickets, stored, capsys
):
    deliver(services, content=suspended(zendesk))
    drive(services)
    assert (stored().state, stored().error_code) == (TicketState.FAILED, "TicketCreateFailed")
    assert "is suspended" in stored().error_sentence
    assert not tickets()
    assert len(zendesk.account.journal.calls(**CREATE)) == 1
    assert "Rae Porter" not in capsys.readouterr().out


def test_in_a_batch_only_the_suspended_users_event_fails(services, zendesk, clock, deliver, drive, tickets, stored):
    services.gate.close(clock() + 5)
    deliver(services, "evt_suspended", suspended(zendesk))
    for number in range(10):
        deliver(services, f"evt_{number}")
    clock.advance(6)
    drive(services)
    assert stored("evt_suspended").state == TicketState.FAILED
    assert all(len(tickets(f"evt_{number}")) == 1 for number in range(10))


@pytest.mark.usefixtures("_both_worlds")
def test_an_outage_is_survived_and_zendesk_is_not_hammered(services, zendesk, clock, deliver, drive, tickets, stored):
    outage = Fault("status", status=500, path="/api/*", times=None)
    zendesk.account.faults.add(outage)
    deliver(services)
    drive(services, minutes=20)
    assert stored().state == TicketState.ACCEPTED
    assert len(zendesk.account.journal.calls(path="/api/*")) < 20
    zendesk.account.faults.clear()
    drive(services)
    assert len(tickets()) == 1
    assert stored().state == TicketState.CREATED


@pytest.mark.usefixtures("_both_worlds")
def test_a_key_that_zendesk_has_forgotten_is_not_used_again(services, zendesk, clock, deliver, drive, tickets, stored):
    zendesk.account.faults.add(Fault("drop", **CREATE))
    deliver(services)
    clock.advance(KEY_LIFE + 60)
    drive(services)
    assert len(tickets()) == 1
    assert stored().attempt == 2
    keys = [entry.idempotency_key for entry in zendesk.account.journal.calls(**CREATE)]
    assert len(set(keys)) == len(keys) == 2


def test_a_429_keeps_everybody_away_until_its_time_is_over(services, zendesk, clock, deliver, drive, tickets):
    zendesk.account.faults.add(Fault("status", status=429, headers={"Retry-After": "40"}, **CREATE))
    start = clock()
    for number in range(5):
        assert deliver(services, f"evt_{number}").state == "accepted"
    assert len(zendesk.account.journal.calls(**CREATE)) == 1
    drive(services)
    later = zendesk.account.journal.calls(path="/api/*")[1:]
    assert all(entry.at >= start + 40 for entry in later)
    assert all(len(tickets(f"evt_{number}")) == 1 for number in range(5))


def test_many_events_in_bad_times_become_one_ticket_each(services, zendesk, clock, deliver, drive, tickets, stored):
    zendesk.account.settings.job_working_seconds = 5
    for fault in ("reset after effect", "500", "malformed JSON", "429 with text", "500 after effect"):
        zendesk.account.faults.add(Fault(**FAULTS[fault], path="/api/*", times=4, rate=0.5))
    events = [f"evt_{number}" for number in range(8)]
    for event_id in events:
        deliver(services, event_id)
        clock.advance(3)
    drive(services, minutes=30)
    assert {stored(event_id).state for event_id in events} == {TicketState.CREATED}
    assert [len(tickets(event_id)) for event_id in events] == [1] * len(events)


@contextmanager
def server(answer):
    """A server of one connection at a time, that is not Zendesk: `answer` gets the connection."""

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                try:
                    answer(connection)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(timeout=5)


def ask(url, seconds=1.0, read=0.5):
    transport = Transport(url, Timeouts(connect=0.5, read=read))
    return transport.call("POST", "/api/v2/tickets", auth=None, permit=Permit(Deadline.after(seconds)), body=b"{}")


def drip(head):
    def answer(connection):
        connection.sendall(head)
        for _ in range(100):
            connection.sendall(b" ")
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 5000\r\n\r\n",
    ],
)
def test_an_answer_that_comes_byte_by_byte_ends_at_the_deadline(head):
    start = time.monotonic()
    with server(drip(head)) as url, pytest.raises(OutcomeUnknown):
        ask(url)
    assert time.monotonic() - start < 1.6


def test_an_answer_that_stops_in_its_middle_ends_at_the_deadline():
    def answer(connection):
        time.sleep(0.4)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{")
        time.sleep(1.5)

    start = time.monotonic()
    with server(answer) as url:
        with pytest.raises(OutcomeUnknown):
            ask(url, seconds=1, read=2)
        assert time.monotonic() - start < 1.3


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 7\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 abc\r\n\r\n",
    ],
)
def test_what_is_no_answer_leaves_the_outcome_unknown(nonsense):
    with server(lambda connection: connection.sendall(nonsense)) as url, pytest.raises(OutcomeUnknown):
        ask(url)


def test_a_closed_port_was_certainly_not_reached():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NotSent):
        ask(f"http://127.0.0.1:{port}")


def test_a_redirect_takes_no_credentials_to_another_host():
    reached = []

    class Bearer:
        def header(self, _by):
            return "Bearer secret"

        def renewable(self, _refused):
            return False

    with server(reached.append) as elsewhere:
        redirect = f"HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n".encode()
        with server(lambda connection: connection.sendall(redirect)) as url:
            transport = Transport(url, Timeouts(0.5, 0.5))
            with pytest.raises(NotSent):
                transport.call("GET", "/api/v2/users/me", auth=Bearer(), permit=Permit(Deadline.after(2)))
    assert reached == []
