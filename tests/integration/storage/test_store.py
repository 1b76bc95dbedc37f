import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import pytest

from tests.builders import NOW, ticket_row
from tests.fakes import DOWN, Outage
from tests.fixtures import both_engines
from ticket_relay.errors import StaleRow, StoreUnavailable, WriteRefused
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import DAY, RETENTION, UNFINISHED_RETENTION, TicketRow, TicketState, Work
from ticket_relay.storage.store import Backlog, Store, Unreadable
from ticket_relay.zendesk.client import Submission

pytestmark = both_engines


@pytest.fixture
def store(table):
    return Store(table)


def claimed(store, event_id="evt_1", **changes):
    row = ticket_row(event_id, **changes)
    assert store.claim(row) is None
    return row


def due(store, until=NOW, limit=100, work=Work.SEND):
    return store.due({work: (until, limit)})[work]


def test_what_another_version_called_otherwise_is_found_all_the_same(store, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(TicketRow, "lacks_files", False)
        row = claimed(store, files=1)
    assert row.work is Work.FILES
    assert due(store, NOW + 60) == [row]


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
    pks = {claimed(store, f"evt_{number}").pk for number in range(12)}
    claimed(store, "later", due_at=NOW + 60)
    row = claimed(store, "over")
    store.move(row, ticket_states.created(row, 7, NOW))
    assert {row.pk for row in due(store)} == pks


def test_the_longest_due_come_first_when_there_are_too_many(store):
    for number in range(10):
        claimed(store, f"evt_{number}", due_at=NOW - number)
    assert {row.event_id for row in due(store, limit=2)} == {"evt_9", "evt_8"}


def test_a_row_that_was_moved_behind_the_index_is_left_out(store, dynamo):
    row = claimed(store)

    def move_after_the_query(operation, _request):
        if operation == "batch_get_item":
            dynamo.before = lambda *_: None
            store.move(row, ticket_states.held(row, NOW))

    dynamo.before = move_after_the_query
    assert due(store) == []


def test_an_item_that_is_no_row_is_told_of_beside_the_others(store, table):
    row = claimed(store)
    for pk in ("ticket#acme#broken", "unheard#of"):
        table.put({"pk": pk, "due_shard": "send0", "due_at": NOW}, only_if="attribute_not_exists(pk)")
    found = due(store)
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
    assert [row.event_id for row in due(store, NOW + 60, 1, Work.JOB)] == ["evt_1"]
    assert len(due(store, NOW + 60)) == 5


def test_attributes_of_a_newer_version_outlive_a_write_of_this_one(store, table):
    row = claimed(store)
    table.update(row.pk, "SET colour = :colour", only_if="attribute_exists(pk)", given={":colour": "red"})
    found = store.get(row.pk)
    store.move(found, ticket_states.held(found, NOW))
    assert table.get(row.pk)["colour"] == "red"
    assert table.get(row.pk)["version"] == 2


def test_a_row_that_is_too_large_is_refused_and_not_taken_for_an_outage(store):
    with pytest.raises(WriteRefused):
        store.claim(ticket_row(request=os.urandom(500_000)))


def submitted(store, **changes):
    row = claimed(store, **changes)
    return store.move(row, ticket_states.submitted(row, Submission("V3-1", 7), NOW))


def test_payloads_are_stored_compressed_and_read_as_they_were(store, table):
    request = b'{"ticket": {"comment": {"body": "' + b"It burns. " * 500 + b'"}}}'
    row = claimed(store, request=request)
    assert len(table.get(row.pk)["request"]) < len(request) / 10
    assert store.get(row.pk).request == request


def test_a_payload_that_was_stored_as_it_is_can_be_read(store, table):
    row = claimed(store)
    table.replace(row.pk, {}, {"request": row.request}, same={"version": 1})
    assert store.get(row.pk) == row


def test_a_row_that_waits_for_a_job_comes_without_its_payload(store):
    row = submitted(store)
    assert due(store, NOW + 60, work=Work.JOB) == [row.stripped()]


def test_the_payload_that_was_not_read_stays_or_is_dropped(store, table):
    row = submitted(store)
    table.update(row.pk, "SET colour = :colour", only_if="attribute_exists(pk)", given={":colour": "red"})
    (read,) = due(store, NOW + 60, work=Work.JOB)
    again = store.move(read, ticket_states.new_attempt(read, "job_failed", "It failed.", NOW))
    assert store.get(row.pk).request == row.request
    store.move(again, ticket_states.created(again, 7, NOW))
    found = store.get(row.pk)
    assert (found.state, found.request, found.due_at) == (TicketState.CREATED, None, None)
    assert table.get(row.pk)["colour"] == "red"
    assert due(store, NOW + 1e6, work=Work.JOB) == due(store, NOW + 1e6) == []


def test_of_two_who_move_a_row_without_its_payload_one_does(store):
    read = submitted(store).stripped()
    store.move(read, ticket_states.created(read, 7, NOW))
    with pytest.raises(StaleRow):
        store.move(read, ticket_states.failed(read, "late", "Too late.", NOW))


def test_rows_that_are_known_are_not_read_again(store, dynamo):
    row = claimed(store)
    other = claimed(store, "other")
    read = []
    dynamo.before = lambda operation, request: read.append(request) if operation == "batch_get_item" else None
    found = store.due({Work.SEND: (NOW, 100)}, known={row.pk: row.due_at, other.pk: other.due_at - 1})
    assert found[Work.SEND] == [other]
    assert store.due({Work.SEND: (NOW, 100)}, known={row.pk: row.due_at, other.pk: other.due_at})[Work.SEND] == []
    assert len(read) == 1


def test_the_oldest_row_is_known_however_late_it_is_due(store):
    assert store.backlog() == Backlog(0, None)
    claimed(store, "long pause", created_at=NOW - 5000, due_at=NOW + 3600)
    claimed(store, "new")
    submitted(store, created_at=NOW - 70)
    over = claimed(store, "over", created_at=NOW - 9000)
    store.move(over, ticket_states.created(over, 7, NOW))
    assert store.backlog() == Backlog(3, NOW - 5000)


@pytest.mark.parametrize("pool", [None, 8])
def test_many_rows_are_moved_each_on_its_own_condition(store, dynamo, pool):
    rows = [claimed(store, f"evt_{number}") for number in range(20)]
    store.move(rows[3], ticket_states.held(rows[3], NOW))
    dynamo.outages.append(Outage(("put_item",), DOWN, fits=lambda put: put["Item"]["event_id"]["S"] == "evt_5"))
    failed = {}
    with ThreadPoolExecutor(pool) if pool else nullcontext() as workers:
        many = store.in_parallel(workers.map) if workers else store
        moves = [(row, ticket_states.created(row, 7, NOW)) for row in rows]
        done = many.move_all(moves, lambda row, error: failed.update({row.event_id: type(error)}))
    assert failed == {"evt_3": StaleRow, "evt_5": StoreUnavailable}
    assert [old.event_id for old, _ in done] == [f"evt_{number}" for number in range(20) if number not in {3, 5}]
    states = [store.get(row.pk).state for row in rows]
    assert states.count(TicketState.CREATED) == 18
