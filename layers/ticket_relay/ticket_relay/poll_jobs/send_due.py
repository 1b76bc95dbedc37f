"""What waits to be sent: a backlog together, the rest one by one, but not for so long that jobs wait for it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import batched, islice, takewhile

from ticket_relay.create_ticket import correlated, submit
from ticket_relay.create_ticket.candidate_jobs import CandidateJobs
from ticket_relay.errors import RelayError
from ticket_relay.poll_jobs.poll_run import CALL_TIME, Run, is_due
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states.update import SETTLED
from ticket_relay.storage.rows import Row, TicketRow, UpdateRow
from ticket_relay.update_ticket import batch, webhook
from ticket_relay.zendesk.client import TICKETS_AT_ONCE

TURN = 5.0
"""Seconds of sending one by one, after which jobs are polled again."""
BACKLOG = 10
"""From so many rows, or tickets to update, on they are sent together."""
FILES_TURN = 10.0
"""Seconds of uploading files in a turn, after which no other is begun."""
FILE_TIME = 25.0
"""Seconds in which one file is fetched and uploaded; less at the end of a run."""
WRITING = 4.0
"""Seconds of a run that are left to write down what became of it."""
MOST_BATCHES = 27
"""Jobs of many tickets at a time: Zendesk takes 30 ("Job limit"), and others may queue some."""
REQUESTS_AT_ONCE = 3
"""Batches sent at the same time, and in a turn: each waits for Zendesk most of the time."""


class Sender:
    """Sends what is due in one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._jobs = CandidateJobs(run.services)
        self._settle_until: dict[int, float] = {}
        """By ticket: until when the second of our last update of it lasts, so that it is not read in vain."""

    def send_due(self, rows: Sequence[Row]) -> bool:
        """Send the rows that are due, but no update of a ticket that is busy; whether anything was taken up.

        Not to be called while the gate is closed.
        """
        now = self._run.services.now()
        until = now + TURN
        events = [row for row in rows if isinstance(row, TicketRow) and is_due(row, now) and not row.lacks_files]
        updates = self._by_ticket(row for row in rows if isinstance(row, UpdateRow))
        of_events, events_sent = self._create_together(events)
        of_updates, updates_sent = self._update_together(updates)
        # What waits for room, or for a limit to be over, is not to be looked at again at once.
        gone, acted = of_events | of_updates, events_sent or updates_sent
        waiting = [[row] for row in events] + list(updates.values())
        for group in sorted(waiting, key=lambda group: group[0].due_at or 0):
            if group[0].pk not in gone and self._run.has_time and self._run.services.now() < until:
                acted = True
                with self._run.guarded(*group):
                    self._send_alone(group)
        return self._bring_files(rows) or acted

    def _bring_files(self, rows: Sequence[Row]) -> bool:
        """Upload files of rows that are due and lack some, the earliest row first; whether there was one.

        Last, and for a while only: a partner's slow server is not to hold up what needs none. One row after the other,
        since what is uploaded does not live long.
        """
        services, until = self._run.services, self._run.services.now() + FILES_TURN
        acted = False
        for first in sorted(rows, key=lambda row: row.due_at or 0):
            row: Row = first
            with self._run.guarded(row):
                while row.lacks_files and is_due(row, now := services.now()) and now < until and self._run.has_time:
                    from ticket_relay.attachments import files  # noqa: PLC0415 - most rows have none

                    acted = True
                    by = Deadline.after(min(FILE_TIME, self._run.time_left() - WRITING))
                    row = files.advance(services, row, by, self._run.network)
        return acted

    def _send_alone(self, group: Sequence[Row]) -> None:
        by = Deadline.after(CALL_TIME)
        row = group[0]
        if isinstance(row, TicketRow) and row.in_line:
            correlated.resume(self._run.services, row, by)
        elif isinstance(row, TicketRow):
            submit.resume(self._run.services, row, by, self._jobs)
        elif isinstance(row, UpdateRow):
            of_ticket = [each for each in group if isinstance(each, UpdateRow)]
            if webhook.resume(self._run.services, of_ticket, by):
                self._settle_until[row.ticket_id] = self._run.services.now() + SETTLED

    def _by_ticket(self, rows: Iterable[UpdateRow]) -> dict[int, list[UpdateRow]]:
        """The due updates of each ticket, in the order in which they came, up to the first that another worker has or
        that must wait, for its files perhaps: it is not to be overtaken.
        """
        now = self._run.services.now()
        tickets: defaultdict[int, list[UpdateRow]] = defaultdict(list)
        for row in webhook.in_order(rows):
            tickets[row.ticket_id].append(row)
        due = {
            ticket_id: list(takewhile(lambda row: is_due(row, now) and not row.lacks_files, of_ticket))
            for ticket_id, of_ticket in tickets.items()
            if ticket_id not in self._run.busy and self._settle_until.get(ticket_id, now) <= now
        }
        return {ticket_id: of_ticket for ticket_id, of_ticket in due.items() if of_ticket}

    def _room(self) -> int:
        """How many more jobs of many tickets may be begun."""
        return max(MOST_BATCHES - len(self._run.batches), 0) if self._run.has_time_for_many else 0

    def _create_together(self, rows: Sequence[TicketRow]) -> tuple[set[str], bool]:
        """Send a backlog of events in batches; the keys of its rows, and whether any went. What finds no room, or an
        endpoint whose limit is used up, waits: one by one it would take more calls, and all of the account's.
        """
        now = self._run.services.now()
        backlog = [row for row in rows if ticket_states.may_go_together(row, now)]
        if len(backlog) < BACKLOG:
            return set(), False
        # No more than can go at the same time: the time that is left was looked at once, for all of them.
        most = min(self._room(), REQUESTS_AT_ONCE)
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
            going = [(some, pool.submit(self._sent, some)) for some in islice(submit.batches(backlog), most)]
        acted = False
        for some, sending in going:
            with self._run.guarded(*some):
                sent, left_out = sending.result()
                acted = acted or bool(sent or left_out)
                self._run.wait_for(sent)
                for row, error in left_out:
                    self._run.failed(row, error)
        return {row.pk for row in backlog}, acted

    def _sent(self, rows: Sequence[TicketRow]) -> tuple[list[TicketRow], list[tuple[TicketRow, RelayError]]]:
        """The rows that Zendesk took on, and those that were left out. The run itself is left to its own thread."""
        left_out: list[tuple[TicketRow, RelayError]] = []
        by = Deadline.after(CALL_TIME)
        sent = submit.send_together(self._run.services, rows, by, lambda row, error: left_out.append((row, error)))
        return sent, left_out

    def _update_together(self, tickets: Mapping[int, list[UpdateRow]]) -> tuple[set[str], bool]:
        """Send the updates of many tickets in one job; the keys of rows that went, or wait, and whether any went."""
        gone: set[str] = set()
        acted = False
        if len(tickets) < BACKLOG:
            return gone, acted
        for some in batched(tickets.items(), TICKETS_AT_ONCE, strict=False):
            together = dict(some)
            rows = [row for of_ticket in together.values() for row in of_ticket]
            if not self._room():
                gone |= {row.pk for row in rows}
            else:
                with self._run.guarded(*rows):
                    by = Deadline.after(CALL_TIME)
                    sent, alone = batch.apply(self._run.services, together, by, self._run.failed)
                    self._run.wait_for(sent)
                    acted = acted or bool(sent)
                    gone |= {row.pk for row in rows if row.ticket_id not in alone}
        return gone, acted
