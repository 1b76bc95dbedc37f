"""Many relays, their pollers and an agent at one ticket, all at the same time."""

import dataclasses
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from local.zendesk_simulator.journal import Entry
from tests.builders import TABLE, body_of, signed
from tests.fakes import Clock, Dynamo, reached_through
from tests.integration.update_ticket.agent import Agent
from tests.integration.update_ticket.faulty_link import FaultyLink
from tests.integration.update_ticket.turns import Turns
from tests.integration.update_ticket.updates import NEW, THEIRS, Wanted, wish
from ticket_relay.poll_jobs.poller import run
from ticket_relay.rate_limits import gate
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.services import Services
from ticket_relay.storage.rows import DAY, UpdateRow, update_pk
from ticket_relay.update_ticket import own_user, webhook

ANSWER_WITHIN = 3.0
"""Seconds that a webhook has, as in functions/update_ticket."""
RUN = 50.0
"""Seconds of a poller's run."""
LONGEST = 3600.0
"""Seconds after which a row that is not over is stuck. A token lives for two hours."""


@dataclass
class Agent:
    """Edits what no rule touches (the subject, a custom field, tags of her own), and what rules touch, too."""

    agent: Agent
    person: int
    chance: random.Random
    subject: str = "Fire"
    value: str = "as it was"
    tags: set[str] = field(default_factory=lambda: {"stays"})
    comments: list[str] = field(default_factory=lambda: ["It burns"])

    def edit(self) -> None:
        word = f"{self.chance.randrange(10**6)}"
        match self.chance.randrange(10):
            case 0 | 1:
                self.tags.add(f"theirs{word}")
                self.agent.tag(f"theirs{word}")
            case 2:
                tag = self.chance.choice(sorted(self.tags))
                self.tags.remove(tag)
                self.agent.edit(remove_tags=[tag])
                self.tags.add("stays")
                self.agent.tag("stays")
            case 3:
                self.subject = f"Subject {word}"
                self.agent.edit(subject=self.subject)
            case 4:
                self.value = word
                self.agent.edit(custom_fields=[{"id": THEIRS, "value": word}])
            case 5:
                self.comments.append(f"I see {word}")
                self.agent.edit(comment={"body": f"I see {word}"})
            case 6:
                self.agent.edit(priority=self.chance.choice(["low", "normal", "urgent"]))
            case 7:
                ours = [tag for tag in self.agent.ticket["tags"] if tag.startswith(("add", "both", "counted"))]
                self.agent.edit(remove_tags=ours[:1] or ["escalated"])
            case 8:
                self.agent.edit(additional_tags=["vip", "triage"], remove_tags=["escalated"])
            case 9:
                self.agent.edit(email_ccs=[{"user_id": self.person, "action": "delete"}])


@dataclass(frozen=True)
class Update:
    """What it was to do, what became of its row, and how many audits the ticket had when it came."""

    wish: Wanted
    row: UpdateRow
    since: int


@dataclass(frozen=True)
class Story:
    """What became of it all. `calls` are those about the ticket that reached Zendesk, in order."""

    agent: Agent
    updates: list[Update]
    ticket: dict[str, Any]
    audits: list[dict[str, Any]]
    calls: list[Entry]


