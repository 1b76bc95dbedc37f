"""The sweep: what Zendesk did not tell of is found, once, and whoever else tells of it makes no second update."""

import threading
from dataclasses import replace
from itertools import count

import pytest

from local.zendesk_simulator import Drop, Fault, Trigger
from tests import builders
from tests.fakes import DOWN, Outage
from tests.fixtures import both_engines
from tests.integration.update_ticket.agent import Agent
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import UpdateRule
from ticket_relay.errors import StoreUnavailable
from ticket_relay.poll_jobs import poller, sweep
from ticket_relay.rate_limits.headers import EXPORT
from ticket_relay.storage.rows import DAY, UpdateRow, UpdateState

MINUTES = 5
EXPORT_PATH = "/api/v2/incremental/tickets/cursor"
SAMPLE = {"event": "e.json", "ticket": "t.json"}
RAISE = UpdateRule(
    rule="raise",
    sample=SAMPLE,
    sweep=True,
    when="'vip_customer' in ticket.tags && !('raised' in ticket.tags)",
    changes={
        "priority": "high",
        "tags": {"add": ["raised"]},
        "comment": {"body": "Raised by ${event.rule}", "public": False},
    },
)


@pytest.fixture
def agent(zendesk, clock):
    agent = Agent(zendesk.account, clock)
    agent.edit(remove_tags=["vip_customer"])
    return agent


@pytest.fixture
def other_services(other_services):
    def make(minutes=MINUTES, webhooks=""):
        services = other_services()
        changes = {"sweep_minutes": minutes, "zendesk_webhook_ids": webhooks}
        return replace(services, settings=services.settings.model_copy(update=changes))

    return make


@pytest.fixture
def rules(monkeypatch):
    known = {"raise": RAISE}
    monkeypatch.setattr(loader, "rules", lambda: known)
    return known


@pytest.fixture
def swept(rules, run_poller, clock, zendesk):
    """So many runs of the poller, each of which takes a turn."""

    def turns(services, number=3, *, minutes=MINUTES):
        for _ in range(number):
            start = clock()
            run_poller(services)
            clock.advance(max(0.0, start + 60 * minutes - clock()))
            zendesk.account.settle()

    return turns


@pytest.fixture
def begun(services, swept):
    """The first turn is over, and the next one is due."""
    swept(services, 1)


@pytest.fixture
def updates(dynamo, services):
    def rows(*states):
        keys = [item["pk"]["S"] for item in dynamo.scan(TableName=builders.TABLE)["Items"]]
        found = [services.store.get(key) for key in sorted(keys) if key.startswith("update#")]
        return [row for row in found if isinstance(row, UpdateRow) and (not states or row.state in states)]

    return rows


def exports(zendesk):
    return zendesk.account.journal.calls("GET", EXPORT_PATH)


def comments(agent, ticket_id):
    agent.id = ticket_id
    return agent.comments


@both_engines
def test_a_ticket_of_which_no_webhook_told_gets_its_change_once(services, agent, begun, swept, updates):
    ids = [agent.new(), agent.new(tags=["other"]), agent.new()]
    swept(services, 4)
    said = ["It burns", "Raised by raise"]
    assert [comments(agent, each) for each in ids] == [said, said[:1], said]
    assert [row.state for row in updates()] == [UpdateState.APPLIED] * 2
    agent.edit(priority="low")
    swept(services)
    assert (agent.ticket["priority"], len(updates())) == ("low", 2)


def test_without_such_a_rule_or_with_the_parameter_at_0_nobody_is_asked(
    other_services, rules, agent, run_poller, zendesk, dynamo
):
    agent.new()
    rules["raise"] = RAISE.model_copy(update={"sweep": False})
    run_poller(other_services())
    rules["raise"] = RAISE
    run_poller(other_services(minutes=0))
    assert zendesk.account.journal.calls() == []
    assert dynamo.scan(TableName=builders.TABLE)["Items"] == []


def test_it_begins_with_what_changes_from_its_first_run_on(services, agent, swept, clock):
    before = agent.new()
    clock.advance(1)
    swept(services, 1)
    after = agent.new()
    swept(services)
    assert [len(comments(agent, each)) for each in (before, after)] == [1, 2]


def test_a_sweep_is_one_call_every_few_minutes(services, begun, swept, zendesk):
    swept(services, 4 * MINUTES, minutes=1)
    assert len(exports(zendesk)) == 4


