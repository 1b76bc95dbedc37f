"""One request to Zendesk, and what its answer means.

Every call has time-outs and an end; nothing is retried here except once after a 401, with a renewed token. What the
caller may do next is the type of the error (errors.py). Rate-limit and error shapes: Zendesk's rate-limits page, and
bodies seen in real logs.
"""

import json
import re
import time
from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import requests
from aws_lambda_powertools.metrics import MetricUnit
from requests.exceptions import ConnectTimeout
from urllib3.exceptions import HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util import Timeout

from ticket_relay import observability
from ticket_relay.rate_limits.headers import http_date, limits, retry_after
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.zendesk.errors import Conflict, NotSent, OutcomeUnknown, Rejected, Throttled, ZendeskError

MAX_ANSWER = 8 * 1024 * 1024
DROPPED_FIELDS = re.compile(r":unpermitted_keys=>\[([^\]]*)\]")
NO_EFFECT = {401: ("zendesk_unauthorized", "Zendesk does not accept the relay's credentials.")}
REDIRECTED = ("zendesk_redirects", "Zendesk redirects: the base URL is not the account's own.")
OF_THE_CONTENT = frozenset({400, 413, 422})
LONGEST_IDLE = 20.0
"""Seconds after which a kept connection is not trusted: Lambda freezes a process between events, and peers hang up."""
_NAME = re.compile(r"[A-Za-z][\w ]{0,60}")
LEAST_TIME = 0.3
"""Seconds below which asking is not worth it."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds to connect, and to wait for each piece of the answer. The body is sent in the time for connecting."""

    connect: float
    read: float


class Auth(Protocol):
    """How requests are authorised: OAuth client credentials, or the legacy API token."""

    def header(self, permit: Permit) -> str:
        """The value of `Authorization`. Raises NotSent where none can be had now."""

    def renewable(self, refused: str) -> bool:
        """After a 401 to this value: whether `header` will give another one."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A success. `body` is parsed JSON; `date` the server's own clock where it said."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def at(self) -> float | None:
        """The server's clock in epoch seconds, from the `Date` header."""
        return http_date(self.headers.get("Date", ""))

    @property
    def dropped(self) -> str:
        """The names of the properties that Zendesk says it ignored."""
        return dropped_fields(self.headers)


