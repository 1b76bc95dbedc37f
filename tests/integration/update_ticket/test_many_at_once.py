"""Several updaters and an agent at one ticket, in every order that chance finds."""

import random
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from tests.integration.update_ticket.oracle import check_story, needless
from tests.integration.update_ticket.updaters import Story, Updaters
from tests.integration.update_ticket.updates import RULES
from ticket_relay.changes import conflicts
from ticket_relay.definitions import loader
from ticket_relay.rate_limits import permit
from ticket_relay.update_ticket import safe_update
from ticket_relay.update_ticket.fresh_read import TicketReader
from ticket_relay.zendesk import transport

type Play = Callable[..., Story]


@pytest.fixture
def play(agent, clock, dynamo, other_services, monkeypatch) -> Iterator[Play]:
    """The story of many updaters, from the number that decides all of it."""
    monkeypatch.setattr(loader, "rules", lambda: {rule.rule: rule for rule in RULES})
    # Deadlines are kept by the real clock: how fast a machine is must not decide how far anybody gets.
    for module in (transport, permit):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock, time=clock))

    def tell(seed: int, size: int, *, troubles: int | None = None, edits: int = 20, pollers: int = 2) -> Story:
        most = size + 4 if troubles is None else troubles
        updaters = Updaters(
            agent, clock, dynamo, other_services, seed=seed, size=size, troubles=most, edits=edits, pollers=pollers
        )
        return updaters.play()

    before = random.getstate()
    yield tell
    random.setstate(before)


@pytest.mark.parametrize(("size", "seed"), [*((2, seed) for seed in range(4)), *((8, seed) for seed in range(2))])
def test_whoever_edits_at_whatever_moment_every_change_survives(play, size, seed):
    """See oracle.py for what that means, and faulty_link.py for what goes wrong meanwhile."""
    check_story(play(seed, size))


@pytest.mark.parametrize("seed", range(2))
def test_among_sixteen_updaters_every_change_survives(play, seed):
    check_story(play(seed, 16))


def _without_stamp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_update, "safe", lambda plan, _: safe_update.marked(plan.update, plan.markers))


def _without_waiting_for_the_second_to_be_over(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(reader: TicketReader, ticket_id: int, allowed: permit.Permit) -> dict | None:
        shown = reader.services.zendesk.show_ticket(ticket_id, allowed)
        return shown.ticket if shown else None

    monkeypatch.setattr(TicketReader, "read", read)


def _without_looking_for_markers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conflicts, "markers_of", lambda _: frozenset())


@pytest.mark.parametrize(
    ("broken", "found", "first"),
    [
        (_without_stamp, "landed on another ticket|its condition does not hold", 0),
        (_without_waiting_for_the_second_to_be_over, "landed on another ticket|its condition does not hold", 1),
        (_without_looking_for_markers, "landed twice|has landed, but is", 2),
    ],
    ids=["stamp", "second", "markers"],
)
def test_a_relay_without_one_of_its_protections_is_found_out(play, monkeypatch, broken, found, first):
    """In some of ten stories; the `first` that shows it is told first."""

    def stories() -> None:
        for seed in range(first, first + 10):
            check_story(play(seed, 8))

    broken(monkeypatch)
    with pytest.raises(AssertionError, match=found):
        stories()


def test_a_story_is_told_again_by_its_number(play):
    def told(story: Story) -> list[tuple[str, int | None, float]]:
        return [(call.method, call.status, call.at - story.calls[0].at) for call in story.calls]

    assert told(play(1, 8)) == told(play(1, 8))


@pytest.mark.parametrize("size", [2, 16])
def test_where_nothing_fails_a_decision_that_is_sent_takes_two_calls_and_a_look_in_vain_takes_one(play, size):
    """A look may be in vain if the ticket has changed within the same second or the one before, since Zendesk's clock
    is known to the second; and it is if it shows that there is nothing to do. Nobody looks at audits.

    All of it together is no more than four calls for each update, however many there are.
    """
    story = play(0, size, troubles=0, edits=0, pollers=1)
    check_story(story)
    changed: set[int] = set()
    reader = sent = early = 0
    for call in story.calls:
        if call.method == "PUT":
            sent += 1
            changed |= {int(call.at)} if call.status == 200 else set()
        else:
            assert call.path.endswith(f"/{story.ticket['id']}")
            reader += 1
            early += not changed.isdisjoint({int(call.at), int(call.at) - 1})
    assert reader <= sent + early + needless(story)
    assert reader + sent <= 4 * size
