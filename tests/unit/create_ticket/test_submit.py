import json

import pytest

from tests.builders import NOW, settings, ticket_row
from tests.fakes import Clock, FakeZendesk, Killed, MemoryStore, OpenGate
from ticket_relay.create_ticket import submit
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import TicketState
from ticket_relay.zendesk.errors import NotSent, OutcomeUnknown, Rejected, Throttled


@pytest.fixture(autouse=True)
def _powertools(lambda_environment):
    pass


@pytest.fixture
def zendesk():
    return FakeZendesk()


@pytest.fixture
def services(zendesk):
    clock = Clock()
    clock.time = NOW
    return Services(settings(), None, MemoryStore(), OpenGate(), zendesk, None, None, now=clock, sleep=clock.advance)


@pytest.fixture
def resume(services):
    def resume(**changes):
        row = ticket_row(**changes)
        services.store.claim(row)
        return submit.resume(services, row, Deadline.after(5))

    return resume


def test_a_row_that_was_never_sent_is_sent_at_once(resume, zendesk):
    assert resume().state == TicketState.SUBMITTED
    assert zendesk.calls == ["create_ticket"]


@pytest.mark.parametrize("doubt", [{"sent_at": NOW - 60}, {"attempt": 2}])
def test_a_doubtful_row_is_looked_for_first(resume, zendesk, doubt):
    assert resume(**doubt).state == TicketState.SUBMITTED
    assert zendesk.calls == ["list_jobs", "find_tickets", "create_ticket"]


def test_a_ticket_that_is_found_is_not_sent_again(resume, zendesk):
    zendesk.tickets[7] = "acme:evt_1"
    row = resume(sent_at=NOW - 60)
    assert (row.state, row.ticket_id) == (TicketState.CREATED, 7)
    assert zendesk.calls == ["list_jobs", "find_tickets"]


def test_an_announced_ticket_is_looked_for_by_its_id(resume, zendesk):
    zendesk.tickets[7] = "acme:evt_1"
    assert resume(attempt=2, ticket_id=7).ticket_id == 7
    assert zendesk.calls == ["list_jobs", "show_ticket"]


def test_somebody_elses_ticket_is_not_ours(resume, zendesk):
    zendesk.tickets[7] = "globex:evt_1"
    assert resume(attempt=2, ticket_id=7).ticket_id != 7


def test_of_two_tickets_the_older_is_kept_and_the_other_counted(resume, zendesk, counted):
    zendesk.tickets |= {9: "acme:evt_1", 8: "acme:evt_1"}
    assert resume(sent_at=NOW).ticket_id == 8
    assert counted("TicketDuplicated") == 1


@pytest.mark.parametrize(
    "error",
    [
        Rejected(403, "Forbidden", "No access"),
        OutcomeUnknown("zendesk_500", "Zendesk answered 500."),
        NotSent("zendesk_unreachable", "No connection."),
        Throttled(429, 30),
    ],
)
def test_without_an_answer_to_the_look_nothing_is_sent_and_the_doubt_remains(resume, zendesk, error):
    zendesk.before.append(("find_tickets", error))
    row = resume(sent_at=NOW - 60)
    assert (row.state, row.in_doubt) == (TicketState.ACCEPTED, True)
    assert row.due_at > NOW
    assert "create_ticket" not in zendesk.calls


def test_while_an_unfinished_job_may_make_the_ticket_nothing_is_sent(services, zendesk):
    zendesk.key_honoured = False
    zendesk.next_job.append(("queued", True, None))
    zendesk.after.append(("create_ticket", OutcomeUnknown("zendesk_timeout", "No answer.")))
    row = ticket_row()
    services.store.claim(row)
    for _ in range(4):
        row = submit.resume(services, row, Deadline.after(5))
        services.sleep(60)
    assert (row.state, row.candidate_jobs) == (TicketState.ACCEPTED, ("V3-0",))
    zendesk.queue_moves_on()
    row = submit.resume(services, row, Deadline.after(5))
    assert (row.state, len(zendesk.tickets)) == (TicketState.CREATED, 1)


def test_a_job_that_another_row_waits_for_is_not_suspected(resume, services, zendesk):
    zendesk.next_job.append(("queued", True, None))
    other = ticket_row("evt_2")
    services.store.claim(other)
    submit.resume(services, other, Deadline.after(5))
    assert resume(sent_at=NOW - 60).state == TicketState.SUBMITTED


