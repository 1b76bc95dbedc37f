"""docs/schemes.md shows every scheme as settings: they are the ones that are deployed."""

import re

import yaml
from pydantic import TypeAdapter

from tests.builders import ROOT
from ticket_relay.webhooks.presets import NAMES, PRESETS
from ticket_relay.webhooks.scheme import Basic, Bearer, Hmac, Way

PAGE = (ROOT / "docs/schemes.md").read_text()
KINDS: dict[str, type[Way]] = {"hmac": Hmac, "bearer": Bearer, "basic": Basic}


def test_the_page_shows_what_each_name_stands_for():
    shown = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[-1])
    ways = {
        name: tuple(TypeAdapter(KINDS[kind]).validate_python(way[kind]) for way in ways for kind in way)
        for name, ways in shown.items()
    }
    assert ways == {name: scheme.ways for name, scheme in PRESETS.items()}


def test_the_page_has_a_line_for_each_name():
    table = PAGE.partition("|---|")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == NAMES
