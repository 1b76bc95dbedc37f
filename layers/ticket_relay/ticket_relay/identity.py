"""Whose credentials the relay uses: an event that its own user caused is no news, and answering it would go round in
circles.
"""

from contextlib import suppress

from ticket_relay import observability
from ticket_relay.errors import ZendeskError
from ticket_relay.relay import Relay
from ticket_relay.rows import DAY
from ticket_relay.table import ConditionFailed
from ticket_relay.zendesk.transport import Deadline

PK = "identity"
LEARNING_TIME = 1.5
"""Seconds. Not knowing is no harm: an update whose changes are true already is not sent, which ends the circle as
well.
"""


def is_own(relay: Relay, user_id: int | None, by: Deadline) -> bool:
    """Whether this is the relay's own Zendesk user; false as long as that is not known. Raises StoreUnavailable."""
    return user_id is not None and user_id == _own_user_id(relay, by)


def _own_user_id(relay: Relay, by: Deadline) -> int | None:
    """Learned once a day for all functions."""
    now = relay.now()
    known = relay.table.get(PK)
    if known and known["expires_at"] > now:
        return int(known["user_id"])
    try:
        learned = relay.zendesk.own_user_id(Deadline.after(min(LEARNING_TIME, by.left)))
    except ZendeskError as error:
        observability.logger().warning("own user not known", extra={"reason": error.code})
        return None
    if learned is None:
        return None
    with suppress(ConditionFailed):  # Another worker has just learned it, too.
        relay.table.put(
            {"pk": PK, "user_id": learned, "expires_at": int(now + DAY)},
            only_if="attribute_not_exists(pk) OR expires_at <= :now",
            given={":now": int(now)},
        )
    return learned
