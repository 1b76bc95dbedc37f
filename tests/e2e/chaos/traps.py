"""The named moments at which a runtime is killed. The deployed code knows nothing of them: the proxy before DynamoDB
and the watched simulator see the moment, and kill the process at the other end of the connection.
"""

from collections import Counter
from enum import StrEnum

from tests.e2e.chaos.runtimes import Runtimes


class Moment(StrEnum):
    AFTER_CLAIM = "killed after the claim"
    AFTER_POST = "killed after the POST"
    BEFORE_UPDATE = "killed before the row's update"
    RENEWING = "killed while it renewed the token"
    ASKING_FIRST = "killed as the first to ask after a pause"


class Traps:
    """Armed by the scheduler of faults; the next one to come by is caught."""

    def __init__(self, runtimes: Runtimes) -> None:
        self._runtimes = runtimes
        self._armed: Counter[Moment] = Counter()
        self.sprung: Counter[str] = Counter()

    def arm(self, moment: Moment) -> None:
        self._armed[moment] += 1

    def disarm(self) -> None:
        self._armed.clear()

    def spring(self, moment: Moment | None, pid: int | None) -> bool:
        """Whether `pid` was killed here."""
        if moment is None or pid is None or not self._armed[moment]:
            return False
        self._armed[moment] -= 1
        self.sprung[moment] += 1
        self._runtimes.kill(pid)
        return True
