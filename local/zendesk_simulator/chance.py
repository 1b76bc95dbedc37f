"""When a planned disturbance happens: the next N times, always, or at random with a rate and a seed."""

import random
from collections.abc import Callable
from dataclasses import field

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


@dataclass(config=ConfigDict(extra="forbid"), kw_only=True)
class Chance:
    """`times` is how often it happens at most (None: no end); `rate` with `seed` makes it a lottery that repeats."""

    times: int | None = 1
    rate: float = 1.0
    seed: int = 0
    happened: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - a lottery that a test can repeat

    def strikes(self) -> bool:
        if self.times is not None and self.happened >= self.times:
            return False
        if self.rate < 1 and self._random.random() >= self.rate:
            return False
        self.happened += 1
        return True


def first[Planned: Chance](planned: list[Planned], fits: Callable[[Planned], bool] = lambda _: True) -> Planned | None:
    """The first plan that fits and applies; plans are tried in the order in which they were added."""
    return next((plan for plan in planned if fits(plan) and plan.strikes()), None)
