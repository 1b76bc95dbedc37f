"""A long queue of waiting events, until each has its ticket; beside what Zendesk's limit of jobs allows."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import batched

from local.bench import processors, tally, workload
from local.bench.conditions import Conditions, Engine, client
from local.bench.figures import Figure, Goal, Part
from local.bench.progress import Bars
from local.bench.prose import Prose
from local.runtimes.runtime import InvocationError
from local.stack import Options, Stack, running
from ticket_relay.errors import StoreUnavailable
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.dynamodb import Table
from ticket_relay.storage.rows import TicketRow, body_digest, external_id
from ticket_relay.storage.store import Store
from ticket_relay.zendesk.ticket_models import TicketCreate, to_request

THREADS = 4
COMMENT_LENGTH = 800
_TRIES = 5
_SAMPLE = 50
_PATIENCE = 20
"""Times what the limit of jobs allows."""
_SETTLED_WITHIN = 180.0


@dataclass(frozen=True, slots=True)
class Drain:
    """`claims` a second is what the engine took before; `writes` is how often the poller wrote for a ticket."""

    seconds: float
    calls: int
    refused: int
    claims: float
    writes: float
    broken: tuple[str, ...]
    notes: tuple[str, ...]


async def measured(rows: int, conditions: Conditions, engine: Engine, bars: Bars) -> Part:
    """Put so many rows into the table of a stack of its own, and let the poller begin."""
    drain = await _drained(rows, conditions, engine, bars)
    rate, allowed = rows / drain.seconds, conditions.drain_seconds(rows)
    goal = Goal(0.80, at_least=True, of_ratio=True)
    return Part(
        title="Drain",
        peer="what is allowed",
        figures=(
            Figure(f"tickets a second, of {rows:,}: by the jobs", rate, "{:.0f}", rows / allowed, goal),
            Figure("by jobs that are always full", rate, "{:.0f}", conditions.drain_rate),
            Figure("by the engine's writes", rate, "{:.0f}", drain.claims / drain.writes),
            Figure("calls a ticket", drain.calls / rows, "{:.3f}"),
            Figure("answers of 429", drain.refused, "{:.0f}"),
        ),
        how=f"""{rows:,} rows are claimed as the intake claims them, and left waiting; then the poller is started, and
            again every minute, under {conditions}. The jobs allow {allowed:.0f} s: as many rounds of full jobs as it
            takes. Each row is then checked to have exactly one ticket. The table is in {engine.name}.""",
        limits=(
            *drain.notes,
            f"""The engine: {THREADS} threads of one process had claimed {drain.claims:.0f} rows a second, a write each.
            The poller wrote {drain.writes:.1f} times for a ticket.""",
        ),
        broken=drain.broken,
    )


async def _drained(rows: int, conditions: Conditions, engine: Engine, bars: Bars) -> Drain:
    bars.begin("drain: start", 1)
    async with running(Options(port=0, poll_every=None, dynamodb_url=engine.url, concurrency=1)) as stack:
        await workload.warm(stack)
        account, table = workload.account(stack), Table(stack.ready["table"], client(engine))
        waiting, done = list(_waiting(rows, time.time())), bars.begin("drain: rows", rows)
        begin = time.perf_counter()
        await asyncio.to_thread(_claim, table, waiting, done)
        claims = rows / (time.perf_counter() - begin)

        conditions.put_on(account)
        in_use, begin = processors.watched(stack.pools), time.perf_counter()
        stack.schedule.change(workload.MINUTE)
        first_run = asyncio.create_task(_run(stack))
        done = bars.begin("drain: tickets", rows)
        # What is not there by then is lost, and told as such.
        with suppress(TimeoutError):
            async with asyncio.timeout(workload.MINUTE + _PATIENCE * conditions.drain_seconds(rows)):
                await workload.tickets(stack, rows + 1, lambda number: done(number - 1))
        seconds, used = time.perf_counter() - begin, in_use()
        await first_run
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLED_WITHIN):
                await workload.settled(client(engine), table.name)
        calls = list(account.journal.entries)
        return Drain(
            seconds=seconds,
            calls=len(calls),
            refused=tally.refused(calls),
            claims=claims,
            writes=await asyncio.to_thread(_writes, table, waiting[:: max(1, rows // _SAMPLE)]),
            broken=tally.broken([row.external_id for row in waiting], account.tickets.all()),
            notes=(used, tally.kinds(calls)),
        )


def _waiting(number: int, now: float) -> Iterator[TicketRow]:
    prose = Prose(seed=number)
    for index in range(number):
        event_id = f"msg_drain_{index:06}"
        ticket = TicketCreate.model_validate(
            {
                "subject": prose.text(60),
                "comment": {"body": prose.text(COMMENT_LENGTH)},
                "requester": {"name": "Marta Lindqvist", "email": "marta.lindqvist@acme.example.com"},
                "priority": "high",
                "tags": ["acme", "incident"],
            }
        )
        request = to_request(ticket, external_id(workload.PARTNER, event_id))
        digest = body_digest(request)
        yield ticket_states.claimed(workload.PARTNER, event_id, request, now, closed_until=now, digest=digest)


def _claim(table: Table, rows: list[TicketRow], done: Callable[[int], None]) -> None:
    store = Store(table, report=lambda _row, _before: None)

    def claim(row: TicketRow) -> None:
        for _ in range(_TRIES):
            with suppress(StoreUnavailable):
                store.claim(row)
                return
        raise RuntimeError("the engine does not take the rows")

    with ThreadPoolExecutor(THREADS) as threads:
        claimed = 0
        for some in batched(rows, 100, strict=False):
            claimed += len(list(threads.map(claim, some)))
            done(claimed)


def _writes(table: Table, rows: list[TicketRow]) -> float:
    """How often each of these rows was written since it was claimed, at the mean: each write is a version."""
    versions = [row.version for row in map(Store(table).get, [row.pk for row in rows]) if row]
    return statistics.mean(versions) - 1


async def _run(stack: Stack) -> None:
    """One run of the poller. What a failed run leaves, the next one takes up."""
    with suppress(InvocationError):
        await stack.schedule.run_now()
