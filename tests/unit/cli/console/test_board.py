import pytest

from cli.console.board import Board, Brief, Filter

NOW = 1_795_300_000.0


def row(name="evt_1", state="accepted", version=1, at=NOW, **more):
    return Brief(f"ticket#acme#{name}", state, version, at, at, **({"partner": "acme"} | more))


def test_the_latest_version_of_a_row_stays_in_whatever_order_they_come():
    board = Board()
    for version in (2, 3, 1):
        board.put(row(state=f"state {version}", version=version))
    assert board.get("ticket#acme#evt_1").state == "state 3"


def test_its_version_changes_with_what_is_shown_and_only_then():
    board = Board()
    board.put(row(version=2))
    seen = board.version
    board.put(row(version=2))
    board.put(row(version=1))
    board.remove("ticket#acme#nothing")
    board.keep({"ticket#acme#evt_1"})
    assert board.version == seen
    board.remove("ticket#acme#evt_1")
    assert board.version > seen


def test_the_newest_come_first_page_by_page():
    board = Board()
    for number in range(5):
        board.put(row(f"evt_{number}", at=NOW + number))
    rows, matched = board.select(Filter(), 1, 2)
    assert ([it.name for it in rows], matched) == (["evt_3", "evt_2"], 5)


def test_a_ticket_is_found_by_its_number():
    board = Board()
    board.put(row("evt_1", ticket_id=7))
    board.put(row("evt_2", ticket_id=77))
    rows, _ = board.select(Filter(text="7"), 0, 9)
    assert [it.name for it in rows] == ["evt_1"]


@pytest.mark.parametrize(
    "item",
    [
        {"pk": "gate", "state": "closed", "created_at": 1},
        {"pk": "ticket#acme#x"},
        {"pk": "correlation#acme#x", "state": "x", "created_at": 1},
    ],
)
def test_what_is_no_row_is_left_out(item):
    assert Brief.of(item) is None


def test_names_may_hold_the_separator():
    assert Brief.of({"pk": "ticket#acme#a#b", "state": "created", "created_at": 1}).name == "a#b"
