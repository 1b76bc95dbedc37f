"""Checks that Zendesk answers, and lets the relay in. Makes only GETs, besides the request of a token."""

import math
import re
from datetime import UTC, date, datetime
from typing import Any

from cli import definitions
from cli.doctor.finding import NotGood, Status, unchecked, wrong
from cli.doctor.line import Line, Unshared
from cli.doctor.setup import CREATE, POLL, UPDATE, Setup
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.webhooks.scheme import TOLERANCE
from ticket_relay.zendesk.auth import SCOPE, SCOPE_WITH_FILES, Credentials
from ticket_relay.zendesk.errors import Rejected, ZendeskError
from ticket_relay.zendesk.transport import NO_EFFECT, REDIRECTED, Auth

END_OF_API_TOKENS = date(2027, 4, 30)
"""Migrating from API tokens to OAuth access tokens."""

NOTICEABLE = 10.0
"""Seconds: nothing breaks, but clocks that the network sets differ less."""

_PATIENCE = 8.0
_NAME = re.compile(r"[a-z_]{1,40}")
_UNAUTHORIZED, _ = NO_EFFECT[401]
_CLIENT = "Compare the OAuth client in Admin Center with the secret (docs/zendesk-setup.md)."
_ADDRESS = "Compare the parameter ZendeskBaseUrl with the account's own address."


def reached(setup: Setup) -> str:
    """Without credentials Zendesk answers 401, or here 200 with an anonymous user."""
    base_url = setup.settings_of(POLL, CREATE, UPDATE).zendesk_base_url
    if not setup.gate_open:
        raise unchecked("Not checked: the gate is closed.")
    line = Line(base_url)
    try:
        line.call("GET", "/api/v2/users/me", auth=None, permit=Permit(Deadline.after(_PATIENCE)))
    except Rejected as error:
        raise wrong(f"{base_url} answers {_said(error)}", _ADDRESS) from None
    except ZendeskError as error:
        if error.code != _UNAUTHORIZED:
            raise wrong(f"{base_url}: {error.sentence}", _advice(error)) from None
    setup.line = line
    return f"{base_url} answers."


def credentials(setup: Setup) -> str:
    """Fetches a new token as the relay does; neither uses nor replaces the one that the functions share."""
    line, secret = _line(setup), setup.client
    if secret is None:
        raise unchecked("Not checked: the secret must hold credentials first.")
    auth = Credentials(lambda: secret, Unshared(), line, scope=setup.settings_of(POLL, CREATE, UPDATE).zendesk_scope)
    try:
        auth.header(Permit(Deadline.after(_PATIENCE)))
    except ZendeskError as error:
        # Only the name of the error: the server that answered has just read the client's secret, and may quote it.
        name = f" It says {line.reason.code}." if line.reason and _NAME.fullmatch(line.reason.code) else ""
        raise wrong(error.sentence + name, _advice(error)) from None
    setup.auth = auth
    if "client_id" in secret:
        return "Zendesk gives a token for the OAuth client."
    days = (END_OF_API_TOKENS - datetime.now(UTC).date()).days
    left = f"in {days} days" if days > 0 else "by now"
    raise NotGood(
        Status.WARNING if days > 0 else Status.WRONG,
        f"An API token: Zendesk ends them all on {END_OF_API_TOKENS}, {left}.",
        "Make an OAuth client (docs/zendesk-setup.md).",
    )


def user(setup: Setup) -> str:
    """Which user the credentials are for: Zendesk may answer 200 to bad ones, with an anonymous user."""
    match asked(setup, "/api/v2/users/me", "read"):
        case {"user": {"id": int(user_id), "role": str(role)}} if role != "end-user":
            return f"The relay acts as user {user_id} ({role}), and ignores what that user does."
        case {"user": {"id": int(user_id)}}:
            raise wrong(f"User {user_id} is an end user.", "Make the client as an administrator for the relay alone.")
    raise wrong("Zendesk does not recognise the relay (200, an anonymous user).", _CLIENT)


def tickets(setup: Setup) -> str:
    asked(setup, "/api/v2/tickets/count", "read")
    return "Tickets may be read."


def jobs(setup: Setup) -> str:
    """Job statuses have no scope of their own (inferred); nor have audits, in the list of scopes."""
    asked(setup, "/api/v2/job_statuses", "read", {"page[size]": "1"})
    return "The state of jobs may be read."


def writing(setup: Setup) -> str:
    """A test would write, so the scopes that came with the token decide."""
    line, _ = _proven(setup)
    if setup.client and "client_id" not in setup.client:
        raise unchecked("An API token has no scopes: it may write what its user may write.")
    if line.scope is None:
        raise unchecked("Cannot be checked: the answer with the token names no scopes, and a test would write.")
    if not {"write", "tickets:write"} & set(line.scope.split()):
        raise wrong(f"The token has only: {line.scope or 'nothing'}.", f"Allow the OAuth client the scopes {SCOPE}.")
    if "write" not in line.scope.split() and any(it.attachments for it in definitions.partners(setup.config).values()):
        raise wrong(
            "Partners bring files, and the token may write tickets only.",
            f'Deploy with ZendeskScope="{SCOPE_WITH_FILES}", and allow the OAuth client these scopes.',
        )
    return "Tickets may be written."


def clock(setup: Setup) -> str:
    """A webhook's signature holds its time, and stale or future ones are refused."""
    skew = _line(setup).skew
    if skew is None:
        raise unchecked("Zendesk's answers do not say its time.")
    seconds, side = math.ceil(abs(skew)), "behind" if skew > 0 else "ahead of"
    finding = f"This machine's clock is {seconds} s {side} Zendesk's."
    if abs(skew) >= TOLERANCE:
        raise wrong(finding, f"Set it: signatures {TOLERANCE} s off are refused.")
    if abs(skew) >= NOTICEABLE:
        raise NotGood(Status.WARNING, finding, "Set it by the network.")
    return "This machine's clock agrees with Zendesk's."


def asked(setup: Setup, path: str, scope: str, params: dict[str, str] | None = None, missing: object = None) -> Any:
    """The body of a GET, which needs the scope; what is `missing` instead of a 404. Raises NotGood."""
    line, auth = _proven(setup)
    try:
        return line.call("GET", path, auth=auth, permit=Permit(Deadline.after(_PATIENCE)), params=params).body
    except Rejected as error:
        if error.http_status == 404 and missing is not None:
            return missing
        finding = f"GET {path} is answered {_said(error)}"
        advice = f"Allow the OAuth client the scope {scope}, and its user to see it."
        raise wrong(finding, advice if error.http_status == 403 else None) from None
    except ZendeskError as error:
        raise wrong(f"GET {path}: {error.sentence}", _advice(error)) from None


def _said(error: Rejected) -> str:
    """The status, with Zendesk's own words where there are any."""
    if error.code.startswith("zendesk_"):
        return f"{error.http_status}."
    return f"{error.http_status} {error.code}: {error.sentence.removesuffix('.')}."


def _advice(error: ZendeskError) -> str:
    if error.code in {REDIRECTED[0], "zendesk_unreachable"}:
        return _ADDRESS
    return _CLIENT if error.code == _UNAUTHORIZED else "Look at Zendesk's status page, and run this again."


def _line(setup: Setup) -> Line:
    if setup.line is None:
        raise unchecked("Not checked: Zendesk must be reached first.")
    return setup.line


def _proven(setup: Setup) -> tuple[Line, Auth]:
    line = _line(setup)
    if setup.auth is None:
        raise unchecked("Not checked: the credentials must be good first.")
    return line, setup.auth
