"""Many tickets wait: read together, sent in one job, and each answered for by its own row of the job."""

import json

import pytest

from local.zendesk_simulator import Fault
from local.zendesk_simulator.audits import comments_of
from local.zendesk_simulator.jobs import JobPlan
from tests.fakes import Killed
from tests.fixtures import on_moto
from ticket_relay.poll_jobs import send_due
from ticket_relay.states import update as update_states

MANY = range(send_due.BACKLOG)


def note(number):
    return {"body": f"Note {number}", "public": False}


class Crowd:
    """As many tickets as go together, and what is told of them."""

    def __init__(self, agent, wire, row):
        self._desk = agent
        self._wire = wire
        self._row = row
        self.ids = [agent.new(subject=f"Fire {number}") for number in MANY]

    def ticket(self, number):
        return self._desk.account.tickets.get(self.ids[number])

    def edit(self, number, **changes):
        with self._desk.account.lock:
            self._desk.account.tickets.update(self.ids[number], changes, self._desk.agent)

    def comments(self, number):
        found = comments_of(self._desk.account.tickets.audits(self.ids[number]))
        return [comment["body"] for comment in found[1:]]

    def row(self, number, invocation=None):
        return self._row(invocation or f"inv_{number}", self.ids[number])

    def states(self):
        return [str(self.row(number).state) for number in MANY]

    @property
    def jobs(self):
        """What went out in each job, by number."""
        puts = [put for put in self._wire.puts if "update_many" in put.path_url]
        return [{self.ids.index(it["id"]): it for it in json.loads(put.body)["tickets"]} for put in puts]

    @property
    def alone(self):
        """The numbers of the tickets of which something was sent alone, in that order."""
        return [
            self.ids.index(int(put.path_url.rsplit("/", 1)[1]))
            for put in self._wire.puts
            if "update_many" not in put.path_url
        ]

    def served_once(self):
        """Each has its priority and, once, its note."""
        assert self.states() == ["applied"] * len(MANY)
        assert [self.comments(number) for number in MANY] == [[f"Note {number}"] for number in MANY]
        assert {self.ticket(number)["priority"] for number in MANY} == {"high"}
        return True


@pytest.fixture
def crowd(agent, wire, row):
    return Crowd(agent, wire, row)


@pytest.fixture
def all_wait(crowd, services, webhook, clock):
    """A webhook for each ticket comes while the gate is closed; `more` says what differs, by number."""

    def wait(more=None):
        services.gate.close(clock() + 30)
        for number, ticket_id in enumerate(crowd.ids):
            clock.advance(1)
            given = {"changes": {"priority": "high", "comment": note(number)}} | (more or {}).get(number, {})
            stamp = crowd.ticket(number)["updated_at"]
            assert webhook(f"inv_{number}", ticket_id=str(ticket_id), updated_at=stamp, **given).state == "accepted"

    return wait


@pytest.fixture
def next_job(zendesk):
    return lambda outcome, **how: zendesk.account.jobs.plans.append(JobPlan(outcome, **how))


def test_the_updates_of_many_tickets_are_read_together_and_go_out_in_one_job(all_wait, crowd, polled, agent, zendesk):
    all_wait()
    polled()
    assert crowd.served_once()
    assert agent.calls() == [("GET", 200), ("PUT", 200)]
    paths = {entry.path for entry in zendesk.account.journal.calls(path="/api/v2/tickets*")}
    assert paths == {"/api/v2/tickets/show_many", "/api/v2/tickets/update_many"}
    assert {entry.path for entry in zendesk.account.journal.calls(path="/api/v2/job*")} == {
        "/api/v2/job_statuses/show_many"
    }


def test_each_ticket_of_a_job_has_its_own_stamp_and_markers(all_wait, crowd, polled, clock):
    all_wait()
    for number in (3, 7):
        clock.advance(2)
        crowd.edit(number, tags=["theirs"])
    stamps = [crowd.ticket(number)["updated_at"] for number in MANY]
    polled()
    (sent,) = crowd.jobs
    assert [sent[number]["updated_stamp"] for number in MANY] == stamps
    assert [sent[number]["safe_update"] for number in MANY] == [True] * len(MANY)
    assert [sent[number]["metadata"]["ticket_relay"] for number in MANY] == [crowd.row(it).marker for it in MANY]


