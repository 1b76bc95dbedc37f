"""Pagination of lists: by offset (`page`, `per_page`) and by cursor (`page[size]`, `page[after]`), as documented."""

import base64

from .refusals import invalid_attribute
from .wire import Call, Json, whole

_MOST = 100


def page(call: Call, name: str, items: list[Json], action: str) -> Json:
    """One page of `items` under `name`. Raises Refusal 400 for a page that is no number."""
    if "page[size]" in call.query:
        return by_cursor(call, name, items, action)
    number, size = _number(call, "page", 1, action), min(_MOST, _number(call, "per_page", _MOST, action))
    start = (number - 1) * size
    more = start + size < len(items)
    return {
        name: items[start : start + size],
        "next_page": _link(call, f"page={number + 1}&per_page={size}") if more else None,
        "previous_page": _link(call, f"page={number - 1}&per_page={size}") if number > 1 else None,
        "count": len(items),
    }


def by_cursor(call: Call, name: str, items: list[Json], action: str) -> Json:
    """One page of `page[size]` items. The cursor is opaque; here it holds an index (assumption: nothing is published
    about it).
    """
    size = min(_MOST, _number(call, "page[size]", _MOST, action))
    start = _index(call.query.get("page[after]"), action)
    end = min(len(items), start + size)
    more = end < len(items)
    cursor = base64.urlsafe_b64encode(str(end).encode()).decode()
    before = base64.urlsafe_b64encode(str(start).encode()).decode()
    return {
        name: items[start:end],
        "meta": {
            "has_more": more,
            "after_cursor": cursor if items else None,
            "before_cursor": before if items else None,
        },
        "links": {"next": _link(call, f"page[size]={size}&page[after]={cursor}") if more else None, "prev": None},
    }


def _number(call: Call, name: str, default: int, action: str) -> int:
    number = whole(call.query.get(name, default))
    if not number:
        raise invalid_attribute(name, "must be an integer", action)
    return number


def _index(cursor: str | None, action: str) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor))
    except ValueError as error:
        raise invalid_attribute("page[after]", "must be a cursor", action) from error


def _link(call: Call, query: str) -> str:
    kept = "".join(f"{name}={value}&" for name, value in call.query.items() if "page" not in name)
    return f"https://example.zendesk.com{call.path}.json?{kept}{query}"
