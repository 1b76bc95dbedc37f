"""Idempotency keys of Create Ticket (API introduction, "Idempotency")."""

from dataclasses import dataclass, replace

from .refusals import invalid_attribute
from .wire import Answer, Call, Refusal

_LIFE_SECONDS = 7200


@dataclass(frozen=True)
class _First:
    request: tuple[object, ...]
    answer: Answer
    expires_at: float


class IdempotencyKeys:
    """Keys are the account's (assumption: their scope is not published); only successes are kept (assumption)."""

    def __init__(self) -> None:
        self._first: dict[str, _First] = {}

    def replay(self, key: str, call: Call, now: float) -> Answer | None:
        """The first answer again, or None when the key is new or older than two hours.

        Raises Refusal 400 when the request is not the same; compared byte for byte, the strictest reading of
        "request parameters don't match".
        """
        if len(key) > 255:
            raise invalid_attribute("Idempotency-Key", "must be at most 255 characters", "tickets/create")
        first = self._first.get(key)
        if first is None or first.expires_at <= now:
            return None
        if first.request != _request(call):
            description = "Request parameters don't match the given idempotency key"
            raise Refusal(400, {"error": "IdempotentRequestError", "description": description})
        return replace(first.answer, headers={**first.answer.headers, "x-idempotency-lookup": "hit"})

    def keep(self, key: str, call: Call, answer: Answer, now: float) -> None:
        self._first[key] = _First(_request(call), replace(answer, headers=dict(answer.headers)), now + _LIFE_SECONDS)
        answer.headers["x-idempotency-lookup"] = "miss"


def _request(call: Call) -> tuple[object, ...]:
    return call.body, call.query.get("async") == "true"
