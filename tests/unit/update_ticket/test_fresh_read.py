import math
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.zendesk_simulator.clock import moment, stamp
from tests.builders import NOW
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.services import Services
from ticket_relay.update_ticket.fresh_read import TicketReader
from ticket_relay.zendesk.client import Shown
from ticket_relay.zendesk.errors import Conflict, OutcomeUnknown, Unsettled


class World:
    """Two clocks, a ticket with its edits (by Zendesk's clock), and a network that takes its time."""

    def __init__(self, edits: list[float], *, skew: float = 0.0, way: float = 0.05, dated: bool = True) -> None:
        self.now = NOW
        self.edits = edits
        self.skew = skew
        self.way = way
        self.dated = dated
        self.reader: list[float] = []
        self.slept = 0.0

    def show_ticket(self, ticket_id: int, permit: Permit) -> Shown | None:
        self.now += self.way
        looked = self.now + self.skew
        self.reader.append(looked)
        latest = max((edit for edit in self.edits if edit <= looked), default=None)
        self.now += self.way
        if latest is None:
            return None
        return Shown(
            {"id": ticket_id, "updated_at": stamp(latest)}, math.floor(looked + self.way / 2) if self.dated else None
        )

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds

    def read(self, clock_offset: float = -math.inf, *, retries: int = 2) -> dict[str, Any] | None:
        """Read the ticket, again if it was being changed while it was read."""
        services = SimpleNamespace(zendesk=self, now=lambda: self.now, sleep=self.sleep)
        reader = TicketReader(cast("Services", services), not_before=NOW + 1, clock_offset=clock_offset)
        while True:
            try:
                return reader.read(7, Permit(Deadline.after(8)))
            except Unsettled:
                if (retries := retries - 1) == 0:
                    raise


def from_a_poller(edits: list[float], **world: Any) -> World:
    """Long after the webhook came in."""
    made = World(edits, **world)
    made.now += 60
    return made


@settings(max_examples=400)
@given(
    edits=st.lists(st.floats(-1, 5), min_size=1, max_size=8),
    skew=st.floats(-300, 300),
    way=st.floats(0.001, 1.5),
    signed=st.floats(0, 3),
    dated=st.booleans(),
    told=st.booleans(),
)
def test_whatever_the_clocks_say_no_later_change_can_have_the_stamp_that_was_read(signed, told, edits, **world):
    start = NOW + world["skew"]
    made = World([start - 10, *(start + edit for edit in edits)], **world)
    with suppress(Unsettled):
        ticket = made.read(math.floor(start - signed) - NOW if told else -math.inf)
        assert made.reader[-1] >= moment(ticket["updated_at"]) + 1


@given(edit=st.floats(-20, 0), delivery=st.floats(0, 2), skew=st.floats(-300, 300), dated=st.booleans())
def test_one_look_is_enough_for_the_update_that_a_webhook_tells_of(edit, delivery, skew, dated):
    signed = NOW + skew - delivery
    world = World([signed + edit], skew=skew, dated=dated)
    assert world.read(math.floor(signed) - NOW) is not None
    assert len(world.reader) == 1
    assert world.slept < 1.02


def test_a_ticket_that_was_left_alone_for_a_while_is_read_at_once():
    world = from_a_poller([NOW - 600])
    assert world.read() == {"id": 7, "updated_at": stamp(NOW - 600)}
    assert (len(world.reader), world.slept) == (1, 0)


def test_a_ticket_that_was_just_changed_is_read_again_when_its_second_is_over():
    world = from_a_poller([NOW - 600, NOW + 59.9])
    assert world.read() is not None
    assert len(world.reader) == 2
    assert world.reader[1] >= math.floor(NOW + 59.9) + 1


def test_a_server_whose_answers_bear_no_date_is_looked_at_twice():
    world = from_a_poller([NOW - 600], dated=False)
    assert world.read() is not None
    assert len(world.reader) == 2


def test_the_wait_never_exceeds_a_second_whatever_another_workers_clock_wrote():
    world = World([NOW - 600])
    world.now -= 3600
    world.read()
    assert world.slept < 1.02


def test_each_look_at_a_ticket_that_never_comes_to_rest_takes_one_call():
    world = from_a_poller([NOW + 60 + tenth / 10 for tenth in range(100)])
    with pytest.raises(Unsettled):
        world.read(retries=1)
    assert len(world.reader) == 1


def test_after_a_conflict_the_next_look_waits_until_its_second_is_over():
    world = from_a_poller([NOW + 60])
    reader = TicketReader(cast("Services", SimpleNamespace(zendesk=world, now=lambda: world.now, sleep=world.sleep)))
    conflict = Conflict(409, "UpdateConflict", "Changed.")
    conflict.at = math.floor(world.now)
    reader.after(conflict)
    assert reader.read(7, Permit(Deadline.after(8))) is not None
    assert len(world.reader) == 1


def test_a_ticket_that_is_not_there_is_none():
    assert World([]).read() is None


@pytest.mark.parametrize("updated_at", [None, "", "yesterday", 7])
def test_a_ticket_that_does_not_say_when_it_was_updated_cannot_be_updated_safely(updated_at, monkeypatch):
    world = World([])
    monkeypatch.setattr(world, "show_ticket", lambda *_: Shown({"id": 7, "updated_at": updated_at}, NOW))
    with pytest.raises(OutcomeUnknown):
        world.read()
