"""Where a running stack leaves its ready line, so that `relay send` finds it by the port of its address."""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.artefacts import ROOT

_FOLDER = ROOT / ".local"


@contextlib.contextmanager
def announced(ready: Mapping[str, Any]) -> Iterator[None]:
    """Keep the line in a file that only its owner can read, for as long as the context lasts: it holds secrets."""
    path = _file(ready["url"])
    path.parent.mkdir(exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(ready, file)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def read(url: str) -> dict[str, Any] | None:
    """The ready line of the stack on this machine that has this address; None if none has said so."""
    try:
        ready: dict[str, Any] = json.loads(_file(url).read_text())
    except FileNotFoundError:
        return None
    return ready


def _file(url: str) -> Path:
    return _FOLDER / f"{urlsplit(url).port}.json"
