"""docs/performance.md, made of what was measured: a part that was measured again takes the place of the old one."""

import datetime as dt
import os
import platform
import re
import textwrap
from collections.abc import Sequence

from local.artefacts import ROOT
from local.bench.figures import Part

PAGE = ROOT / "docs" / "performance.md"

TITLES = ("Burst", "Drain", "Cost of a ticket", "Intake", "Cold start")
"""In the order of the page."""

_WIDTH = 140
_TITLE = "# Performance"
_INTRODUCTION = """`make bench` measures the relay beside its peers and writes this page. It runs the local stack: the
    functions in Lambda's own runtime, with a simulated Zendesk. It takes about ten minutes."""
_USAGE = """\
```sh
make bench                      # all parts
make bench ARGS="burst units"   # some of them; the others stay as they are here
make bench ARGS=--quick         # much less of everything; with other numbers than the usual this page is left alone
make bench ARGS=--help
```"""
_READING = """**Compare the ratios.** Seconds are those of one machine, on which the relay shares the processors with
    the simulator, the partners and a DynamoDB that is not Amazon's service. A ratio compares two ways on the same
    machine. If an event has no ticket or several, the bench fails and writes nothing."""
_HEADING = re.compile(r"^## (.+)$", re.MULTILINE)


def machine() -> str:
    """What a reader needs to know of this machine, and nothing that names it."""
    return (
        f"{os.cpu_count()} processors ({platform.machine()}), {platform.system()}, Python {platform.python_version()}"
    )


def written(parts: Sequence[Part], old: str, today: dt.date, where: str) -> str:
    """The page with these parts, measured today on a machine such as `machine` says, and the others of the old page."""
    sections = _sections(old) | {part.title: _section(part, today, where) for part in parts}
    texts = [f"## {title}\n\n{sections[title].strip()}" for title in TITLES if title in sections]
    return "\n\n".join([_TITLE, _filled(_INTRODUCTION), _USAGE, _filled(_READING), *texts]) + "\n"


def _sections(page: str) -> dict[str, str]:
    """The texts under the headings."""
    _, *found = _HEADING.split(page)
    return dict(zip(found[::2], found[1::2], strict=True))


def _section(part: Part, today: dt.date, where: str) -> str:
    headings, *rows = part.rows()
    ruled = [headings, ("---",) * len(headings), *rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in ruled)
    texts = [_filled(part.how), table]
    if part.limits:
        texts += ["What limits it:", "\n".join(_filled(limit, "- ") for limit in part.limits)]
    return "\n\n".join([*texts, f"Measured on {today:%Y-%m-%d}: {where}."])


def _filled(text: str, first: str = "") -> str:
    words = " ".join(text.split())
    return textwrap.fill(
        words, _WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
    )