def test_tickets_without_something_to_do_make_no_rows(services, agent, begun, swept, updates):
    agent.new(tags=["vip_customer", "raised"])
    agent.new(status="closed")
    agent.new(tags=[])
    agent.account.tickets.delete(agent.new())
    due = agent.new()
    swept(services)
    assert [row.ticket_id for row in updates()] == [due]


def test_more_pages_than_a_turn_reads_come_minute_by_minute_and_leave_others_half_of_the_limit(
    services, agent, begun, swept, zendesk, clock, updates, monkeypatch
):
    monkeypatch.setattr("ticket_relay.zendesk.client.EXPORT_PAGE", 2)
    for number in range(40):
        agent.new(tags=["vip_customer"] if number in (3, 39) else [])
    swept(services, MINUTES + 6, minutes=1)
    assert len(updates(UpdateState.APPLIED)) == 2
    times = [entry.at for entry in exports(zendesk)]
    assert max(sum(0 <= other - at < 60 for other in times) for at in times) <= sweep.MOST_PAGES
    assert {entry.status for entry in exports(zendesk)} == {200}


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 403},
        {"kind": "drop"},
        {"kind": "malformed"},
        {"kind": "html", "status": 200},
        {"kind": "status", "status": 200, "body": "{}", "content_type": "application/json"},
    ],
)
def test_an_export_that_fails_is_asked_again_at_the_next_turn_and_harms_nothing_else(
    services, agent, begun, swept, zendesk, fault, updates, accepted_event
):
    agent.new()
    zendesk.account.faults.add(Fault(**fault, path=EXPORT_PATH))
    event = accepted_event()
    swept(services, 1)
    assert services.store.get(event.pk).state == "created"
    assert updates() == []
    swept(services, 1)
    assert len(updates(UpdateState.APPLIED)) == 1


@pytest.fixture
def accepted_event(services, clock):
    def accept():
        row = builders.ticket_row("evt_1", now=clock())
        assert services.store.claim(row) is None
        return row

    return accept


@pytest.mark.parametrize("limit", [None, "incremental-exports", "incremental-exports-cursor"])
def test_a_429_of_the_export_leaves_everything_else_going_on(
    services, begun, swept, zendesk, clock, limit, agent, accepted_event, updates
):
    headers = {"Retry-After": "300"}
    if limit:
        headers[f"Zendesk-RateLimit-{limit}"] = "total=10; remaining=0; resets=300"
    zendesk.account.faults.add(Fault("status", status=429, path=EXPORT_PATH, headers=headers, times=1))
    agent.new()
    clock.advance(60)
    swept(services, 1, minutes=1)
    assert services.gate.closed_until() is None
    assert services.gate.closed_until(EXPORT) is not None
    event = accepted_event()
    swept(services, 1, minutes=1)
    assert services.store.get(event.pk).state == "created"
    swept(services, 2)
    assert len(updates(UpdateState.APPLIED)) == 1


def test_a_429_for_the_whole_account_closes_the_gate(services, begun, swept, zendesk, clock):
    headers = {"Retry-After": "90", "ratelimit-limit": "700", "ratelimit-remaining": "0", "ratelimit-reset": "90"}
    zendesk.account.faults.add(Fault("status", status=429, path=EXPORT_PATH, headers=headers))
    clock.advance(60 * MINUTES)
    sweep.sweep(services)
    assert services.gate.closed_until() == pytest.approx(clock() + 90)


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("landed", [True, False])
def test_a_run_that_dies_anywhere_repeats_its_page_harmlessly(
    services, agent, begun, swept, dynamo, number, landed, updates, clock
):
    ids = [agent.new() for _ in range(2)]
    clock.advance(60 * MINUTES)
    writes = count(1)
    fails = Outage(("put_item", "update_item"), DOWN, landed=landed, fits=lambda _: next(writes) == number)
    dynamo.outages.append(fails)
    with pytest.raises(StoreUnavailable):
        sweep.sweep(services)
    swept(services, 2)
    assert [comments(agent, each)[1:] for each in ids] == [["Raised by raise"]] * 2
    assert [row.state for row in updates()] == [UpdateState.APPLIED] * 2


