import math
import threading

import pytest

from tests.builders import NOW, ticket_row
from tests.fakes import DOWN, Outage
from tests.fixtures import both_engines
from ticket_relay.errors import StaleRow, StoreUnavailable, WriteRefused
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import DAY, RETENTION, UNFINISHED_RETENTION, TicketState, Work
from ticket_relay.storage.store import Store, Unreadable
from ticket_relay.zendesk.client import Submission

pytestmark = both_engines


@pytest.fixture
def store(table):
    return Store(table)


def claimed(store, event_id="evt_1", **changes):
    row = ticket_row(event_id, **changes)
    assert store.claim(row) is None
    return row


def test_a_row_comes_back_as_it_was(store):
    row = claimed(store, request=b"\x00\xff", error_sentence="é", sent_at=NOW + 0.25)
    assert store.get(row.pk) == row


def test_the_loser_of_a_claim_learns_of_the_winner(store):
    first = claimed(store)
    store.move(first, ticket_states.created(first, 7, NOW))
    winner = store.claim(ticket_row())
    assert (winner.state, winner.ticket_id) == (TicketState.CREATED, 7)


def test_of_many_who_claim_at_once_one_wins(table):
    won, together = [], threading.Barrier(8)

    def claim(number):
        together.wait()
        if Store(table).claim(ticket_row(ticket_id=number)) is None:
            won.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert Store(table).get("ticket#acme#evt_1").ticket_id == won[0]


def test_of_two_who_read_the_same_row_one_moves_it(store):
    row = claimed(store)
    store.move(row, ticket_states.held(row, NOW))
    with pytest.raises(StaleRow):
        store.move(row, ticket_states.failed(row, "late", "Too late.", NOW))
    assert store.get(row.pk) == ticket_states.held(row, NOW)


def test_the_state_counts_as_well_as_the_version(store):
    row = claimed(store)
    other = row.model_copy(update={"state": TicketState.SUBMITTED})
    with pytest.raises(StaleRow):
        store.move(other, ticket_states.created(other, 7, NOW))


def test_a_row_that_is_gone_is_not_made_anew(store):
    row = ticket_row()
    with pytest.raises(StaleRow):
        store.move(row, ticket_states.held(row, NOW))
    assert store.get(row.pk) is None


def test_a_claim_that_landed_although_it_failed_is_lost_to_oneself(store, dynamo):
    dynamo.outages.append(Outage(("put_item",), DOWN, landed=True))
    with pytest.raises(StoreUnavailable):
        store.claim(ticket_row())
    assert store.claim(ticket_row()) == ticket_row()


def test_what_is_due_is_found_in_every_shard_and_nothing_else(store):
    due = {claimed(store, f"evt_{number}").pk for number in range(12)}
    claimed(store, "later", due_at=NOW + 60)
    row = claimed(store, "over")
    store.move(row, ticket_states.created(row, 7, NOW))
    assert {row.pk for row in store.due(Work.SEND, NOW, 100)} == due


def test_the_longest_due_come_first_when_there_are_too_many(store):
    for number in range(10):
        claimed(store, f"evt_{number}", due_at=NOW - number)
    assert {row.event_id for row in store.due(Work.SEND, NOW, limit=2)} == {"evt_9", "evt_8"}


def test_a_row_that_was_moved_behind_the_index_is_left_out(store, dynamo):
    row = claimed(store)

    def move_after_the_query(operation, _request):
        if operation == "batch_get_item":
            dynamo.before = lambda *_: None
            store.move(row, ticket_states.held(row, NOW))

    dynamo.before = move_after_the_query
    assert list(store.due(Work.SEND, NOW, 100)) == []


def test_an_item_that_is_no_row_is_told_of_beside_the_others(store, table):
    row = claimed(store)
    for pk in ("ticket#acme#broken", "unheard#of"):
        table.put({"pk": pk, "due_shard": "send0", "due_at": NOW}, only_if="attribute_not_exists(pk)")
    found = list(store.due(Work.SEND, NOW, 100))
    assert row in found
    assert {it.pk for it in found if isinstance(it, Unreadable)} == {"ticket#acme#broken", "unheard#of"}


def test_signed_content_is_remembered_with_the_row_it_came_for_first(store):
    assert store.first_sight("digest", "update#1#a", NOW, until=NOW) == "update#1#a"
    assert store.first_sight("digest", "update#1#b", NOW, until=NOW) == "update#1#a"
    assert store.first_sight("other", "update#1#b", NOW, until=NOW) == "update#1#b"


@pytest.mark.parametrize(
    ("until", "days"),
    [(NOW + 300, 1 + 300 / DAY), (math.inf, (UNFINISHED_RETENTION + RETENTION) / DAY)],
    ids=["dated", "accepted for ever"],
)
def test_signed_content_is_remembered_as_long_as_it_can_come_again_and_a_row_can_live(store, table, until, days):
    store.first_sight("digest", "ticket#acme#a", NOW, until=until)
    assert table.get("seen#digest")["expires_at"] == int(NOW + days * DAY)


def test_rows_that_wait_to_be_sent_do_not_hide_those_whose_jobs_are_due(store):
    for number in range(5):
        claimed(store, f"waiting_{number}", due_at=NOW - 100)
    row = claimed(store)
    store.move(row, ticket_states.submitted(row, Submission("V3-1", 7), NOW))
    assert [row.event_id for row in store.due(Work.JOB, NOW + 60, limit=1)] == ["evt_1"]
    assert len(list(store.due(Work.SEND, NOW + 60, limit=100))) == 5


def test_attributes_of_a_newer_version_outlive_a_write_of_this_one(store, table):
    row = claimed(store)
    table.update(row.pk, "SET colour = :colour", only_if="attribute_exists(pk)", given={":colour": "red"})
    found = store.get(row.pk)
    store.move(found, ticket_states.held(found, NOW))
    assert table.get(row.pk)["colour"] == "red"
    assert table.get(row.pk)["version"] == 2


def test_a_row_that_is_too_large_is_refused_and_not_taken_for_an_outage(store):
    with pytest.raises(WriteRefused):
        store.claim(ticket_row(request=b"x" * 500_000))
