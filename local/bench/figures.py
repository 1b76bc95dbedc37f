"""What a part of the bench found: figures beside their peers', with goals, and what was lost or doubled on the way."""

from dataclasses import dataclass, field

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure is to come to: at most `limit`, or at least. Of the ratio to the peer, or of the relay's own."""

    limit: float
    at_least: bool = False
    of_ratio: bool = False

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{' (ratio)' if self.of_ratio else ''}"


@dataclass(frozen=True, slots=True)
class Figure:
    """`relay` and `peer` in one unit, which `form` (of `str.format`) shows."""

    name: str
    relay: float
    form: str = "{:.2f}"
    peer: float | None = None
    goal: Goal | None = None

    @property
    def ratio(self) -> float | None:
        """The relay's share of the peer's."""
        return self.relay / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is; None where there is none."""
        if self.goal is None:
            return None
        value = self.ratio if self.goal.of_ratio else self.relay
        if value is None:
            return None
        return value >= self.goal.limit if self.goal.at_least else value <= self.goal.limit

    def cells(self) -> tuple[str, ...]:
        """Name, relay, peer, ratio, goal."""
        peer = "" if self.peer is None else self.form.format(self.peer)
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        goal = "" if self.goal is None else f"{self.goal}: {'met' if self.met else 'missed'}"
        return self.name, self.form.format(self.relay), peer, ratio, goal


@dataclass(frozen=True, slots=True)
class Part:
    """All of one part. `how` says how it was measured, `limits` what kept the figures from being better."""

    title: str
    peer: str
    figures: tuple[Figure, ...]
    how: str
    limits: tuple[str, ...] = ()
    broken: tuple[str, ...] = field(default=())
    """Promises that did not hold: then no figure counts."""

    def rows(self) -> list[tuple[str, ...]]:
        """The table, from its headings on; a part without a peer has no columns for one."""
        rows = [("", "relay", self.peer, "ratio", "goal"), *(figure.cells() for figure in self.figures)]
        return rows if self.peer else [(*row[:2], row[-1]) for row in rows]

    def table(self) -> Table:
        """For a terminal. A goal that was missed is red."""
        headings, *rows = self.rows()
        shown = Table(*headings, title=self.title, title_justify="left", caption_justify="left")
        shown.caption = "\n".join(map(one_line, self.limits))
        for figure, row in zip(self.figures, rows, strict=True):
            shown.add_row(*row, style="red" if figure.met is False else None)
        return shown


def one_line(text: str) -> str:
    """A text that was written over several lines of a module."""
    return " ".join(text.split())
