"""Redriving rows one at a time, each with its outcome, by the same conditional write that workers use."""

from dataclasses import dataclass

from pydantic import ValidationError

from cli.redrive import NotRedrivable, redrive
from ticket_relay.errors import StaleRow
from ticket_relay.storage.events import Events
from ticket_relay.storage.rows import TicketState, UpdateState
from ticket_relay.storage.store import Store

STATES = (str(TicketState.FAILED), str(TicketState.UNMAPPED), str(UpdateState.CONFLICT))
"""The states that can be redriven: the row has stopped without a ticket or an update."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`redriven`; or the row was not changed, because it was `refused`, `moved` or `gone`."""

    pk: str
    outcome: str
    state: str | None = None
    """The row's state now, as far as is known."""
    attempt: int | None = None
    reason: str | None = None


def again(store: Store, pk: str, now: float, state: str | None = None, *, remap: Events | None = None) -> Outcome:
    """Redrive the row; if a state is given, only if the row is in it. With `remap`, which reads raw events, an event is
    to be mapped anew.

    Raises StoreUnavailable: the row may have been redriven then, and a retry is safe.
    """
    try:
        row = store.get(pk)
    except ValidationError:
        return Outcome(pk, "refused", reason="The item is not a row of this version of the code.")
    if row is None:
        return Outcome(pk, "gone", reason="There is no such row.")
    if state and row.state != state:
        return Outcome(pk, "moved", row.state, row.attempt, f"The row is no longer {state}.")
    try:
        new = redrive(store, row, now, remap=remap)
    except NotRedrivable as error:
        return Outcome(pk, "refused", row.state, row.attempt, error.sentence)
    except StaleRow as error:
        return Outcome(pk, "moved", reason=error.sentence)
    return Outcome(pk, "redriven", new.state, new.attempt)
