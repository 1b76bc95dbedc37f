"""Whether each event has its one ticket, and what it took: read from the simulated account, which hides nothing."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

from local.zendesk_simulator.journal import Entry


def broken(expected: Collection[str], tickets: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Sentences about promises that did not hold, for the external ids that were sent."""
    made = Counter(str(ticket["external_id"]) for ticket in tickets)
    lost = sum(name not in made for name in expected)
    doubled = sum(made[name] > 1 for name in expected)
    found = (f"{lost} events of {len(expected)} have no ticket.", lost), (f"{doubled} events have several.", doubled)
    return tuple(sentence for sentence, number in found if number)


def refused(calls: Iterable[Entry]) -> int:
    """How often Zendesk said that it was too much."""
    return sum(call.status == 429 for call in calls)


def kinds(calls: Iterable[Entry]) -> str:
    """A sentence: how many calls of which endpoint."""
    counted = Counter(f"{call.method} {_endpoint(call.path)}" for call in calls)
    return f"Calls to Zendesk: {', '.join(f'{number} {kind}' for kind, number in counted.most_common())}."


def _endpoint(path: str) -> str:
    """Without ids: `tickets/{id}`."""
    words = path.removeprefix("/api/v2/").removesuffix(".json").split("/")
    return "/".join("{id}" if word.isdigit() or word.startswith("V3-") else word for word in words)
