"""The figures of a run."""

from collections import Counter

from rich.console import Console
from rich.table import Table

from tests.e2e.chaos.run import Outcome


def show(outcome: Outcome, console: Console) -> None:
    """Print what was done to the relay, what it did, and what was wrong in the end."""
    states, calls = outcome.states, outcome.calls
    events = states.total()
    table = Table("what", "figure", title=outcome.task.name, title_justify="left")
    rows = {
        "events": f"{events} ({_listed(states)})",
        "agents' tickets": _listed(outcome.watched),
        "deliveries": f"{outcome.answers.total()} ({_listed(outcome.answers)})",
        "sent in, drained in": f"{outcome.sending:.0f} s, {outcome.draining:.0f} s",
        "calls of Zendesk": f"{calls_total(calls)} ({_listed(calls)})",
        "calls for each ticket": f"{calls_total(calls) / max(1, states['created']):.2f}",
        "the gate": _listed(outcome.gate) or "never closed",
        "calls while it was closed": f"{outcome.gate['knocks']} beyond {outcome.gate['under way']} under way",
        "faults": str(outcome.injected.total()),
    }
    for name, figure in rows.items():
        table.add_row(name, figure)
    for name, times in sorted(outcome.injected.items()):
        table.add_row(f"  {name}", str(times))
    console.print(table)
    for violation in outcome.violations:
        console.print(
            f"BROKEN {violation.about}: {violation.sentence}", style="bold red", markup=False, highlight=False
        )
        for line in violation.row.splitlines():
            console.print(f"       {line}", markup=False, highlight=False)
    console.print(
        f"{outcome.task.name}: " + (f"{len(outcome.violations)} promises broken" if outcome.violations else "kept"),
        style="bold",
    )


def calls_total(calls: Counter[str]) -> int:
    return calls.total() - calls["creates repeated"]


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counter.most_common())
