"""docs/performance.md: each part has its section, and one that is measured again takes the place of the old one."""

import datetime as dt
import platform

from local.bench import page
from local.bench.figures import Figure, Goal, Part

MONDAY, TUESDAY = dt.date(2026, 11, 23), dt.date(2026, 11, 24)
BURST = Part(
    "Burst", "one by one", (Figure("until all exist", 60, "{:.0f} s", 300, Goal(0.25, of_ratio=True)),), "How."
)
DRAIN = Part("Drain", "the jobs", (Figure("rate", 200, "{:.0f}", 238),), "How else.", limits=("One\n   process.",))


def test_a_section_says_how_what_and_when():
    text = page.written([DRAIN], "", MONDAY, "2 processors")
    _, section = text.split("## Drain\n")
    assert section == (
        "\nHow else.\n\n"
        "|  | relay | the jobs | ratio | goal |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| rate | 200 | 238 | 0.84 |  |\n\n"
        "What limits it:\n\n- One process.\n\nMeasured on 2026-11-23: 2 processors.\n"
    )


def test_a_part_that_limits_nothing_names_nothing():
    assert "What limits it" not in page.written([BURST], "", MONDAY, "here")


def test_a_part_that_is_measured_again_replaces_its_section_alone():
    old = page.written([BURST, DRAIN], "", MONDAY, "old")
    new = page.written([BURST], old, TUESDAY, "new")
    assert new.count("## Burst") == new.count("## Drain") == 1
    assert new.index("## Burst") < new.index("## Drain")
    assert new.split("## Drain")[1] == old.split("## Drain")[1]
    assert "Measured on 2026-11-24: new." in new


def test_the_sections_have_their_order_whichever_was_measured_first():
    text = page.written([BURST], page.written([DRAIN], "", MONDAY, "here"), MONDAY, "here")
    assert text.index("## Burst") < text.index("## Drain")


def test_writing_the_same_again_changes_nothing():
    once = page.written([BURST, DRAIN], "", MONDAY, "here")
    assert page.written([BURST, DRAIN], once, MONDAY, "here") == once


def test_no_line_is_longer_than_the_others_docs():
    long = Part("Burst", "peer", (Figure("one", 1),), "word " * 100, limits=("word " * 100,))
    assert max(map(len, page.written([long], "", MONDAY, "here").splitlines())) <= 140


def test_the_machine_is_described_but_not_named():
    assert platform.machine() in page.machine()
    assert platform.node() not in page.machine()
