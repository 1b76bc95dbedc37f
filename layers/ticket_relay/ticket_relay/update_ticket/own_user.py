"""Whose credentials the relay uses: an event that its own user caused is no news, and answering it would go round in
circles. Learned once a day for all functions, from Zendesk's word or from the author of an update of ours.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ticket_relay import observability
from ticket_relay.rate_limits.permit import Permit
from ticket_relay.services import Services
from ticket_relay.storage.dynamodb import ConditionFailed
from ticket_relay.storage.rows import DAY
from ticket_relay.zendesk.errors import OutcomeUnknown, Rejected

PK = "identity"
LEARNING_TIME = 1.5


def known(services: Services) -> int | None:
    """The relay's own user, where it was learned already. Raises StoreUnavailable."""
    item = services.table.get(PK)
    return int(item["user_id"]) if item and item["expires_at"] > services.now() else None


def learned(services: Services, permit: Permit) -> int | None:
    """Call Zendesk; None where it does not say. Raises StoreUnavailable, Throttled and NotSent.

    Not knowing costs one round at most: the answer to our update names its author, who is learned then.
    """
    try:
        user_id = services.zendesk.own_user_id(permit.within(LEARNING_TIME))
    except (OutcomeUnknown, Rejected) as error:
        observability.logger().warning("own user not known", extra={"reason": error.code})
        return None
    if user_id is not None:
        remember(services, user_id)
    return user_id


def remember_author(services: Services, author_id: int | None, update: Mapping[str, Any]) -> None:
    """The author of an update's audit is our own user, unless its comment was written in another's name: whose audit
    that is, is not published.
    """
    if author_id is not None and "author_id" not in update.get("comment", {}):
        remember(services, author_id)


def remember(services: Services, user_id: int) -> None:
    now = services.now()
    with suppress(ConditionFailed):  # Another worker has just learned it, too.
        services.table.put(
            {"pk": PK, "user_id": user_id, "expires_at": int(now + DAY)},
            only_if="attribute_not_exists(pk) OR expires_at <= :now",
            given={":now": int(now)},
        )