class Transport:
    """The way to one Zendesk account. Redirects are not followed: credentials go to the configured host only.

    A deadline bounds connecting, waiting and the body; a server that trickles its *headers*, only Lambda's time-out.
    """

    def __init__(
        self, base_url: str, timeouts: Timeouts, new_session: Callable[[], requests.Session] = requests.Session
    ) -> None:
        self._base_url = base_url
        self._timeouts = timeouts
        self._new_session = new_session
        self._free = [(self._opened(), 0.0)]
        """Sessions that no call has now, each with one kept connection and the time of its last call. A call has a
        session to itself: calls may come from several threads.
        """

    def with_timeouts(self, timeouts: Timeouts) -> "Transport":
        """The same way, and the same connections, for a call that takes longer than others."""
        other = copy(self)
        other._timeouts = timeouts  # noqa: SLF001 - its own
        return other

    def call(
        self,
        method: str,
        path: str,
        *,
        auth: Auth | None,
        permit: Permit,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        tickets: Collection[int] = (),
    ) -> Answer:
        """Raises Throttled, NotSent, OutcomeUnknown (of a GET: nothing was read), Rejected or Conflict.

        What the answer says of rate limits goes to the permit; `tickets` are those that the call updates.
        """
        request = requests.Request(method, self._base_url + path, params=params, data=body)
        request.headers = {"Accept": "application/json", "Content-Type": "application/json", **(headers or {})}
        if auth:
            request.headers["Authorization"] = auth.header(permit)
        response, content = self._send(request, permit.by)
        if response.status_code == 401 and auth and auth.renewable(request.headers["Authorization"]):
            request.headers["Authorization"] = auth.header(permit)
            response, content = self._send(request, permit.by)
        report_answer(method, response.status_code, response.headers)
        told = limits(response.headers)
        if 200 <= response.status_code < 300:
            if auth:
                permit.record_success(told, tickets)
            return Answer(response.status_code, _json_of_success(content), response.headers)
        error = _meaning(method, response.status_code, response.headers, content)
        if isinstance(error, Throttled):
            permit.record_throttling(error.retry_after or 0, told, tickets)
        elif isinstance(error, Rejected) and auth:
            permit.record_success(told, tickets)
        raise error

    def _send(self, request: requests.Request, by: Deadline) -> tuple[requests.Response, bytes]:
        left = by.left
        if left < LEAST_TIME:
            raise NotSent("no_time_left", "There was no time left to call Zendesk.")
        connect = min(self._timeouts.connect, left / 2)
        session = self._taken()
        began, status = time.monotonic(), 0
        try:
            # The adapter itself: `Session.send` reads the body and the target of a redirect that it is told to ignore.
            response = session.get_adapter(self._base_url).send(
                session.prepare_request(request),
                # `total` takes off the read time only what connecting took, which is nothing on a kept connection.
                timeout=Timeout(connect=connect, read=self._timeouts.read, total=left),  # type: ignore[arg-type]  # stubs lack it
                stream=True,
            )
            with response:
                content = self._read(response, by)
                status = response.status_code
                return response, content
        except ConnectTimeout:
            raise NotSent("zendesk_unreachable", "Zendesk could not be connected to in time.") from None
        except (requests.Timeout, ReadTimeoutError):
            raise OutcomeUnknown("zendesk_timeout", "Zendesk did not answer in time.") from None
        except (requests.RequestException, HTTPError) as error:
            if _never_connected(error):
                raise NotSent("zendesk_unreachable", "Zendesk could not be connected to.") from None
            raise OutcomeUnknown("zendesk_connection_broken", "The connection to Zendesk broke.") from None
        finally:
            self._free.append((session, time.time()))
            report_call(time.monotonic() - began, status)

    def _taken(self) -> requests.Session:
        """The session that was used last, so that one is enough as long as calls follow one another."""
        try:
            session, used_at = self._free.pop()
        except IndexError:
            return self._opened()
        if time.time() - used_at > LONGEST_IDLE:
            session.close()
        return session

    def _opened(self) -> requests.Session:
        session = self._new_session()
        # Without this, requests would take credentials from ~/.netrc and proxies from the environment.
        session.trust_env = False
        return session

    def _read(self, response: requests.Response, by: Deadline) -> bytes:
        """The whole body, but neither for ever nor without end: the read time-out alone starts anew with every byte."""
        content = bytearray()
        while (left := by.left) > 0:
            connection = response.raw.connection
            if connection and connection.sock:
                connection.sock.settimeout(min(self._timeouts.read, left))
            # `read1` gives what has arrived, where `iter_content` would wait for its piece to be full.
            piece = response.raw.read1(64 * 1024, decode_content=True)
            if not piece:
                return bytes(content)
            content += piece
            if len(content) > MAX_ANSWER:
                raise OutcomeUnknown("zendesk_answer_too_large", "Zendesk's answer was too large to read.")
        raise OutcomeUnknown("zendesk_timeout", "Zendesk's answer took too long to read.")


def report_call(seconds: float, status: int) -> None:
    """How Zendesk is. `ZendeskFailed` is 0 or 1 for each request, so that its average is the share of those that came
    to nothing: no answer (status 0), a redirect, credentials that are refused, or an error of the server's.
    """
    observability.measure("ZendeskLatency", MetricUnit.Milliseconds, round(1000 * seconds))
    understood = 200 <= status < 300 or (400 <= status < 500 and status != 401)
    observability.measure("ZendeskFailed", MetricUnit.Count, not understood)