def test_jobs_that_were_queued_later_do_not_keep_a_row_waiting(services, zendesk):
    zendesk.next_job += [("queued", True, None)] * 2
    zendesk._create("somebody:else")
    row = ticket_row(sent_at=NOW - 60)
    services.store.claim(row)
    row = submit.resume(services, row, Deadline.after(5))
    assert row.candidate_jobs == ("V3-0",)
    zendesk.queue_moves_on()
    zendesk._create("somebody:elses other")
    assert submit.resume(services, row, Deadline.after(5)).state == TicketState.SUBMITTED


def test_what_was_suspected_before_says_nothing_about_a_request_that_was_sent_since(services, zendesk):
    zendesk.key_honoured = False
    zendesk.next_job += [("queued", True, None), ("queued", True, None)]
    zendesk._create("somebody:else")
    row = ticket_row(sent_at=NOW - 60)
    services.store.claim(row)
    row = submit.resume(services, row, Deadline.after(5))
    zendesk.queue_moves_on()
    zendesk.after.append(("create_ticket", Killed()))
    with pytest.raises(Killed):
        submit.resume(services, row, Deadline.after(5))
    row = submit.resume(services, services.store.get(row.pk), Deadline.after(5))
    assert (row.state, row.candidate_jobs) == (TicketState.ACCEPTED, ("V3-1",))


def test_the_row_is_held_before_anything_is_sent(resume, services, zendesk, monkeypatch):
    seen = []
    send = zendesk.create_ticket
    monkeypatch.setattr(
        zendesk, "create_ticket", lambda *given: (seen.append(services.store.get("ticket#acme#evt_1")), send(*given))[1]
    )
    resume()
    assert (seen[0].version, seen[0].due_at > NOW, seen[0].after_lease().in_doubt) == (2, True, True)


FOLLOW_UP = {
    "request": b'{"ticket":{"comment":{"body":"Again"},"external_id":"acme:evt_1","via_followup_source_id":7}}'
}


def test_a_follow_up_is_sent_if_its_source_is_closed(resume, zendesk):
    zendesk.tickets[7] = "some:body"
    zendesk.closed.add(7)
    assert resume(**FOLLOW_UP).state == TicketState.SUBMITTED
    assert zendesk.calls == ["show_ticket", "create_ticket"]


@pytest.mark.parametrize(
    ("tickets", "code"), [({7: "some:body"}, "follow_up_source_open"), ({}, "follow_up_source_missing")]
)
def test_a_follow_up_of_what_is_not_closed_fails_and_is_no_plain_ticket(resume, zendesk, tickets, code):
    zendesk.tickets |= tickets
    row = resume(**FOLLOW_UP)
    assert (row.state, row.error_code) == (TicketState.FAILED, code)
    assert "7" in row.error_sentence
    assert zendesk.calls == ["show_ticket"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Rejected(403, "Forbidden", "No access"), "look_up_refused"),
        (OutcomeUnknown("zendesk_500", "Zendesk answered 500."), "zendesk_500"),
        (NotSent("zendesk_unreachable", "No connection."), "zendesk_unreachable"),
        (Throttled(429, 30), "zendesk_throttled"),
    ],
)
def test_a_follow_up_waits_for_a_look_at_its_source_and_is_not_in_doubt(resume, zendesk, error, code):
    zendesk.before.append(("show_ticket", error))
    row = resume(**FOLLOW_UP)
    assert (row.state, row.error_code, row.in_doubt) == (TicketState.ACCEPTED, code, False)
    assert row.due_at > NOW
    assert "create_ticket" not in zendesk.calls


def test_a_follow_up_in_doubt_is_looked_for_before_its_source(resume, zendesk):
    zendesk.tickets[8] = "acme:evt_1"
    assert resume(sent_at=NOW - 60, **FOLLOW_UP).ticket_id == 8
    assert "show_ticket" not in zendesk.calls


def test_a_redriven_follow_up_is_sent_once_its_source_is_closed(services, zendesk):
    zendesk.tickets[7] = "some:body"
    row = ticket_row(**FOLLOW_UP)
    services.store.claim(row)
    row = submit.resume(services, row, Deadline.after(5))
    zendesk.closed.add(7)
    row = services.store.move(row, ticket_states.redriven(row, NOW))
    assert submit.resume(services, row, Deadline.after(5)).state == TicketState.SUBMITTED


@pytest.mark.parametrize("by_partner", [True, False])
def test_what_zendesk_ignored_of_a_create_is_counted_by_partner_on_demand(zendesk, capsys, by_partner):
    zendesk.drops = True
    asked = settings().model_copy(update={"metrics_by_partner": by_partner})
    services = Services(asked, None, MemoryStore(), OpenGate(), zendesk, None, None)
    row = ticket_row()
    services.store.claim(row)
    submit.resume(services, row, Deadline.after(5))
    counted = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "ZendeskDroppedFields" in line]
    assert [line["partner"] for line in counted] == ["acme"] * by_partner
