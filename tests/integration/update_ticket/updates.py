"""What the crowd wants of its ticket: each wish as the relay is told it, and as what it makes of a ticket.

The second is written down without a line of the relay's: it is what the outcome is judged by.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ticket_relay.definitions.models import UpdateRule

COUNT, SHARED, THEIRS, OWN = 1, 2, 3, 100
"""Custom fields: one that is counted up, one that several set, the agent's, and from 100 on each updater's own."""

NEW = {
    "subject": "Fire",
    "priority": "normal",
    "type": "question",
    "tags": ["stays", "vip", "triage", *(f"del{number}" for number in range(16))],
    "custom_fields": [{"id": COUNT, "value": 0}, {"id": THEIRS, "value": "as it was"}],
    "comment": {"body": "It burns"},
}
SAMPLE = {"event": "e.json", "ticket": "t.json"}
RULES = [
    UpdateRule(
        rule="count",
        sample=SAMPLE,
        changes={
            "custom_fields": [{"id": COUNT, "value": {"$eval": "ticket.custom_fields[0].value + 1"}}],
            "tags": {"add": ["counted${event.number}"]},
        },
    ),
    UpdateRule(
        rule="escalate",
        sample=SAMPLE,
        when="'vip' in ticket.tags && !('escalated' in ticket.tags)",
        changes={
            "priority": {"$if": "ticket.priority == 'low'", "then": "normal", "else": "urgent"},
            "tags": {"add": ["escalated"], "remove": ["triage"]},
            "comment": {"body": "Escalated from ${ticket.priority} [${event.number}]", "public": False},
        },
    ),
    UpdateRule(
        rule="calm",
        sample=SAMPLE,
        when="ticket.priority != 'urgent'",
        changes={
            "type": "incident",
            "tags": {"add": ["was_${ticket.priority}"]},
            "custom_fields": [{"id": SHARED, "value": "${event.number}"}],
        },
    ),
]


@dataclass(frozen=True)
class State:
    """All of a ticket that anybody here changes."""

    subject: str = ""
    priority: str = ""
    type: str = ""
    tags: frozenset[str] = frozenset()
    custom: Mapping[int, Any] = field(default_factory=dict)
    email_ccs: frozenset[int] = frozenset()
    comments: tuple[str, ...] = ()

    def tagged(self, add: tuple[str, ...], remove: tuple[str, ...] = ()) -> "State":
        return replace(self, tags=(self.tags | {*add}) - {*remove})

    def with_fields(self, values: Mapping[int, Any]) -> "State":
        return replace(self, custom={**self.custom, **values})

    def saying(self, comment: str | None) -> "State":
        return replace(self, comments=(*self.comments, comment)) if comment else self


type Outcome = Callable[[State], State | None]


@dataclass(frozen=True)
class Wanted:
    """`asks` goes into the webhook; `outcome` is the ticket after it, None where the condition does not hold. `halves`
    are the outcomes of the two requests that it may take.

    `adds` and `removes` are the tags that it names whatever the ticket is like. Its comment, if any, ends with `word`.
    """

    number: int
    asks: dict[str, Any]
    outcome: Outcome
    adds: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    comments: bool = False
    halves: tuple[Outcome, Outcome] | None = None

    @property
    def word(self) -> str:
        return f"[{self.number}]"


def wish(number: int, size: int, person: int, chance: random.Random) -> Wanted:
    """The wish of one of so many: several want the same, and some undo what others do. `person` may get a copy."""
    kinds = [_values, _own_field, _tags, _tags, _copied, _counted, _counted, _escalated, _calmed]
    return chance.choice(kinds)(number, size, person, chance)


def _note(number: int, chance: random.Random) -> tuple[dict[str, Any], str | None]:
    if chance.random() < 0.5:
        return {}, None
    return {"comment": {"body": f"Note [{number}]", "public": False}}, f"Note [{number}]"


def _values(number: int, _: int, __: int, chance: random.Random) -> Wanted:
    """Needs nothing of the ticket."""
    priority, kind = chance.choice(["low", "high"]), chance.choice(["question", "incident"])
    comment, said = _note(number, chance)
    return Wanted(
        number,
        {"changes": {"priority": priority, "type": kind, **comment}},
        lambda state: replace(state, priority=priority, type=kind).saying(said),
        comments=said is not None,
    )


def _own_field(number: int, _: int, __: int, chance: random.Random) -> Wanted:
    """Sets a field that others set, too."""
    values = {OWN + number: "mine", SHARED: chance.choice(["one", "other"])}
    comment, said = _note(number, chance)
    return Wanted(
        number,
        {"changes": {"custom_fields": [{"id": key, "value": value} for key, value in values.items()], **comment}},
        lambda state: state.with_fields(values).saying(said),
        comments=said is not None,
    )


def _tags(number: int, size: int, _: int, chance: random.Random) -> Wanted:
    """May take away what another adds."""
    other = chance.randrange(size)
    adds = (f"add{number}", *chance.choice([(), ("both",)]))
    removes = (f"del{number}", *([f"add{other}"] if chance.random() < 0.3 and other != number else []))
    comment, said = _note(number, chance)
    return Wanted(
        number,
        {"changes": {"tags": {"add": [*adds], "remove": [*removes]}, **comment}},
        lambda state: state.tagged(adds, removes).saying(said),
        adds,
        removes,
        comments=said is not None,
    )


def _copied(number: int, _: int, person: int, __: random.Random) -> Wanted:
    """An e-mail CC does not go together with an internal note."""
    comment = {"body": f"Note [{number}]", "public": False}

    def copied(state: State) -> State:
        return replace(state, email_ccs=state.email_ccs | {person}, priority="high")

    def noted(state: State) -> State:
        return state.saying(f"Note [{number}]")

    return Wanted(
        number,
        {"changes": {"email_ccs": [{"user_id": person}], "priority": "high", "comment": comment}},
        lambda state: noted(copied(state)),
        comments=True,
        halves=(copied, noted),
    )


def _counted(number: int, *_: object) -> Wanted:
    adds = (f"counted{number}",)
    return Wanted(
        number,
        {"rule": "count"},
        lambda state: state.tagged(adds).with_fields({COUNT: state.custom[COUNT] + 1}),
        adds,
    )


def _escalated(number: int, *_: object) -> Wanted:
    adds, removes = ("escalated",), ("triage",)

    def outcome(state: State) -> State | None:
        if "vip" not in state.tags or "escalated" in state.tags:
            return None
        raised = replace(state, priority="normal" if state.priority == "low" else "urgent")
        return raised.tagged(adds, removes).saying(f"Escalated from {state.priority} [{number}]")

    return Wanted(number, {"rule": "escalate"}, outcome, adds, removes, comments=True)


def _calmed(number: int, *_: object) -> Wanted:
    def outcome(state: State) -> State | None:
        if state.priority == "urgent":
            return None
        return replace(state, type="incident").tagged((f"was_{state.priority}",)).with_fields({SHARED: f"{number}"})

    return Wanted(number, {"rule": "calm"}, outcome)
