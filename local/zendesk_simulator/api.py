"""Every call of a client: authentication, scopes, rate limits, then the route's handler. Needs no socket."""

from . import api_exports, api_others, api_tickets
from .account import Account
from .refusals import invalid_endpoint
from .request import Request, Route
from .wire import Answer, Call, Refusal

# Order matters where a fixed segment and `{id}` compete: batches and lists come before single tickets.
_ROUTES = [*api_exports.ROUTES, *api_others.ROUTES, *api_tickets.ROUTES]


def answer(account: Account, call: Call) -> Answer:
    """The answer of Zendesk's own paths; refusals are answers too."""
    headers: dict[str, str] = {}
    with account.lock:
        account.settle()
        try:
            reply = _answer(account, call, headers)
        except Refusal as refusal:
            reply = refusal.answer()
    reply.headers |= headers
    return reply


def _answer(account: Account, call: Call, headers: dict[str, str]) -> Answer:
    now = account.clock.now()
    if (call.method, call.path) == ("POST", "/oauth/tokens"):
        return Answer.json(201, account.oauth.issue(call, now))
    route, path = _find(call)
    try:
        caller = account.oauth.caller(call, account.users, now)
    except Refusal as refusal:
        if route.handler is api_others.me:
            return api_others.anonymous(refusal)
        raise
    # Assumption: calls that are not authenticated do not count.
    account.limits.account(headers, now)
    caller.require("read" if call.method == "GET" else "write", route.resource)
    return route.handler(Request(account, call, caller, path, headers))


def _find(call: Call) -> tuple[Route, dict[str, str]]:
    for route in _ROUTES:
        if route.method == call.method and (found := route.pattern.fullmatch(call.path)):
            return route, found.groupdict()
    raise invalid_endpoint()