def test_sweeps_that_overlap_make_one_update(other_services, agent, begun, clock, updates, zendesk):
    ids = [agent.new() for _ in range(5)]
    clock.advance(60 * MINUTES)
    together = threading.Barrier(3)

    def run(services):
        together.wait()
        sweep.sweep(services)

    threads = [threading.Thread(target=run, args=(other_services(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row.ticket_id for row in updates(UpdateState.ACCEPTED)] == ids


def test_one_who_was_overtaken_moves_no_cursor(other_services, services, begun, clock, agent, monkeypatch):
    agent.new()
    clock.advance(60 * MINUTES)
    slow, fast = services, other_services()
    asked = slow.zendesk.changed_tickets

    def answered_late(since, permit):
        page = asked(since, permit)
        clock.advance(60 * MINUTES)
        sweep.sweep(fast)
        agent.new()
        return page

    monkeypatch.setattr(slow.zendesk, "changed_tickets", answered_late)
    sweep.sweep(slow)
    item = services.table.get(sweep.PK)
    clock.advance(60 * MINUTES)
    sweep.sweep(fast)
    assert item["up_to"] < services.table.get(sweep.PK)["up_to"]


def test_a_rule_that_somebody_undoes_again_and_again_ends_for_the_day(
    services, agent, begun, swept, updates, zendesk, clock
):
    ticket_id = agent.new()

    def undo(ticket, audit, actor, created):
        if "raised" in ticket["tags"] and actor is agent.account.relay:
            agent.account.tickets.update(ticket["id"], {"remove_tags": ["raised"]}, agent.agent)

    zendesk.account.tickets.on_change = undo
    clock.advance(DAY - clock() % DAY)  # no sweep of these is in the next day
    swept(services, sweep.MOST_A_DAY + 5)
    assert len(updates(UpdateState.APPLIED)) == sweep.MOST_A_DAY
    clock.advance(DAY)
    agent.id = ticket_id
    agent.edit(priority="low")
    swept(services, 2)
    assert len(updates(UpdateState.APPLIED)) > sweep.MOST_A_DAY


def test_a_ticket_that_a_rule_does_not_fit_keeps_no_other_from_its_change(
    services, rules, agent, begun, swept, updates, caplog
):
    rules["odd"] = UpdateRule(
        rule="odd", sample=SAMPLE, sweep=True, when="ticket.custom_fields[0].value == 'x'", changes={"type": "task"}
    )
    rules["round"] = UpdateRule(
        rule="round", sample=SAMPLE, sweep=True, when="'round' in ticket.tags", changes={"priority": "low"}
    )
    ids = [agent.new(tags=["round"]), agent.new()]
    swept(services)
    assert [row.ticket_id for row in updates()] == ids[1:]
    said = [vars(record) for record in caplog.records]
    assert {each.get("reason") for each in said} >= {"mapping_failed", "sweep_diverges"}
    assert builders.CANARY not in str(said)


def test_a_bug_in_the_sweep_fails_the_run_and_what_is_due_goes_on(
    services, begun, run_poller, accepted_event, monkeypatch
):
    monkeypatch.setattr(sweep, "_taken", lambda *_, **__: 1 / 0)
    event = accepted_event()
    with pytest.raises(poller.Unfinished):
        run_poller(services)
    assert services.store.get(event.pk).state == "created"


@pytest.fixture
def trigger(zendesk):
    body = '{"ticket_id": "{{ticket.id}}", "rule": "raise", "actor_id": "{{current_user.id}}"}'
    made = Trigger("http://nobody.invalid/", "key", body, tag="vip_customer", webhook_id="w1")
    zendesk.account.triggers.rules.append(made)
    return made


def test_what_zendesk_dropped_is_counted_once_by_status(
    other_services, rules, agent, zendesk, trigger, clock, capsys, swept
):
    services = other_services(webhooks="w1 unknown")
    drops = zendesk.account.deliveries.drops
    drops.append(Drop())
    agent.new()
    swept(services, 1)
    drops += [Drop(times=3), Drop(status="circuit broken")]
    for _ in range(5):
        agent.new(tags=["vip_customer", "raised"])
    clock.advance(2)
    capsys.readouterr()
    swept(services, 4 * MINUTES)
    lines = [
        line for line in capsys.readouterr().out.splitlines() if '"WebhookDropped"' in line and '"status":' in line
    ]
    assert len(lines) == 2
    assert any('"throttled"' in line and '"WebhookDropped":[3.0]' in line for line in lines), lines
    assert any('"circuit broken"' in line and '"WebhookDropped":[1.0]' in line for line in lines), lines


def test_webhooks_are_counted_where_no_rule_is_swept(other_services, rules, zendesk, trigger, swept, clock):
    rules["raise"] = RAISE.model_copy(update={"sweep": False})
    swept(other_services(webhooks="w1"), 2)
    assert exports(zendesk) == []
    assert len(zendesk.account.journal.calls("GET", "/api/v2/webhooks/w1/invocations")) == 1