def test_fewer_tickets_are_updated_one_by_one(all_wait, crowd, polled, webhook, services, clock):
    services.gate.close(clock() + 30)
    for number in list(MANY)[1:]:
        clock.advance(1)
        webhook(f"inv_{number}", ticket_id=str(crowd.ids[number]), changes={"priority": "high"})
    polled()
    assert not crowd.jobs
    assert sorted(crowd.alone) == list(MANY)[1:]


def test_several_updates_of_one_ticket_go_in_one_place_of_the_job(all_wait, webhook, crowd, polled):
    all_wait()
    webhook("more", ticket_id=str(crowd.ids[4]), changes={"tags": {"add": ["one"]}})
    polled()
    assert crowd.served_once()
    assert crowd.row(4, "more").state == "applied"
    (sent,) = crowd.jobs
    assert sent[4]["metadata"]["ticket_relay"] == [crowd.row(4).marker, crowd.row(4, "more").marker]


def test_several_updates_of_one_ticket_are_decided_in_the_order_in_which_they_came(
    all_wait, webhook, crowd, polled, clock
):
    all_wait()
    clock.advance(1)
    for number, ticket_id in enumerate(crowd.ids):
        webhook(f"more_{number}", ticket_id=str(ticket_id), changes={"priority": "low", "tags": {"add": [f"{number}"]}})
    polled()
    polled()
    assert [crowd.ticket(number)["priority"] for number in MANY] == ["low"] * len(MANY)
    assert {crowd.row(number, f"more_{number}").state for number in MANY} == {"applied"}


@on_moto
def test_what_needs_no_request_ends_without_one(all_wait, crowd, polled):
    all_wait({2: {"changes": {"tags": {"add": ["vip_customer"]}}}, 5: {"on_conflict": "skip"}})
    crowd.edit(5, subject="Theirs")
    polled()
    assert (crowd.row(2).state, crowd.row(5).state) == ("applied", "skipped")
    (sent,) = crowd.jobs
    assert sent.keys() == set(MANY) - {2, 5}


def test_a_conflict_in_the_jobs_results_is_decided_again_on_the_newer_ticket(all_wait, crowd, polled, wire):
    all_wait({3: {"changes": {"priority": "high", "comment": note(3), "tags": {"add": ["ours"]}}}})
    wire.meanwhile["PUT"] = [lambda: crowd.edit(3, tags=["theirs"])]
    polled()
    assert crowd.served_once()
    assert crowd.ticket(3)["tags"] == ["ours", "theirs"]
    assert (crowd.row(3).conflicts, crowd.alone) == (1, [3])


@on_moto
def test_a_ticket_that_was_closed_before_the_job_came_to_it_is_closed(all_wait, crowd, polled, wire, services, drive):
    all_wait({3: {"on_closed": "follow_up", "changes": {"comment": note(3)}}})

    def close():
        crowd.edit(3, status="closed")
        crowd.edit(4, status="closed")

    wire.meanwhile["PUT"] = [close]
    polled()
    drive(services)
    assert (crowd.row(3).state, crowd.row(3).error_code) == ("applied", "followed_up")
    assert (crowd.row(4).state, crowd.row(4).error_code) == ("failed", "ticket_closed")
    assert len(crowd.ticket(3)["followup_ids"]) == 1


@on_moto
def test_another_error_in_the_results_fails_its_update_with_its_text_and_no_other(all_wait, crowd, polled, next_job):
    next_job("failed_row", error="TicketUpdateFailed", details="Assignee: is invalid")
    all_wait()
    polled()
    assert crowd.states() == ["failed", *["applied"] * (len(MANY) - 1)]
    assert (crowd.row(0).error_code, crowd.row(0).error_sentence) == ("TicketUpdateFailed", "Assignee: is invalid")
    assert crowd.comments(0) == []


@on_moto
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
def test_where_the_job_does_not_tell_the_audits_do(all_wait, crowd, services, drive, next_job, outcome, effect, clock):
    next_job(outcome, effect=effect)
    all_wait()
    clock.advance(60)
    drive(services)
    assert crowd.served_once()


