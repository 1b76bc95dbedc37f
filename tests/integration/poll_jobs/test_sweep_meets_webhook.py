"""Webhooks and sweeps of the same tickets, pollers that overlap and an agent, in every order that chance finds: each
ticket has its change once, a comment included, and whatever the agent did.
"""

import dataclasses
import math
import random
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how_much
from hypothesis import strategies as st

from tests.builders import TABLE, body_of, signed
from tests.fakes import reached_through
from tests.integration.update_ticket.agent import Agent
from tests.integration.update_ticket.faulty_link import FaultyLink
from tests.integration.update_ticket.turns import Turns
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import UpdateRule
from ticket_relay.poll_jobs import poller, sweep
from ticket_relay.rate_limits import gate, permit
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.storage.rows import DAY
from ticket_relay.update_ticket import own_user, safe_update, webhook
from ticket_relay.zendesk import transport

RAISE = UpdateRule(
    rule="raise",
    sample={"event": "e.json", "ticket": "t.json"},
    sweep=True,
    when="'vip' in ticket.tags && !('raised' in ticket.tags)",
    changes={
        "priority": "high",
        "tags": {"add": ["raised"]},
        "comment": {"body": "Raised by ${event.rule}", "public": False},
    },
)
LAG = 2.0
"""Seconds that the simulated Zendesk leaves out of an export, so that a sweep meets a webhook that is under way."""
RUN = 12.0
"""Seconds of a poller's run."""
LONGEST = 3600.0

ONCE = (1, True)

TICKETS = st.lists(st.lists(st.floats(0, 8, allow_nan=False), max_size=2), min_size=1, max_size=4)
"""For each ticket, when its webhooks are delivered, in seconds: none, one or two."""


class Story:
    """Tickets that are due from the beginning on; of some of them webhooks tell. `seed` decides the rest."""

    def __init__(self, agent, clock, dynamo, other_services, *, webhooks, seed, troubles):
        # By then no token is good any more, and of an exact second no fraction is rounded: each story begins alike.
        clock.time = math.floor(clock() + DAY)
        random.seed(seed)  # the relay's own jitter
        self.chance = random.Random(seed)  # noqa: S311 - a number that failed can be tried again
        self.clock, self.agent, self.webhooks, self.make = clock, agent, webhooks, other_services
        self.turns = Turns(clock)
        self.line = FaultyLink(agent.account, self.turns, self.chance, troubles=troubles, rate=0.3)
        settings = agent.account.settings
        settings.export_lag_seconds = LAG
        for limit in ("limit_account", "limit_update", "limit_ticket_updates", "limit_export"):
            setattr(settings, limit, 100_000)
        for pk in (gate.PK, sweep.PK):
            dynamo.delete_item(TableName=TABLE, Key={"pk": {"S": pk}})
        dynamo.before = lambda operation, _: self.turns.sleep(self.chance.choice([0.002, 0.02]))
        self.relays = [self.relay() for _ in range(sum(map(len, webhooks)))]
        self.pollers = [self.relay() for _ in range(2)]
        begun = {"pk": sweep.PK, "start_time": clock() - 1 - sweep.START_AGE, "up_to": clock()}
        self.pollers[0].table.put(begun, only_if="attribute_not_exists(pk)")
        own_user.remember(self.pollers[0], agent.account.relay.id)
        self.tickets = [agent.new(tags=["vip"]) for _ in webhooks]
        clock.advance(self.chance.uniform(0, 2 * LAG))

    def relay(self):
        services, wrong = self.make(), self.chance.uniform(-2, 2)
        reached_through(services, self.line)
        settings = services.settings.model_copy(update={"sweep_minutes": 0.02})
        services = dataclasses.replace(
            services, settings=settings, now=lambda: self.clock() + wrong, sleep=self.turns.sleep
        )
        services.zendesk.own_user_id(Permit(Deadline.after(3)))  # Waiting for another's token would take real time.
        return services

    def play(self):
        """Until no row is at work, and two sweeps more have come to their end. Of each ticket: how often it has the
        comment, and whether the tags are there, the agent's as well.
        """
        relays = iter(self.relays)
        for ticket_id, times in zip(self.tickets, self.webhooks, strict=True):
            for number, at in enumerate(times):
                self.turns.begin(partial(self.delivered, next(relays), ticket_id, number), after=at)
            self.turns.begin(partial(self.edited, ticket_id), after=self.chance.uniform(0, 8))
        end, settled, swept = self.clock() + LONGEST, 0, self.swept_up_to()
        while settled < 2:
            assert self.clock() < end, "a row is stuck"
            for services in self.pollers:
                self.turns.begin(partial(self.polled, services), after=self.chance.uniform(0, 2))
            self.turns.run()
            before, swept = swept, self.swept_up_to()
            settled = settled + (swept > before) if not self.pollers[0].store.backlog().unfinished else 0
            self.clock.advance(2 * LAG)
        return [self.told(ticket_id) for ticket_id in self.tickets]

    def swept_up_to(self):
        return self.pollers[0].table.get(sweep.PK)["up_to"]

    def told(self, ticket_id):
        self.agent.id = ticket_id
        tags = {"vip", "raised", "theirs"} <= {*self.agent.ticket["tags"]}
        return self.agent.comments.count("Raised by raise"), tags

    def delivered(self, services, ticket_id, number):
        body = body_of({"rule": "raise", "ticket_id": str(ticket_id), "actor_id": str(self.agent.agent.id)})
        headers = signed(body, sender="zendesk", id=f"inv_{number}", at=self.clock())
        webhook.receive(services, headers, body, Deadline.after(3))

    def edited(self, ticket_id):
        with self.agent.account.lock:
            self.agent.account.tickets.update(ticket_id, {"additional_tags": ["theirs"]}, self.agent.agent)

    def polled(self, services):
        end = self.clock() + RUN
        poller.run(services, lambda: end - self.clock(), lambda seconds: self.turns.sleep(3 * seconds))


@pytest.fixture
def story(zendesk, clock, dynamo, other_services, monkeypatch) -> Iterator[partial]:
    monkeypatch.setattr(loader, "rules", lambda: {"raise": RAISE})
    # Deadlines are kept by the real clock: how fast a machine is must not decide how far anybody gets.
    for module in (transport, permit):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock, time=clock))
    before = random.getstate()
    yield partial(Story, Agent(zendesk.account, clock), clock, dynamo, other_services)
    random.setstate(before)


@how_much(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(webhooks=TICKETS, seed=st.integers(0, 10**6), troubles=st.integers(0, 8))
def test_however_webhooks_and_sweeps_meet_each_ticket_has_its_change_once(story, webhooks, seed, troubles):
    assert story(webhooks=webhooks, seed=seed, troubles=troubles).play() == [ONCE] * len(webhooks)


def test_without_the_stamp_such_a_story_ends_badly(story, monkeypatch):
    monkeypatch.setattr(safe_update, "safe", lambda plan, _: safe_update.marked(plan.update, plan.markers))
    webhooks = [[0.2, 0.3], [0.7, 2.2], [1.0, 1.1], [1.2, 1.3]]
    ended = (each for seed in range(40) for each in story(webhooks=webhooks, seed=seed, troubles=4).play())
    assert any(each != ONCE for each in ended)
