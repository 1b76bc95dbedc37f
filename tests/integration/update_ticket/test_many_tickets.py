import json

import pytest

from local.zendesk_simulator import Fault
from tests.fixtures import both_engines
from tests.integration.update_ticket.many_tickets import MANY, note
from ticket_relay.states import update as update_states


@both_engines
def test_the_updates_of_many_tickets_go_out_in_one_job(all_wait, updaters, polled, agent, zendesk):
    all_wait()
    polled()
    assert updaters.served_once()
    assert agent.calls() == [("GET", 200), ("PUT", 200)]
    paths = {entry.path for entry in zendesk.account.journal.calls(path="/api/v2/tickets*")}
    assert paths == {"/api/v2/tickets/show_many", "/api/v2/tickets/update_many"}
    assert {entry.path for entry in zendesk.account.journal.calls(path="/api/v2/job*")} == {
        "/api/v2/job_statuses/show_many"
    }


def test_each_ticket_of_a_job_has_its_own_stamp_and_markers(all_wait, updaters, polled, clock):
    all_wait()
    for number in (3, 7):
        clock.advance(2)
        updaters.edit(number, tags=["theirs"])
    stamps = [updaters.ticket(number)["updated_at"] for number in MANY]
    polled()
    (sent,) = updaters.jobs
    assert [sent[number]["updated_stamp"] for number in MANY] == stamps
    assert [sent[number]["safe_update"] for number in MANY] == [True] * len(MANY)
    assert [sent[number]["metadata"]["ticket_relay"] for number in MANY] == [updaters.row(it).marker for it in MANY]


def test_fewer_tickets_are_updated_one_by_one(all_wait, updaters, polled, webhook, services, clock):
    services.gate.close(clock() + 30)
    for number in list(MANY)[1:]:
        clock.advance(1)
        webhook(f"inv_{number}", ticket_id=str(updaters.ids[number]), changes={"priority": "high"})
    polled()
    assert not updaters.jobs
    assert sorted(updaters.alone) == list(MANY)[1:]


def test_several_updates_of_one_ticket_go_in_one_place_of_the_job(all_wait, webhook, updaters, polled):
    all_wait()
    webhook("more", ticket_id=str(updaters.ids[4]), changes={"tags": {"add": ["one"]}})
    polled()
    assert updaters.served_once()
    assert updaters.row(4, "more").state == "applied"
    (sent,) = updaters.jobs
    assert sent[4]["metadata"]["ticket_relay"] == [updaters.row(4).marker, updaters.row(4, "more").marker]


def test_several_updates_of_one_ticket_are_decided_in_the_order_in_which_they_came(
    all_wait, webhook, updaters, polled, clock
):
    all_wait()
    clock.advance(1)
    for number, ticket_id in enumerate(updaters.ids):
        webhook(f"more_{number}", ticket_id=str(ticket_id), changes={"priority": "low", "tags": {"add": [f"{number}"]}})
    polled()
    polled()
    assert [updaters.ticket(number)["priority"] for number in MANY] == ["low"] * len(MANY)
    assert {updaters.row(number, f"more_{number}").state for number in MANY} == {"applied"}


def test_what_needs_no_request_ends_without_one(all_wait, updaters, polled):
    all_wait({2: {"changes": {"tags": {"add": ["vip_customer"]}}}, 5: {"on_conflict": "skip"}})
    updaters.edit(5, subject="Theirs")
    polled()
    assert (updaters.row(2).state, updaters.row(5).state) == ("applied", "skipped")
    (sent,) = updaters.jobs
    assert sent.keys() == set(MANY) - {2, 5}


def test_a_ticket_changed_within_the_second_of_the_reading_is_read_again_alone(all_wait, updaters, polled, wire):
    def edit(request):
        if "show_many" in request.path_url:
            updaters.edit(6, tags=["theirs"])

    all_wait()
    wire.before = edit
    polled()
    assert updaters.served_once()
    assert updaters.alone == [6]
    assert updaters.jobs[0].keys() == set(MANY) - {6}


def test_an_update_in_doubt_is_looked_for_alone(updaters, all_wait, webhook, services, polled, zendesk, row):
    zendesk.account.faults.add(Fault("drop", method="PUT", effect="before"))
    webhook("lost", ticket_id=str(updaters.ids[0]), changes={"comment": {"body": "Lost"}})
    all_wait()
    polled()
    polled()
    assert updaters.row(0, "lost").state == "applied"
    assert updaters.comments(0) == ["Lost", "Note 0"]
    assert 0 not in updaters.jobs[0]


