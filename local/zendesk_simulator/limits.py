"""Rate limits: fixed windows that begin with the first call in them (assumption: documentation names only the rates).

Headers: `X-Rate-Limit*` and `ratelimit-*` for the account (rate limits), `Zendesk-RateLimit-{endpoint}` for endpoints
(Tickets reference). A refused call does not count (assumption).
"""

import math
from dataclasses import dataclass

from .refusals import too_many_requests
from .settings import Settings


@dataclass(frozen=True)
class _Rate:
    name: str
    total: int
    seconds: int = 60


@dataclass
class _Window:
    ends_at: float
    used: int = 0


class Limits:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._windows: dict[tuple[str, ...], _Window] = {}

    def account(self, headers: dict[str, str], now: float) -> None:
        """Count one call of the account, noting it in `headers`. Raises Refusal 429."""
        total = self._settings.limit_account
        used, resets, refused = self._spend(_Rate("account", total), (), now)
        for name in ("X-Rate-Limit", "ratelimit-limit"):
            headers[name] = str(total)
        for name in ("X-Rate-Limit-Remaining", "ratelimit-remaining"):
            headers[name] = str(total - used)
        headers["ratelimit-reset"] = str(resets)
        if refused:
            # The text is that of the old official documentation.
            raise too_many_requests("Number of allowed API requests per minute exceeded", resets)

    def index(self, headers: dict[str, str], now: float) -> None:
        self._endpoint(headers, _Rate("tickets-index", self._settings.limit_index), (), now)

    def export(self, headers: dict[str, str], now: float) -> None:
        """The header's name is third-party: readers of it look for this one, with or without `-cursor`."""
        self._endpoint(headers, _Rate("incremental-exports-cursor", self._settings.limit_export), (), now)

    def create(self, headers: dict[str, str], user_id: int, client: str, now: float) -> None:
        rate = _Rate("ticket-request-create-by-user-and-ip", self._settings.limit_create)
        self._endpoint(headers, rate, (str(user_id), client), now)

    def update(self, headers: dict[str, str], user_id: int, ticket_id: int, now: float) -> None:
        """Both limits of Update Ticket."""
        by_ticket = _Rate("per-ticket-updates", self._settings.limit_ticket_updates, 600)
        self._endpoint(headers, by_ticket, (str(user_id), str(ticket_id)), now)
        self._endpoint(headers, _Rate("tickets-update", self._settings.limit_update), (), now)

    def _endpoint(self, headers: dict[str, str], rate: _Rate, who: tuple[str, ...], now: float) -> None:
        used, resets, refused = self._spend(rate, who, now)
        headers[f"Zendesk-RateLimit-{rate.name}"] = (
            f"total={rate.total}; remaining={rate.total - used}; resets={resets}"
        )
        if refused:
            # Assumption: the endpoints' own text is not published.
            raise too_many_requests(f"API rate limit exceeded for {rate.name}", resets)

    def _spend(self, rate: _Rate, who: tuple[str, ...], now: float) -> tuple[int, int, bool]:
        """Calls used, whole seconds until the window ends, and whether this call is one too many."""
        window = self._windows.get((rate.name, *who))
        if window is None or window.ends_at <= now:
            window = self._windows[rate.name, *who] = _Window(now + rate.seconds)
        refused = window.used >= rate.total
        if not refused:
            window.used += 1
        return window.used, max(1, math.ceil(window.ends_at - now)), refused
