"""The calls received: enough to count them and to see their order, never their bodies."""

from collections import deque
from dataclasses import dataclass
from fnmatch import fnmatchcase

from .wire import Call


@dataclass(frozen=True)
class Entry:
    at: float
    method: str
    path: str
    query: str
    status: int | None
    """None: the connection was cut."""
    idempotency_key: str | None
    size: int
    """Bytes of the body."""


class Journal:
    def __init__(self) -> None:
        self.entries: deque[Entry] = deque(maxlen=100_000)

    def note(self, call: Call, status: int | None, at: float) -> None:
        query = "&".join(f"{name}={value}" for name, value in call.query.items())
        key = call.headers.get("idempotency-key")
        self.entries.append(Entry(at, call.method, call.path, query, status, key, len(call.body)))

    def calls(self, method: str = "*", path: str = "*", status: int | None = None) -> list[Entry]:
        """Those whose method and path fit (`*` and `?` as in a shell; paths without `.json`)."""
        return [
            entry
            for entry in list(self.entries)
            if fnmatchcase(entry.method, method)
            and fnmatchcase(entry.path, path)
            and (status is None or entry.status == status)
        ]
