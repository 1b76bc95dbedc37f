import io
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli import shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)


def in_table(stream, *values):
    names = "abcd"[: len(values)]
    shown.as_table(names, [dict(zip(names, values, strict=True))], stream)
    return stream.getvalue()


def test_a_pipe_gets_tabs_and_no_control_characters():
    assert in_table(io.StringIO(), "failed", None, 7, ["a", "b"]) == "a\tb\tc\td\nfailed\t-\t7\ta b\n"


def test_a_terminal_gets_colours():
    assert "\x1b[31mfailed" in in_table(Terminal(), "failed")


def test_a_long_key_is_folded_and_not_cut():
    key = "ticket#acme#" + "0123456789" * 12
    lines = in_table(Terminal(), key).splitlines()[1:]
    assert "".join(line.strip() for line in lines) == key


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_control_characters_of_others_do_not_reach_the_terminal(stream):
    assert "\x1b]0;" not in in_table(stream(), "a\x1b]0;title\x07b\tc\nd")


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_markup_of_others_is_text(stream):
    assert "[red]x[/red]" in in_table(stream(), "[red]x[/red]")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(-5, "5 s ago"), (-125, "2 min ago"), (-7300, "2 h ago"), (-200_000, "2 d ago"), (305, "in 5 min")],
)
def test_a_terminal_tells_how_long_ago(monkeypatch, seconds, said):
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    assert said in in_table(Terminal(), datetime.fromtimestamp(1_000_000 + seconds, UTC))


def test_properties_have_their_time_and_how_long_ago_it_was():
    terminal = Terminal()
    shown.as_fields({"at": datetime.fromtimestamp(1_000_000, UTC)}, terminal)
    assert "1970-01-12 13:46:40Z" in terminal.getvalue()
    assert "ago)" in terminal.getvalue()


def test_a_time_is_told_in_utc():
    at = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    assert shown.iso(at) == "2026-03-01T10:00:00.000Z"


def test_properties_are_aligned_in_a_terminal_and_separated_by_tabs_in_a_pipe():
    pipe, terminal = io.StringIO(), Terminal()
    for stream in (pipe, terminal):
        shown.as_fields({"gate": "open", "closed until": None}, stream)
    assert pipe.getvalue() == "gate\topen\nclosed until\t-\n"
    assert "closed until" in terminal.getvalue()


def test_somebody_elses_text_keeps_its_lines_and_nothing_that_a_terminal_obeys(capsys):
    shown.as_text("one\ntwo\x1b[2J")
    assert capsys.readouterr().out == "one\ntwo\N{REPLACEMENT CHARACTER}[2J\n"
