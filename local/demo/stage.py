"""The running stack, for the scenes: they send to it and read its state."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from local import zendesk_simulator
from local.demo.claims import Claim, Rows
from local.demo.partner import Event, Partner
from local.demo.screen import Line, Screen
from local.demo.subscriber import Outcome

LOOK_SECONDS = 0.1


@dataclass
class Stage:
    """`account` is the simulated Zendesk. `read` reads all rows of the relay's table, `listen` what a subscriber of the
    event bus has heard so far; both block.

    `events` are those that must become tickets, and `claims` what has been claimed so far, by scene.
    """

    screen: Screen
    account: zendesk_simulator.Account
    http: aiohttp.ClientSession
    url: str
    webhook_secret: str
    partners: dict[str, Partner]
    read: Callable[[], Rows]
    listen: Callable[[], list[Outcome]]
    rows: Rows = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    claims: dict[str, list[Claim]] = field(default_factory=dict)

    def scene(self, title: str, *why: str) -> None:
        """What is claimed from now on is claimed of this scene."""
        self.claims[title] = []
        self.screen.title(title)
        for line in why:
            self.screen.say(line)

    def claim(self, *claims: Claim) -> None:
        """Of the scene that is on."""
        self.claims[next(reversed(self.claims))] += claims

    @contextlib.asynccontextmanager
    async def watched(self, look: Callable[[], Iterable[Line]]) -> AsyncIterator[None]:
        """Keep rows and outcomes fresh and the lines that `look` makes of them on the screen."""

        async def refresh() -> None:
            self.rows, self.outcomes = await asyncio.gather(
                asyncio.to_thread(self.read), asyncio.to_thread(self.listen)
            )
            show(look())

        async def watch() -> None:
            while True:
                await refresh()
                await asyncio.sleep(LOOK_SECONDS)

        with self.screen.board() as show:
            watching = asyncio.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watching
                await refresh()

    async def until(self, come: Callable[[], bool], *, within: float) -> bool:
        """Wait for it, `within` these seconds at most; the claims then show what did not happen."""
        end = time.monotonic() + within
        while not (there := come()) and time.monotonic() < end:
            await asyncio.sleep(LOOK_SECONDS / 2)
        return there

    async def created(self, events: Iterable[Event], *, within: float) -> bool:
        """Wait until the events have their tickets, or until the time is over. Seconds."""
        pks = [event.pk for event in events]
        return await self.until(
            lambda: all(self.rows.get(pk, {}).get("state") == "created" for pk in pks), within=within
        )

    @property
    def calls(self) -> int:
        """Of the simulator, but for the look at new tickets with which the poller ends a run."""
        return sum(call.path != "/api/v2/tickets/show_many" for call in self.account.journal.entries)

    @property
    def tickets(self) -> list[dict[str, Any]]:
        return self.account.tickets.all()

    def ticket_id(self, event: Event) -> int:
        """The number in the event's row, which is there once the row is `created`."""
        return int(self.rows[event.pk]["ticket_id"])

    def told(self, pk: str) -> str:
        """What the event bus has heard of a row."""
        return ", ".join(dict.fromkeys(it["type"] for it in self.outcomes if it["id"] == pk))

    def job(self, row: Mapping[str, Any]) -> str:
        """The state of a row's job."""
        return next((f"job {job.status}" for job in self.account.jobs if job.id == row.get("job_id")), "")
