#!/usr/bin/env python3
"""Shorten botocore's descriptions to what a client reads of them: each cold start parses them as JSON.

    shorten.py DATA_FOLDER SERVICE…

`endpoints.json` lists the addresses of every service; most of a service's description is its documentation, and it is
compressed. What is left says the same of the services named (tests/template compares it with botocore's own).
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any


def main(data: Path, services: list[str]) -> None:
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {name: value for name, value in partition["services"].items() if name in services}
    _write(data / "endpoints.json", endpoints)
    # botocore looks for the plain file before the compressed one.
    for packed in data.rglob("*.json.gz"):
        _write(packed.with_suffix(""), without_documentation(json.loads(gzip.decompress(packed.read_bytes()))))
        packed.unlink()


def without_documentation(node: Any) -> Any:
    """A copy without the texts. A member of that name would be an object, and stays.

    botocore reads the texts of `clientContextParams` (those of S3), and fails without them.
    """
    if isinstance(node, dict):
        return {
            name: value if name == "clientContextParams" else without_documentation(value)
            for name, value in node.items()
            if not (name == "documentation" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [without_documentation(each) for each in node]
    return node


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, separators=(",", ":")))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