@on_moto
def test_rows_in_any_order_are_told_apart_by_their_ids(all_wait, crowd, polled, next_job, wire):
    next_job("rows_shuffled")
    all_wait()
    wire.meanwhile["PUT"] = [lambda: crowd.edit(3, tags=["theirs"])]
    polled()
    assert crowd.served_once()
    assert crowd.alone == [3]


@on_moto
def test_a_young_job_that_is_not_to_be_seen_yet_is_waited_for(all_wait, crowd, polled, next_job):
    next_job("completed", hidden_seconds=8)
    all_wait()
    polled()
    assert crowd.served_once()
    assert (len(crowd.jobs), crowd.alone) == (1, [])


@on_moto
def test_a_job_that_is_queued_for_long_is_waited_for(all_wait, crowd, services, drive, next_job, clock):
    next_job("completed", queued_seconds=600)
    all_wait()
    clock.advance(60)
    drive(services)
    assert crowd.served_once()
    assert (len(crowd.jobs), crowd.alone) == (1, [])


@on_moto
def test_a_job_that_never_ends_is_given_up_after_a_day(all_wait, crowd, services, polled, drive, next_job, clock):
    next_job("never_finishes")
    all_wait()
    polled()
    clock.advance(update_states.GIVE_UP_AFTER)
    drive(services)
    assert crowd.states() == ["failed"] * len(MANY)
    assert (len(crowd.jobs), crowd.alone) == (1, [])


def test_of_a_batch_that_was_refused_each_is_sent_alone_and_learns_its_own(all_wait, crowd, polled, zendesk):
    zendesk.account.faults.add(Fault("status", status=422, path="/api/v2/tickets/update_many"))
    all_wait()
    polled()
    assert crowd.served_once()
    assert sorted(crowd.alone) == list(MANY)
    assert not zendesk.account.journal.calls(path="*/audits")


@on_moto
def test_a_429_for_the_batch_lets_it_go_out_once_when_zendesk_said(all_wait, crowd, polled, zendesk):
    zendesk.account.faults.add(
        Fault("status", status=429, path="/api/v2/tickets/update_many", headers={"Retry-After": "5"})
    )
    all_wait()
    polled()
    assert crowd.served_once()
    first, second = [entry.at for entry in zendesk.account.journal.calls(path="*/update_many")]
    assert second - first >= 5
    assert crowd.alone == []


@on_moto
def test_while_zendesk_has_too_many_jobs_the_batch_waits(all_wait, crowd, polled, zendesk):
    zendesk.account.settings.max_jobs = 0
    all_wait()
    polled()
    assert crowd.states() == ["accepted"] * len(MANY)
    zendesk.account.settings.max_jobs = 30
    polled()
    assert crowd.served_once()
    assert crowd.alone == []


@pytest.mark.parametrize("effect", ["before", "never"])
def test_of_a_batch_whose_answer_was_lost_the_audits_tell(all_wait, crowd, polled, zendesk, effect):
    zendesk.account.faults.add(Fault("drop", path="/api/v2/tickets/update_many", effect=effect))
    all_wait()
    polled()
    polled()
    assert crowd.served_once()
    assert len(crowd.alone) == {"before": 0, "never": len(MANY)}[effect]


def test_a_batch_whose_answer_was_lost_and_whose_job_runs_late_has_no_second_effect(
    all_wait, crowd, services, drive, zendesk, next_job, clock
):
    next_job("completed", queued_seconds=300)
    zendesk.account.faults.add(Fault("drop", path="/api/v2/tickets/update_many", effect="before"))
    all_wait()
    clock.advance(60)
    drive(services)
    clock.advance(600)
    zendesk.account.settle()
    assert crowd.served_once()


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_that_dies_at_the_batch_leaves_it_to_the_next(all_wait, crowd, polled, wire, when):
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
    assert crowd.served_once()


def test_a_ticket_that_is_changed_within_the_second_of_the_reading_is_read_again_alone(all_wait, crowd, polled, wire):
    def edit(request):
        if "show_many" in request.path_url:
            crowd.edit(6, tags=["theirs"])

    all_wait()
    wire.before = edit
    polled()
    assert crowd.served_once()
    assert crowd.alone == [6]
    assert crowd.jobs[0].keys() == set(MANY) - {6}


