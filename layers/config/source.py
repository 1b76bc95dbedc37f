"""A YAML file, and where each of its parts stands."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]

type Place = tuple[str | int, ...]
"""Where in a file: ("ticket", "custom_fields", 0, "id")."""


@dataclass(frozen=True, order=True)
class Problem:
    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


_NOT_TEXT = tuple(f"tag:yaml.org,2002:{type}" for type in ("bool", "int", "float", "null"))
"""Of keys: `Yes` is True, and a place says so."""


class _Loader(yaml.SafeLoader):
    """Days and times stay texts: a definition is JSON, and Zendesk takes them so."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class's own name
        first: [(tag, form) for tag, form in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class Source:
    """A YAML file that knows on which line each of its parts stands, and collects what is wrong with them.

    `content` stands in the place of what the file holds.
    """

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self.path = path
        self.value: Any = None
        self.problems: list[Problem] = []
        self.moved: dict[Place, Place] = {}
        """Where the author wrote what has another place in `value` by now."""
        self._lines: dict[Place, int] = {}
        loader = None
        try:
            loader = _Loader(path.read_bytes() if content is None else content)
            node = loader.get_single_node()
            if node is not None:
                self._index(loader, node, ())
                self.value = loader.construct_document(node)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            reason = getattr(error, "problem", None) or "holds a character that YAML does not allow"
            self._report(mark.line + 1 if mark else 1, f"not YAML: {reason}")
        except RecursionError:
            self._report(1, "nested too deeply, or an alias of itself")
        finally:
            if loader is not None:
                loader.dispose()

    def wrong(self, place: Place, reason: str) -> None:
        """Report a problem, on the line of the place or of the nearest part around it."""
        for length in range(len(place), 0, -1):
            if place[:length] in self.moved:
                place = (*self.moved[place[:length]], *place[length:])
                break
        shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
        around = next(
            place[:length] for length in range(len(place), -1, -1) if place[:length] in self._lines or not length
        )
        self._report(self._lines.get(around, 1), f"{shown}: {reason}" if shown else reason)

    def failed(self, sentence: str, where: str = "") -> None:
        """Report why a mapping failed, on the lines of the parts that its sentence names."""
        for place, reason in told(sentence):
            self.wrong(place, reason + where)

    def _report(self, line: int, reason: str) -> None:
        self.problems.append(Problem(shown(self.path), line, reason))

    def _index(self, loader: _Loader, node: yaml.Node, place: Place) -> None:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            self._check_text(node)
        elif isinstance(node, yaml.SequenceNode):
            for index, part in enumerate(node.value):
                self._index(loader, part, (*place, index))
        elif isinstance(node, yaml.MappingNode):
            for key, part in node.value:
                inside = (*place, str(loader.construct_object(key) if key.tag in _NOT_TEXT else key.value))
                if inside in self._lines:
                    self._report(key.start_mark.line + 1, f"{key.value}: is there twice")
                self._lines[inside] = key.start_mark.line + 1
                self._index(loader, key, inside)
                self._index(loader, part, inside)

    def _check_text(self, node: yaml.ScalarNode) -> None:
        """To YAML \\ud83d is a character, but to UTF-8 and to the function that loads the definitions it is none."""
        if re.search("[\ud800-\udfff]", node.value):
            self._report(node.start_mark.line + 1, "holds half a surrogate pair: write the character itself")


def told(sentence: str) -> Iterator[tuple[Place, str]]:
    """The places that the sentence of a failed mapping names, each with its reason."""
    for each in sentence.removesuffix(".").split("; "):
        place, _, reason = each.partition(": ")
        steps = re.findall(r"[^.\[\]]+", place)
        yield tuple(int(step) if step.isdigit() else step for step in steps), reason


def shown(path: Path) -> str:
    """As seen from the repository, if it lies there."""
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
