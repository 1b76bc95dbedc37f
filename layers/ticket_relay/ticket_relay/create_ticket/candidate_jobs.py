"""Which jobs of Zendesk may still make the ticket of a request whose answer was lost.

Where the idempotency key is not honoured together with `async`, sending again before they are over would make a second
ticket. The relay's own jobs, which other rows know, are none of them.
"""

from dataclasses import dataclass, field
from itertools import batched

from ticket_relay import observability
from ticket_relay.rate_limits.permit import Permit
from ticket_relay.services import Services
from ticket_relay.states import ticket as ticket_states
from ticket_relay.storage.rows import TicketRow
from ticket_relay.zendesk.client import JOBS_AT_ONCE
from ticket_relay.zendesk.errors import NotSent, Rejected

PAGES_AT_ONCE = 10
"""Pages of the job list that one look-up may read; the next one goes on from there."""
MOST_PAGES = 200
"""An account with more jobs a day than these pages hold is not searched: its rows wait for the key to be forgotten."""
MOST_CANDIDATES = 2000
"""With their ids a row must fit into DynamoDB's 400 KB, beside a request of 300 KB."""


@dataclass(slots=True)
class _Listing:
    """The account's unfinished jobs. Those that end while the list is read have made their tickets by then."""

    started_at: float
    ids: list[str] = field(default_factory=list)
    cursor: str | None = None
    pages: int = 0
    complete: bool = False
    unread_for: set[str] = field(default_factory=set)
    """Rows that wait for the rest of it: nothing was sent for them since it was begun."""


class CandidateJobs:
    """One list of jobs for all rows that are in doubt in a run of the poller."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._listing: _Listing | None = None
        self._foreign: tuple[str, ...] = ()

    def of(self, row: TicketRow, sent_by: float, permit: Permit) -> tuple[str, ...]:
        """The unfinished jobs that may make the ticket of this row, whose last request was sent by `sent_by` at latest.

        The set is fixed at the first look-up, so that new jobs cannot keep the row waiting for ever. Raises a call's
        errors, and NotSent where the list is too long to be read at once: the next look-up goes on.
        """
        if not ticket_states.jobs_may_be_candidates(row, self._services.now()):
            return ()
        try:
            if row.candidate_jobs is None:
                return self._listed(row, sent_by, permit)
            hundreds = batched(row.candidate_jobs, JOBS_AT_ONCE, strict=False)
            return tuple(job for some in hundreds for job in self._alive(some, permit))
        except Rejected as error:
            # Without permission to list jobs, only the look-up of the ticket protects.
            observability.logger().warning("jobs not shown", extra={"pk": row.pk, "reason": error.code})
            return ()

    def _alive(self, jobs: tuple[str, ...], permit: Permit) -> list[str]:
        known = self._services.zendesk.job_statuses(jobs, permit)
        return [job for job in jobs if job in known and not known[job].over]

    def _listed(self, row: TicketRow, sent_by: float, permit: Permit) -> tuple[str, ...]:
        listing = self._listing
        if listing is None or (listing.started_at < sent_by and row.pk not in listing.unread_for):
            listing = self._listing = _Listing(self._services.now())
        listing.unread_for.add(row.pk)
        if not listing.complete:
            self._read(listing, permit)
            # Our own are removed before anything is cut: however many are ours, none of the others is missed.
            ours = self._services.store.jobs_waited_for() if listing.ids else set()
            self._foreign = tuple(job for job in listing.ids if job not in ours)
        if len(self._foreign) > MOST_CANDIDATES:
            raise NotSent(
                "too_many_jobs_unfinished", "Too many jobs are unfinished to tell which may make this ticket."
            )
        listing.unread_for.discard(row.pk)
        return self._foreign

    def _read(self, listing: _Listing, permit: Permit) -> None:
        for _ in range(PAGES_AT_ONCE):
            if listing.pages >= MOST_PAGES:
                break
            jobs, listing.cursor = self._services.zendesk.list_jobs(permit, listing.cursor)
            listing.pages += 1
            listing.ids += [job.id for job in jobs if not job.over]
            if listing.cursor is None:
                listing.complete = True
                return
        raise NotSent("job_list_unread", "The account's list of jobs is not read to its end yet.")