def test_an_update_that_may_have_landed_is_looked_for_alone(crowd, all_wait, webhook, services, polled, zendesk, row):
    zendesk.account.faults.add(Fault("drop", method="PUT", effect="before"))
    webhook("lost", ticket_id=str(crowd.ids[0]), changes={"comment": {"body": "Lost"}})
    all_wait()
    polled()
    polled()
    assert crowd.row(0, "lost").state == "applied"
    assert crowd.comments(0) == ["Lost", "Note 0"]
    assert 0 not in crowd.jobs[0]


def test_an_update_that_takes_two_requests_is_driven_alone(all_wait, crowd, polled):
    all_wait({1: {"changes": {"comment": note(1), "priority": "high", "email_ccs": [{"user_email": "a@example.com"}]}}})
    polled()
    assert crowd.served_once()
    assert crowd.alone == [1, 1]


def test_a_ticket_that_is_not_there_does_not_hold_up_the_others(all_wait, crowd, polled, zendesk):
    all_wait()
    zendesk.account.tickets.delete(crowd.ids[2])
    polled()
    polled()
    assert crowd.states() == ["failed" if number == 2 else "applied" for number in MANY]
    assert crowd.row(2).error_code == "ticket_not_found"


def test_a_row_that_somebody_else_has_taken_is_left_out_and_the_others_still_go_together(
    all_wait, crowd, polled, wire, services, clock
):
    def take(request):
        if "show_many" in request.path_url and crowd.row(4).sent_at is None:
            services.store.move(crowd.row(4), update_states.held(crowd.row(4), clock()))

    all_wait()
    wire.before = take
    polled()
    assert crowd.states() == ["accepted" if number == 4 else "applied" for number in MANY] or crowd.served_once()
    assert len(crowd.jobs[0]) == len(MANY) - 1


def test_a_row_that_somebody_else_has_ended_leaves_the_others_together(all_wait, crowd, polled, wire, services, clock):
    """Its own end, which needs no request, comes too late."""

    def take(request):
        if "show_many" in request.path_url and crowd.row(4).state == "accepted":
            services.store.move(crowd.row(4), update_states.skipped(crowd.row(4), clock()))

    all_wait({4: {"changes": {"tags": {"add": ["vip_customer"]}}}})
    wire.before = take
    polled()
    assert crowd.row(4).state == "skipped"
    assert [len(sent) for sent in crowd.jobs] == [len(MANY) - 1]
    assert crowd.alone == []


@on_moto
@pytest.mark.parametrize("queued", [10, 25, 45])
def test_a_later_update_of_a_ticket_waits_while_its_job_is_young(
    all_wait, crowd, webhook, polled, next_job, queued, wire
):
    next_job("completed", queued_seconds=queued)
    all_wait()
    webhook("later", ticket_id=str(crowd.ids[3]), changes={"comment": {"body": "Later"}})
    polled()
    polled()
    assert crowd.row(3, "later").state == "applied"
    assert crowd.comments(3) == ["Note 3", "Later"]
    assert crowd.row(3).conflicts == 0


@on_moto
def test_a_job_that_is_stuck_does_not_hold_up_later_updates_for_long(all_wait, crowd, webhook, polled, next_job):
    next_job("never_finishes")
    all_wait()
    webhook("later", ticket_id=str(crowd.ids[3]), changes={"comment": {"body": "Later"}})
    polled()
    polled()
    polled()
    assert crowd.row(3, "later").state == "applied"


@on_moto
@pytest.mark.parametrize("outcome", ["killed", "forgotten", "results_null"])
def test_two_updates_in_one_place_of_a_job_that_does_not_tell_are_both_found(
    all_wait, webhook, crowd, services, drive, next_job, outcome, clock
):
    next_job(outcome, effect=True)
    all_wait()
    webhook("more", ticket_id=str(crowd.ids[4]), changes={"tags": {"add": ["one"]}})
    clock.advance(60)
    drive(services)
    assert crowd.served_once()
    assert crowd.row(4, "more").state == "applied"
    assert crowd.alone == []


@on_moto
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
