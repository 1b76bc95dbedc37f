"""Several updaters and an agent at one ticket, in every order that chance finds."""

import random
import threading
from collections.abc import Callable
from functools import partial

import pytest

from tests.integration.update.desk import Desk
from ticket_relay import update
from ticket_relay.rows import UpdateRow, update_pk
from ticket_relay.zendesk.transport import Deadline


class Turns:
    """Several workers, of which one at a time goes on to its next call of Zendesk. Whose turn it is, chance decides."""

    def __init__(self, chance: random.Random, between: Callable[[], None]) -> None:
        self._chance = chance
        self._between = between
        self._turn = threading.Condition()
        self._waiting: set[int] = set()
        self._alive: set[int] = set()
        self._on: int | None = None

    def take(self) -> None:
        """Called by a worker before it goes on."""
        with self._turn:
            me = threading.get_ident()
            self._waiting.add(me)
            self._turn.notify_all()
            assert self._turn.wait_for(lambda: self._on == me, timeout=10)
            self._on = None
            self._waiting.remove(me)

    def run(self, *work: Callable[[], object]) -> None:
        def worker(task: Callable[[], object]) -> None:
            with self._turn:
                self._alive.add(threading.get_ident())
            self.take()
            try:
                task()
            finally:
                with self._turn:
                    self._alive.remove(threading.get_ident())
                    self._turn.notify_all()

        threads = [threading.Thread(target=worker, args=(task,), daemon=True) for task in work]
        for thread in threads:
            thread.start()
        started = len(threads)
        with self._turn:
            assert self._turn.wait_for(lambda: len(self._waiting) == started, timeout=10)
            while self._alive:
                self._between()
                self._on = self._chance.choice(sorted(self._waiting))
                self._turn.notify_all()
                assert self._turn.wait_for(lambda: self._on is None and self._waiting == self._alive, timeout=10)


class Editing:
    """An agent who edits now and then: tags and a subject that nobody else touches."""

    def __init__(self, desk: Desk, chance: random.Random) -> None:
        self._desk = desk
        self._chance = chance
        self.tags = {"stays"}
        self.subject = desk.ticket["subject"]

    def perhaps(self) -> None:
        self._desk.clock.advance(self._chance.choice([0, 0.1, 0.3, 0.6]))
        match self._chance.randrange(8):
            case 0 | 1:
                tag = f"theirs{self._chance.randrange(100)}"
                self.tags.add(tag)
                self._desk.tag(tag)
            case 2:
                tag = self._chance.choice(sorted(self.tags))
                self.tags.remove(tag)
                self._desk.edit(remove_tags=[tag])
                self._desk.tag("stays")
                self.tags.add("stays")
            case 3:
                self.subject = f"Subject {self._chance.random()}"
                self._desk.edit(subject=self.subject)


@pytest.mark.parametrize("seed", range(12))
def test_whoever_edits_at_whatever_moment_every_change_survives(seed, another_relay, webhook, desk, wire):
    """Each touches other tags and fields than the others: so the result is the same in whatever order they came."""
    chance = random.Random(seed)  # noqa: S311 - a number that failed can be tried again
    desk.account.settings.limit_ticket_updates = 1000
    relays = [another_relay() for _ in range(chance.randint(2, 4))]
    desk.edit(tags=["stays", *(f"del{number}" for number in range(len(relays)))])
    agent = Editing(desk, chance)
    turns = Turns(chance, agent.perhaps)
    for relay in relays:
        relay.zendesk.own_user_id(Deadline.after(3))  # Waiting for another's token would take real time.
    wire.before = lambda _: turns.take()

    def begin(number: int) -> None:
        changes = {"tags": {"add": [f"add{number}"], "remove": [f"del{number}"]}, "comment": {"body": f"Note {number}"}}
        webhook(f"inv_{number}", by=relays[number], changes=changes, updated_at="")

    def rows() -> list[UpdateRow]:
        found = [relays[0].store.get(update_pk(desk.id, f"inv_{number}")) for number in range(len(relays))]
        return [row for row in found if isinstance(row, UpdateRow)]

    turns.run(*(partial(begin, number) for number in range(len(relays))))
    while due := [row for row in rows() if row.due_at is not None]:
        desk.clock.advance(max(0, *(row.due_at - desk.clock() for row in due)))
        turns.run(
            *(partial(update.resume, relay, [row], Deadline.after(8)) for relay, row in zip(relays, due, strict=False))
        )

    assert [row.state for row in rows()] == ["applied"] * len(relays)
    assert set(desk.ticket["tags"]) == agent.tags | {f"add{number}" for number in range(len(relays))}
    assert desk.ticket["subject"] == agent.subject
    assert sorted(desk.comments[1:]) == [f"Note {number}" for number in range(len(relays))]
