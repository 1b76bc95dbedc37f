"""Who may use the console: a browser on this machine that was given its address, and no page from elsewhere."""

from collections.abc import Sequence
from secrets import compare_digest

from flask import Flask, Response, abort, g, request

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not `no-referrer`: a form's Origin would be `null` then (Fetch, "append a request Origin header").
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_SAFE = {"GET", "HEAD"}


def guard(app: Flask, token: str, hosts: Sequence[str]) -> None:
    """Refuse, with 403, every request that does not begin with the token, or comes by another name than `hosts`.

    A name of somebody else's that leads to this machine (DNS rebinding) is one; and what changes anything must come
    from a page of the console, which browsers say in `Origin`.
    """
    origins = {f"http://{host}" for host in hosts}

    @app.before_request
    def check() -> None:
        given = request.path.split("/", 2)[1]
        if request.host not in hosts:
            abort(403, "The console answers only to its own address.")
        if not compare_digest(given.encode(), token.encode()):
            abort(403, "The address lacks the token: open the one that `relay console` printed.")
        origin = request.headers.get("Origin")
        if origin not in origins and (origin is not None or request.method not in _SAFE):
            abort(403, "Only a page of the console may do that.")
        g.admitted = True

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(HEADERS)
        return response


def is_admitted() -> bool:
    """Whether the request was not refused: only then may an answer hold the token."""
    return bool(g.get("admitted"))
