import json
import math
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.zendesk.clock import moment, stamp
from tests.builders import NOW
from ticket_relay import update, update_states
from ticket_relay.errors import Conflict, Uncertain
from ticket_relay.relay import Relay
from ticket_relay.zendesk.client import Shown
from ticket_relay.zendesk.transport import Deadline

ROW = update_states.claimed("update#7#inv_1", 7, "inv_1", b"{}", NOW, closed_until=None)


class World:
    """Two clocks, a ticket with its edits (by Zendesk's clock), and a network that takes its time."""

    def __init__(self, edits: list[float], *, skew: float = 0.0, way: float = 0.05, dated: bool = True) -> None:
        self.now = NOW
        self.edits = edits
        self.skew = skew
        self.way = way
        self.dated = dated
        self.looks: list[float] = []
        self.slept = 0.0

    def show_ticket(self, ticket_id: int, by: Deadline) -> Shown | None:
        self.now += self.way
        looked = self.now + self.skew
        self.looks.append(looked)
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

    def read(self, ahead: float = -math.inf, left: float = 8.0) -> dict[str, Any] | None:
        relay = SimpleNamespace(zendesk=self, now=lambda: self.now, sleep=self.sleep)
        return update._read(cast("Relay", relay), ROW, Deadline.after(left), ahead)


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
    with suppress(Conflict):
        ticket = made.read(math.floor(start - signed) - NOW if told else -math.inf)
        assert made.looks[-1] >= moment(ticket["updated_at"]) + 1


@given(edit=st.floats(-20, 0), delivery=st.floats(0, 2), skew=st.floats(-300, 300), dated=st.booleans())
def test_one_look_is_enough_for_the_update_that_a_webhook_tells_of(edit, delivery, skew, dated):
    signed = NOW + skew - delivery
    world = World([signed + edit], skew=skew, dated=dated)
    assert world.read(math.floor(signed) - NOW) is not None
    assert len(world.looks) == 1
    assert world.slept < 1.02


def test_a_ticket_that_was_left_alone_for_a_while_is_read_at_once():
    world = from_a_poller([NOW - 600])
    assert world.read() == {"id": 7, "updated_at": stamp(NOW - 600)}
    assert (len(world.looks), world.slept) == (1, 0)


def test_a_ticket_that_was_just_changed_is_read_again_when_its_second_is_over():
    world = from_a_poller([NOW - 600, NOW + 59.9])
    assert world.read() is not None
    assert len(world.looks) == 2
    assert world.looks[1] >= math.floor(NOW + 59.9) + 1


def test_a_server_whose_answers_bear_no_date_is_looked_at_twice():
    world = from_a_poller([NOW - 600], dated=False)
    assert world.read() is not None
    assert len(world.looks) == 2


def test_the_wait_never_exceeds_a_second_whatever_another_workers_clock_wrote():
    world = World([NOW - 600])
    world.now -= 3600
    world.read()
    assert world.slept < 1.02


def test_a_ticket_that_never_comes_to_rest_is_a_conflict():
    world = from_a_poller([NOW + 60 + tenth / 10 for tenth in range(100)])
    with pytest.raises(Conflict):
        world.read()
    assert len(world.looks) == update.ROUNDS


def test_no_time_is_waited_away_that_the_update_would_need():
    world = from_a_poller([NOW + 59.9])
    with pytest.raises(Conflict):
        world.read(left=1.0)
    assert world.slept == 0


def test_a_ticket_that_is_not_there_is_none():
    assert World([]).read() is None


@pytest.mark.parametrize("updated_at", [None, "", "yesterday", 7])
def test_a_ticket_that_does_not_say_when_it_was_updated_cannot_be_updated_safely(updated_at, monkeypatch):
    world = World([])
    monkeypatch.setattr(world, "show_ticket", lambda *_: Shown({"id": 7, "updated_at": updated_at}, NOW))
    with pytest.raises(Uncertain):
        world.read()


def safe(changes: dict[str, Any]) -> dict[str, Any]:
    return json.loads(update._safe(changes, "2026-11-21T22:00:00Z", "mark"))


def test_an_update_is_safe_stamped_and_marked():
    assert safe({"priority": "high"}) == {
        "ticket": {
            "priority": "high",
            "safe_update": True,
            "updated_stamp": "2026-11-21T22:00:00Z",
            "metadata": {"ticket_relay": "mark"},
        }
    }


def test_the_rules_own_metadata_is_kept_beside_the_marker():
    assert safe({"metadata": {"batch": 7}})["ticket"]["metadata"] == {"batch": 7, "ticket_relay": "mark"}


@given(
    st.dictionaries(st.sampled_from(["safe_update", "updated_stamp", "priority"]), st.sampled_from([False, None, ""]))
)
def test_nothing_turns_the_safety_off(changes):
    ticket = safe(changes)["ticket"]
    assert ticket["safe_update"] is True
    assert ticket["updated_stamp"] == "2026-11-21T22:00:00Z"


@pytest.mark.parametrize(
    ("metadata", "landed"),
    [
        ({"custom": {"ticket_relay": ROW.marker}}, True),
        ({"custom": {"ticket_relay": ROW.marker, "batch": 7}, "system": {}}, True),
        ({"custom": {"ticket_relay": "another"}}, False),
        ({"custom": {}}, False),
        ({"custom": None}, False),
        (None, False),
    ],
)
def test_an_update_is_recognised_by_its_own_marker(metadata, landed):
    audits = [{"id": 1, "metadata": {"system": {}}}, {"id": 2, "metadata": metadata}, {"id": 3}]
    relay = SimpleNamespace(zendesk=SimpleNamespace(audits=lambda *_: iter(audits)))
    assert update._landed(cast("Relay", relay), ROW, Deadline.after(1)) is landed


def test_two_updates_of_one_ticket_have_different_markers():
    other = update_states.claimed("update#7#inv_2", 7, "inv_2", b"{}", NOW, closed_until=None)
    assert ROW.marker != other.marker