def test_an_update_that_takes_two_requests_is_driven_alone(all_wait, updaters, polled):
    all_wait({1: {"changes": {"comment": note(1), "priority": "high", "email_ccs": [{"user_email": "a@example.com"}]}}})
    polled()
    assert updaters.served_once()
    assert updaters.alone == [1, 1]


def test_a_ticket_that_is_not_there_does_not_hold_up_the_others(all_wait, updaters, polled, zendesk):
    all_wait()
    zendesk.account.tickets.delete(updaters.ids[2])
    polled()
    polled()
    assert updaters.states() == ["failed" if number == 2 else "applied" for number in MANY]
    assert updaters.row(2).error_code == "ticket_not_found"


def test_a_row_that_somebody_else_has_taken_is_left_out_and_the_others_still_go_together(
    all_wait, updaters, polled, wire, services, clock
):
    def take(request):
        if "show_many" in request.path_url and updaters.row(4).sent_at is None:
            services.store.move(updaters.row(4), update_states.held(updaters.row(4), clock()))

    all_wait()
    wire.before = take
    polled()
    assert updaters.states() == ["accepted" if number == 4 else "applied" for number in MANY] or updaters.served_once()
    assert len(updaters.jobs[0]) == len(MANY) - 1


def test_a_row_that_another_worker_ended_leaves_the_others_together(all_wait, updaters, polled, wire, services, clock):
    """Its own end, which needs no request, comes too late."""

    def take(request):
        if "show_many" in request.path_url and updaters.row(4).state == "accepted":
            services.store.move(updaters.row(4), update_states.skipped(updaters.row(4), clock()))

    all_wait({4: {"changes": {"tags": {"add": ["vip_customer"]}}}})
    wire.before = take
    polled()
    assert updaters.row(4).state == "skipped"
    assert [len(sent) for sent in updaters.jobs] == [len(MANY) - 1]
    assert updaters.alone == []


@pytest.mark.parametrize("queued", [10, 25, 45])
def test_a_later_update_of_a_ticket_waits_while_its_job_is_young(
    all_wait, updaters, webhook, polled, next_job, queued, wire
):
    next_job("completed", queued_seconds=queued)
    all_wait()
    webhook("later", ticket_id=str(updaters.ids[3]), changes={"comment": {"body": "Later"}})
    polled()
    polled()
    assert updaters.row(3, "later").state == "applied"
    assert updaters.comments(3) == ["Note 3", "Later"]
    assert updaters.row(3).conflicts == 0


def test_a_job_that_is_stuck_does_not_hold_up_later_updates_for_long(all_wait, updaters, webhook, polled, next_job):
    next_job("never_finishes")
    all_wait()
    webhook("later", ticket_id=str(updaters.ids[3]), changes={"comment": {"body": "Later"}})
    polled()
    polled()
    polled()
    assert updaters.row(3, "later").state == "applied"


@pytest.mark.parametrize("outcome", ["killed", "forgotten", "results_null"])
def test_two_updates_in_one_place_of_a_job_that_does_not_tell_are_both_found(
    all_wait, webhook, updaters, services, drive, next_job, outcome, clock
):
    next_job(outcome, effect=True)
    all_wait()
    webhook("more", ticket_id=str(updaters.ids[4]), changes={"tags": {"add": ["one"]}})
    clock.advance(60)
    drive(services)
    assert updaters.served_once()
    assert updaters.row(4, "more").state == "applied"
    assert updaters.alone == []


def test_more_tickets_than_one_job_takes_go_out_in_several(services, webhook, agent, clock, polled, wire):
    services.gate.close(clock() + 300)
    ids = [agent.new(subject=f"Fire {number}") for number in range(105)]
    for number, ticket_id in enumerate(ids):
        webhook(f"inv_{number}", ticket_id=str(ticket_id), changes={"priority": "high", "subject": f"{number}"})
    clock.advance(300)
    polled()
    sizes = [len(json.loads(put.body)["tickets"]) for put in wire.puts if "update_many" in put.path_url]
    assert sizes == [100, 5]
    assert {agent.account.tickets.get(ticket_id)["priority"] for ticket_id in ids} == {"high"}
