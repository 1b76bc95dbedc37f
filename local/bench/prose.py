"""Texts of a given length, as real as people's: Python's own manual, which comes with it."""

import random
import re
from pydoc_data.topics import topics


class Prose:
    """The same texts for the same seed. Plain ASCII without quotes or line ends, so that JSON makes none longer."""

    def __init__(self, seed: int) -> None:
        manual = " ".join(topics[name] for name in sorted(topics))
        self._words = re.sub(r'[^ -~]+|["\\]', " ", manual).split()
        self._random = random.Random(seed)  # noqa: S311 - a place in a manual

    def text(self, length: int) -> str:
        """Words that follow each other somewhere in the manual, cut to exactly so many characters."""
        start = self._random.randrange(len(self._words) - length)
        words = " ".join(self._words[start : start + length // 2 + 1])
        return words[:length].ljust(length, ".")
