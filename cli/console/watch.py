"""Keeps the board as the table is: reads the table once, without payloads, and then what its stream tells."""

import threading
import time
from enum import StrEnum
from typing import Any

import click

from cli.console.board import ATTRIBUTES, Board, Brief
from cli.console.stream import Behind, NoStream, Tail
from cli.failures import told
from cli.reading import Wanted, plain, scan
from cli.where import Place

LOOK_SECONDS = 1.0
MOST_PAUSE_SECONDS = 60.0
STOP_SECONDS = 5.0
DAY = 24 * 3600


class Phase(StrEnum):
    READING = "reading"
    """The table is being read; the board is not whole."""
    FOLLOWING = "following"
    STILL = "still"
    """The board is as it was when it was read: there is no stream, or it cannot be read for now."""


class Watch:
    """A thread that fills a board. `phase` and `trouble` (a sentence, or None) say how that goes."""

    def __init__(self, place: Place, streams: Any, board: Board, days: float) -> None:
        self._place = place
        self._streams = streams
        self._board = board
        self._days = days
        self._again = threading.Event()
        """Set to end what is under way: to read the table again, or to stop."""
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.phase = Phase.READING
        self.trouble: str | None = None

    def start(self) -> None:
        """A daemon: the process need not wait for it, since it leaves nothing behind."""
        self._thread.start()

    def stop(self) -> None:
        """After the call of AWS that is under way; but Ctrl-C is not to wait for one that hangs."""
        self._stopped = True
        self._again.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    def read_again(self) -> None:
        """Read the whole table anew, as soon as what is under way is done."""
        self._again.set()

    def _run(self) -> None:
        pause = LOOK_SECONDS
        while True:
            self._again.clear()
            if self._stopped:
                return
            try:
                with told():
                    self.load_and_follow()
                pause = LOOK_SECONDS
            except click.ClickException as error:
                self._still(error.message)
                self._again.wait(pause)
                pause = min(2 * pause, MOST_PAUSE_SECONDS)

    def load_and_follow(self) -> None:
        """Until the table must be read again. Raises botocore's errors."""
        self.phase, self.trouble = Phase.READING, None
        # First, so that nothing falls between the two.
        tail, trouble = self._tail()
        self.load()
        if tail is None:
            self._still(trouble)
            self._again.wait()
        else:
            self.phase = Phase.FOLLOWING
            self._follow(tail)

    def _tail(self) -> tuple[Tail | None, str]:
        """Without one, and with the reason, where the operator may read the table only."""
        try:
            with told():
                return Tail(self._place, self._streams), ""
        except NoStream:
            return None, "The table has no stream, so nothing tells of its changes."
        except click.ClickException as error:
            return None, f"The table's stream cannot be read: {error.message}"

    def load(self) -> None:
        """Read the table once, page by page."""
        wanted = Wanted(since=time.time() - self._days * DAY)
        seen = set()
        for item in scan(self._place, wanted, ATTRIBUTES, consistent=True):
            if self._stopped:
                return
            if row := Brief.of(item):
                seen.add(row.pk)
                self._board.put(row)
        self._board.keep(seen)

    def _follow(self, tail: Tail) -> None:
        pause = LOOK_SECONDS
        while not self._again.wait(pause):
            try:
                with told():
                    self.take(tail)
            except Behind:
                return
            except click.ClickException as error:
                self._still(error.message)
                pause = min(2 * pause, MOST_PAUSE_SECONDS)
            else:
                self.phase, self.trouble, pause = Phase.FOLLOWING, None, LOOK_SECONDS

    def take(self, tail: Tail) -> None:
        """What the stream has told since. Raises Behind, and botocore's errors."""
        for pk, image in tail.changes():
            if image is None:
                self._board.remove(pk)
            elif row := Brief.of(plain({name: image[name] for name in ATTRIBUTES if name in image})):
                self._board.put(row)

    def _still(self, sentence: str) -> None:
        self.phase, self.trouble = Phase.STILL, sentence
