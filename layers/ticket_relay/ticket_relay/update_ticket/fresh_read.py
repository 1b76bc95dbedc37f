"""A ticket read so that its stamp can tell of every later change.

Stamps have whole seconds: a change made later within the second of the last one would leave `updated_at` as it is. So a
ticket is read when that second is over, by Zendesk's own clock. Of our clock only durations are used: Zendesk's has at
least reached the times that it told us.
"""

import math
from dataclasses import dataclass

from ticket_relay.rate_limits.permit import Permit
from ticket_relay.services import Services
from ticket_relay.zendesk import timestamps
from ticket_relay.zendesk.client import Shown, Ticket
from ticket_relay.zendesk.errors import Conflict, OutcomeUnknown, Unsettled


@dataclass(slots=True)
class TicketReader:
    """One worker's reads of tickets. Each costs a call; one that comes too early is Unsettled.

    `not_before` is when the next read makes sense, in epoch seconds. `clock_offset` is by how many seconds, at
    least, Zendesk's clock is ahead of ours; negative where it may be behind.
    """

    services: Services
    not_before: float = 0.0
    clock_offset: float = -math.inf

    def wait(self) -> float:
        """Seconds until the next read makes sense. Never more than one, whatever another worker's clock wrote."""
        return min(max(self.not_before - self.services.now(), 0.0), 1.0)

    def after(self, conflict: Conflict) -> None:
        """Another user has just changed the ticket: that second is over in a second."""
        now = self.services.now()
        self.not_before = max(self.not_before, now + 1)
        if conflict.at is not None:
            self.clock_offset = max(self.clock_offset, conflict.at - now)

    def read(self, ticket_id: int, permit: Permit) -> Ticket | None:
        """The ticket; None if there is none. Raises Unsettled where it was being changed while it was read."""
        if (left := self.wait()) > 0:
            self.services.sleep(left + 0.01)  # so that rounding does not cost another read
        read_at = self.services.now()
        shown = self.services.zendesk.show_ticket(ticket_id, permit)
        if shown is None:
            return None
        settled_at = self.settled_at(shown)
        if read_at < settled_at:
            self.not_before = settled_at
            raise Unsettled
        return shown.ticket

    def settled_at(self, shown: Shown) -> float:
        """By our clock, when the second of the ticket's last update is over at the latest. Raises OutcomeUnknown."""
        updated = timestamps.parse(shown.ticket.get("updated_at"))
        if updated is None:
            raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's ticket does not say when it was updated.")
        second = math.floor(updated.instant.timestamp())
        self.clock_offset = max(
            self.clock_offset, second - self.services.now(), (shown.at or second) - self.services.now()
        )
        return second + 1 - self.clock_offset
