"""Figures beside their peers': what a ratio is, and when a goal is met."""

import pytest

from local.bench.figures import Figure, Goal, Part


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("calls", 0.10, goal=Goal(0.10)), True),
        (Figure("calls", 0.11, goal=Goal(0.10)), False),
        (Figure("rate", 80, peer=100, goal=Goal(0.80, at_least=True, of_ratio=True)), True),
        (Figure("rate", 79, peer=100, goal=Goal(0.80, at_least=True, of_ratio=True)), False),
        (Figure("seconds", 74, peer=300, goal=Goal(0.25, of_ratio=True)), True),
        (Figure("seconds", 76, peer=300, goal=Goal(0.25, of_ratio=True)), False),
        (Figure("calls", 1.5, peer=3.0, goal=Goal(1.0)), False),  # the relay's own, whatever the peer has
        (Figure("seconds", 76, peer=300), None),
    ],
)
def test_a_goal_is_of_the_ratio_or_of_the_relays_own_figure(figure, met):
    assert figure.met is met


def test_a_figure_is_shown_beside_its_peer():
    figure = Figure("until all exist", 75.04, "{:.0f} s", 300.0, Goal(0.25, of_ratio=True))
    assert figure.cells() == ("until all exist", "75 s", "300 s", "0.25", "≤ 0.25 (ratio): missed")


def test_nothing_is_a_share_of_nothing():
    assert Figure("refused", 2, peer=0).ratio is None


def test_a_part_without_a_peer_has_no_columns_for_one():
    part = Part("Cost", "", (Figure("units", 10, "{:.0f}", goal=Goal(10)),), how="")
    assert part.rows() == [("", "relay", "goal"), ("units", "10", "≤ 10: met")]


def test_a_terminal_sees_every_figure_and_what_limits_them():
    figures = (Figure("one", 1, "{:.0f}", 2), Figure("two", 9, "{:.0f}", goal=Goal(1)))
    table = Part("Burst", "peer", figures, how="", limits=("The\n   engine.",)).table()
    assert (table.row_count, table.caption) == (2, "The engine.")
    assert [row.style for row in table.rows] == [None, "red"]