def report_answer(method: str, status: int, headers: Mapping[str, str]) -> None:
    """How near the rate limits are (header families: rate-limits page), and what Zendesk dropped without an error."""
    remaining = headers.get("ratelimit-remaining") or headers.get("X-Rate-Limit-Remaining")
    if remaining and remaining.isdigit():
        observability.measure("ZendeskRequestsRemaining", MetricUnit.Count, int(remaining))
    if status == 429:
        observability.count("ZendeskThrottled")
    if dropped := dropped_fields(headers):
        observability.count("ZendeskDroppedFields")
        extra = {"method": method, "fields": dropped}
        observability.logger().warning("Zendesk dropped fields it does not take", extra=extra)


def dropped_fields(headers: Mapping[str, str]) -> str:
    """Only the names of the keys: the header goes on to quote values."""
    dropped = DROPPED_FIELDS.search(headers.get("x-zendesk-api-warn", ""))
    return dropped[1] if dropped else ""


def _never_connected(error: Exception) -> bool:
    cause: BaseException | None = error.args[0] if error.args and isinstance(error.args[0], BaseException) else None
    return isinstance(getattr(cause, "reason", cause), NewConnectionError)


def _json_of_success(content: bytes) -> Any:
    if not content.strip():
        return {}
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise OutcomeUnknown("zendesk_answer_unreadable", "Zendesk's answer of success is not JSON.") from None


def _meaning(method: str, status: int, headers: Mapping[str, str], content: bytes) -> ZendeskError:
    code, sentence = error_of(content)
    if status == 429 or (status == 503 and "Retry-After" in headers):
        return Throttled(status, retry_after(headers))
    if status in NO_EFFECT or 300 <= status < 400:
        return NotSent(*NO_EFFECT.get(status, REDIRECTED))
    # A ticket that was closed since it was read, or never read, has changed like any other, and is decided on again.
    if (status == 409 and code == "UpdateConflict") or (status == 422 and closes(sentence)):
        conflict = Conflict(status, code, sentence)
        conflict.at = http_date(headers.get("Date", ""))
        return conflict
    # 409 DatabaseConflict, or a create that is under way elsewhere (real: alphagov/support#273); 408 is a time-out.
    if status in (408, 409) or status >= 500:
        return OutcomeUnknown(f"zendesk_{status}", f"Zendesk answered {status}.")
    # Not Zendesk's own words ("There is no help desk configured at this address", a proxy's page): the way is at fault.
    if status not in OF_THE_CONTENT and not code and method != "GET":
        return OutcomeUnknown(f"zendesk_{status}", f"A server on the way to Zendesk answered {status}.")
    return Rejected(status, code or f"zendesk_{status}", sentence or f"Zendesk answered {status}.")


def error_of(content: bytes) -> tuple[str, str]:
    """Zendesk's `error` name and reason. A body may be text or HTML, `error` text or an object, or `errors` a list."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return "", ""
    match body:
        case {"error": {"title": title, **rest}}:
            code, reason = title, rest.get("message")
        case {"error": code, **rest}:
            reason = rest.get("description") or rest.get("error_description") or rest.get("message")
            if rest.get("details"):
                reason = f"{reason}: {json.dumps(rest['details'])}"
        case {"errors": [{**first}, *_]}:
            code, reason = first.get("code"), first.get("title") or first.get("detail")
        case _:
            return "", ""
    return code_of(code), text_of(reason or code, 500)


def code_of(said: Any) -> str:
    """Zendesk's name for an error. Where a text stands in its place, which may quote what was sent, there is none."""
    name = text_of(said, 100)
    return name if not name or _NAME.fullmatch(name) else "zendesk_error"


def closes(reason: str) -> bool:
    """Whether Zendesk says no because the ticket is closed ("Status: closed prevents ticket update")."""
    return "closed prevents ticket update" in reason


def text_of(value: Any, most: int) -> str:
    """What a row can keep of a name or a reason: JSON may hold half a surrogate pair, which UTF-8 cannot."""
    return str(value or "")[:most].encode(errors="replace").decode()
