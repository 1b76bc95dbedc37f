"""What the job of many updates tells, or does not."""

import pytest

from local.zendesk_simulator import Fault
from tests.fakes import Killed
from tests.integration.update_ticket.many_tickets import MANY, note
from ticket_relay.states import update as update_states


def test_a_conflict_in_the_jobs_results_is_decided_again_on_the_newer_ticket(all_wait, updaters, polled, wire):
    all_wait({3: {"changes": {"priority": "high", "comment": note(3), "tags": {"add": ["ours"]}}}})
    wire.meanwhile["PUT"] = [lambda: updaters.edit(3, tags=["theirs"])]
    polled()
    assert updaters.served_once()
    assert updaters.ticket(3)["tags"] == ["ours", "theirs"]
    assert (updaters.row(3).conflicts, updaters.alone) == (1, [3])


def test_a_ticket_closed_before_the_job_came_to_it_is_closed(all_wait, updaters, polled, wire, services, drive):
    all_wait({3: {"on_closed": "follow_up", "changes": {"comment": note(3)}}})

    def close():
        updaters.edit(3, status="closed")
        updaters.edit(4, status="closed")

    wire.meanwhile["PUT"] = [close]
    polled()
    drive(services)
    assert (updaters.row(3).state, updaters.row(3).error_code) == ("applied", "followed_up")
    assert (updaters.row(4).state, updaters.row(4).error_code) == ("failed", "ticket_closed")
    assert len(updaters.ticket(3)["followup_ids"]) == 1


def test_another_error_in_the_results_fails_its_update_with_its_text_and_no_other(all_wait, updaters, polled, next_job):
    next_job("failed_row", error="TicketUpdateFailed", details="Assignee: is invalid")
    all_wait()
    polled()
    assert updaters.states() == ["failed", *["applied"] * (len(MANY) - 1)]
    assert (updaters.row(0).error_code, updaters.row(0).error_sentence) == (
        "TicketUpdateFailed",
        "Assignee: is invalid",
    )
    assert updaters.comments(0) == []


@pytest.mark.parametrize(
    ("outcome", "effect"),
    [
        ("killed", True),
        ("killed", False),
        ("failed_without_results", True),
        ("failed_without_results", False),
        ("forgotten", True),
        ("forgotten", False),
        ("results_null", True),
        ("results_object", True),
        ("row_missing", True),
    ],
)
def test_where_the_job_is_silent_the_audits_tell(all_wait, updaters, services, drive, next_job, outcome, effect, clock):
    next_job(outcome, effect=effect)
    all_wait()
    clock.advance(60)
    drive(services)
    assert updaters.served_once()


def test_rows_in_any_order_are_told_apart_by_their_ids(all_wait, updaters, polled, next_job, wire):
    next_job("rows_shuffled")
    all_wait()
    wire.meanwhile["PUT"] = [lambda: updaters.edit(3, tags=["theirs"])]
    polled()
    assert updaters.served_once()
    assert updaters.alone == [3]


def test_a_young_job_that_is_not_to_be_seen_yet_is_waited_for(all_wait, updaters, polled, next_job):
    next_job("completed", hidden_seconds=8)
    all_wait()
    polled()
    assert updaters.served_once()
    assert (len(updaters.jobs), updaters.alone) == (1, [])


def test_a_job_that_is_queued_for_long_is_waited_for(all_wait, updaters, services, drive, next_job, clock):
    next_job("completed", queued_seconds=600)
    all_wait()
    clock.advance(60)
    drive(services)
    assert updaters.served_once()
    assert (len(updaters.jobs), updaters.alone) == (1, [])


def test_a_job_that_never_ends_is_given_up_after_a_day(all_wait, updaters, services, polled, drive, next_job, clock):
    next_job("never_finishes")
    all_wait()
    polled()
    clock.advance(update_states.GIVE_UP_AFTER)
    drive(services)
    assert updaters.states() == ["failed"] * len(MANY)
    assert (len(updaters.jobs), updaters.alone) == (1, [])


def test_of_a_batch_that_was_refused_each_is_sent_alone_and_learns_its_own(all_wait, updaters, polled, zendesk):
    zendesk.account.faults.add(Fault("status", status=422, path="/api/v2/tickets/update_many"))
    all_wait()
    polled()
    assert updaters.served_once()
    assert sorted(updaters.alone) == list(MANY)
    assert not zendesk.account.journal.calls(path="*/audits")


def test_a_429_for_the_batch_lets_it_go_out_once_when_zendesk_said(all_wait, updaters, polled, zendesk):
    zendesk.account.faults.add(
        Fault("status", status=429, path="/api/v2/tickets/update_many", headers={"Retry-After": "5"})
    )
    all_wait()
    polled()
    assert updaters.served_once()
    first, second = [entry.at for entry in zendesk.account.journal.calls(path="*/update_many")]
    assert second - first >= 5
    assert updaters.alone == []


def test_while_zendesk_has_too_many_jobs_the_batch_waits(all_wait, updaters, polled, zendesk):
    zendesk.account.settings.max_jobs = 0
    all_wait()
    polled()
    assert updaters.states() == ["accepted"] * len(MANY)
    zendesk.account.settings.max_jobs = 30
    polled()
    assert updaters.served_once()
    assert updaters.alone == []


@pytest.mark.parametrize("effect", ["before", "never"])
def test_of_a_batch_whose_answer_was_lost_the_audits_tell(all_wait, updaters, polled, zendesk, effect):
    zendesk.account.faults.add(Fault("drop", path="/api/v2/tickets/update_many", effect=effect))
    all_wait()
    polled()
    polled()
    assert updaters.served_once()
    assert len(updaters.alone) == {"before": 0, "never": len(MANY)}[effect]


def test_a_batch_whose_answer_was_lost_and_whose_job_runs_late_has_no_second_effect(
    all_wait, updaters, services, drive, zendesk, next_job, clock
):
    next_job("completed", queued_seconds=300)
    zendesk.account.faults.add(Fault("drop", path="/api/v2/tickets/update_many", effect="before"))
    all_wait()
    clock.advance(60)
    drive(services)
    clock.advance(600)
    zendesk.account.settle()
    assert updaters.served_once()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_that_dies_at_the_batch_leaves_it_to_the_next(all_wait, updaters, polled, wire, when):
    def die(request=None):
        if request is None or "update_many" in request.path_url:
            raise Killed

    all_wait()
    if when == "after":
        wire.meanwhile["PUT"] = [die]
    else:
        wire.before = die
    with pytest.raises(Killed):
        polled()
    wire.before = lambda _: None
    polled()
    polled()
    assert updaters.served_once()