class Updaters:
    """A new ticket, and so many (`size`) updates of it. All that chance decides, `seed` decides.

    They have `troubles` at most. The agent makes so many `edits`.
    """

    def __init__(
        self,
        agent: Agent,
        clock: Clock,
        dynamo: Dynamo,
        other_services: Callable[[], Services],
        *,
        seed: int,
        size: int,
        troubles: int,
        edits: int,
        pollers: int,
    ) -> None:
        # By then no token is good any more, and of an exact second no fraction is rounded: each story begins alike.
        clock.time = math.floor(clock() + DAY)
        dynamo.delete_item(TableName=TABLE, Key={"pk": {"S": gate.PK}})
        random.seed(seed)  # the relay's own jitter
        self._chance = random.Random(seed)  # noqa: S311 - a number that failed can be tried again
        self._clock, self._desk, self._another_relay = clock, agent, other_services
        self._turns = Turns(clock)
        rate = self._chance.choice([0.15, 0.4])
        self._line = FaultyLink(agent.account, self._turns, self._chance, troubles=troubles, rate=rate)
        dynamo.before = self._takes_a_moment
        for limit in ("limit_account", "limit_update", "limit_ticket_updates"):
            setattr(agent.account.settings, limit, 100_000)
        agent.id = agent.new(**NEW)
        clock.advance(2)
        person = agent.account.users.add("Person", "person@example.com", "end-user").id
        self._agent = Agent(agent, person, self._chance)
        self._edits, self._pace = edits, self._chance.choice([0.2, 0.7, 2.0])
        self._wishes = [wish(number, size, person, self._chance) for number in range(size)]
        self._since: dict[int, int] = {}
        self._relays = [self._relay() for _ in range(size)]
        self._pollers = [self._relay() for _ in range(pollers)]
        for services in [*self._relays, *self._pollers]:
            services.zendesk.own_user_id(Permit(Deadline.after(3)))  # Waiting for another's token would take real time.
        own_user.remember(self._pollers[0], agent.account.relay.id)

    def play(self) -> Story:
        began = self._clock()
        for number, services in enumerate(self._relays):
            body = self._webhook(number)
            self._turns.begin(partial(self._delivered, services, number, body), after=self._soon())
            if self._chance.random() < 0.15:
                other = self._chance.choice(self._relays)
                self._turns.begin(partial(self._delivered, other, number, body), after=self._soon())
        self._turns.begin(self._edited)
        while True:
            for poller in self._pollers:
                self._turns.begin(partial(self._polled, poller), after=self._chance.uniform(0, 5))
            self._turns.run()
            rows = self._rows()
            due = [row.due_at for row in rows if row.due_at is not None]
            if not due or self._clock() - began > LONGEST:
                break
            self._clock.advance(max(min(due) - self._clock(), 0))
        path = f"/api/v2/tickets/{self._desk.id}*"
        return Story(
            self._agent,
            [Update(wish, row, self._since[wish.number]) for wish, row in zip(self._wishes, rows, strict=True)],
            self._desk.ticket,
            self._desk.account.tickets.audits(self._desk.id),
            self._desk.account.journal.calls(path=path),
        )

    def _relay(self) -> Services:
        """One whose clock is a little wrong."""
        services, wrong = self._another_relay(), self._chance.uniform(-2, 2)
        reached_through(services, self._line)
        return dataclasses.replace(services, now=lambda: self._clock() + wrong, sleep=self._turns.sleep)

    def _soon(self) -> float:
        return self._chance.choice([0.0, 0.0, 0.0, 0.3, 1.0]) + self._chance.random() * 0.1

    def _webhook(self, number: int) -> bytes:
        """What the trigger sends now, to be delivered soon. Its stamp may lack the seconds, or be missing."""
        stamp = self._desk.ticket["updated_at"]
        told = {
            "ticket_id": f"{self._desk.id}",
            "actor_id": f"{self._desk.agent.id}",
            "updated_at": self._chance.choice([stamp, stamp, f"{stamp[:-4]}Z", ""]),
            "number": f"{number}",
        }
        return body_of(told | self._wishes[number].asks)

    def _delivered(self, services: Services, number: int, body: bytes) -> None:
        self._since.setdefault(number, len(self._desk.account.tickets.audits(self._desk.id)))
        headers = signed(body, sender="zendesk", id=f"inv_{number}", at=self._clock())
        webhook.receive(services, headers, body, Deadline.after(ANSWER_WITHIN))

    def _edited(self) -> None:
        for _ in range(self._edits):
            self._turns.sleep(self._chance.expovariate(1 / self._pace))
            self._agent.edit()

    def _polled(self, services: Services) -> None:
        end = self._clock() + RUN
        # Longer than was asked for: each look at what is due takes as long as any.
        run(services, lambda: end - self._clock(), lambda seconds: self._turns.sleep(3 * seconds))

    def _takes_a_moment(self, operation: str, _: dict[str, Any]) -> None:
        if operation in {"put_item", "update_item"}:
            self._turns.sleep(self._chance.choice([0.002, 0.02]))

    def _rows(self) -> list[UpdateRow]:
        store = self._pollers[0].store
        found = [store.get(update_pk(self._desk.id, f"inv_{wish.number}")) for wish in self._wishes]
        return [row for row in found if isinstance(row, UpdateRow)]
