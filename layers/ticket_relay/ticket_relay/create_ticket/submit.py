"""Sending a ticket request to Zendesk, the first time and every later one.

Two things are held before anything is sent: the gate's leave, and the row itself. What may have had its effect already
is looked for.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial

from ticket_relay import observability
from ticket_relay.create_ticket import mapping
from ticket_relay.create_ticket.candidate_jobs import CandidateJobs
from ticket_relay.definitions import loader
from ticket_relay.errors import MappingFailed, PayloadRefused, RelayError, StoreUnavailable, UnknownPartner
from ticket_relay.rate_limits.headers import CREATE, INDEX
from ticket_relay.rate_limits.permit import Deadline, Permit
from ticket_relay.services import Services
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states.backoff import LEASE_TOGETHER, jitter
from ticket_relay.states.waiting import deferred
from ticket_relay.storage.events import NOWHERE
from ticket_relay.storage.rows import TicketRow, TicketState, correlation_pk
from ticket_relay.webhooks import payload
from ticket_relay.webhooks.signatures import Delivery
from ticket_relay.zendesk.client import TICKETS_AT_ONCE
from ticket_relay.zendesk.errors import OutcomeUnknown, Rejected, ZendeskError
from ticket_relay.zendesk.request_body import encoded, followed_up
from ticket_relay.zendesk.ticket_models import uploaded

MOST_BYTES = 1024 * 1024
"""Of the requests that go together. Zendesk publishes no limit."""


def send(services: Services, row: TicketRow, permit: Permit) -> TicketRow:
    """Send a held row and move it by the outcome. After StaleRow or StoreUnavailable the lease ends by itself.

    A follow-up is sent only if the ticket that it continues is closed, which one call more has to find out. That is
    safe to know beforehand: what is closed stays so.
    """
    if row.request is None:
        raise AssertionError("an accepted row carries its request")
    source = followed_up(row.request)
    if source is not None and (unsent := _without_closed(services, row, source, permit)):
        return unsent
    try:
        submission = services.zendesk.create_ticket(_body(row, row.request), row.idempotency_key, permit)
    except ZendeskError as error:
        return _on_error(services, row, error)
    # First of all the job is written down: a row that does not know of it is in doubt.
    moved = end(services, row, ticket_states.submitted(row, submission, services.now()))
    if submission.dropped and services.settings.metrics_by_partner:
        observability.count("ZendeskDroppedFields", partner=row.partner)
    return moved


def _body(row: TicketRow, request: bytes) -> bytes:
    """The request with the tokens of its files. The same uploads give the same bytes, as the idempotency key demands:
    with others, the row has another key (`states.files.uploaded`).
    """
    return encoded({"ticket": uploaded(json.loads(request)["ticket"], row.tokens)}) if row.files else request


def end(services: Services, row: TicketRow, new: TicketRow) -> TicketRow:
    """Move a row whose ticket may be certain now. Where files are missing, the note that says so is claimed first: what
    is over is not looked at again.
    """
    note_missing_files(services, row, new)
    return services.store.move(row, new)


def note_missing_files(services: Services, row: TicketRow, new: TicketRow) -> None:
    """Raises StoreUnavailable."""
    if new.state is TicketState.CREATED and new.ticket_id is not None and row.uploads:
        from ticket_relay.attachments import notes  # noqa: PLC0415 - most tickets have no files

        notes.of_ticket(services, row, new.ticket_id)


def _without_closed(services: Services, row: TicketRow, source: int, permit: Permit) -> TicketRow | None:
    """The row as it ends or waits where its source is not known to be closed; None if it is."""
    try:
        shown = services.zendesk.show_ticket(source, permit)
    except ZendeskError as error:
        return _on_error(services, row, _unknown(error), sent=False)
    if shown and shown.ticket.get("status") == "closed":
        return None
    ended = ticket_states.nothing_to_follow_up(row, source, services.now(), exists=shown is not None)
    return services.store.move(row, ended)


def send_together(
    services: Services,
    rows: Sequence[TicketRow],
    by: Deadline,
    on_error: Callable[[TicketRow, RelayError], None],
) -> list[TicketRow]:
    """Send a backlog of rows that `may_go_together` in one job, at most 100; those that Zendesk took on.

    A row that another worker changed, or that cannot be written, is left out and given to `on_error`: if it has a
    lease, that ends by itself. Raises StoreUnavailable if the gate cannot be asked.
    """
    store = services.store
    with services.gate.permit(by, CREATE) as permit:
        if permit.closed_until is not None:
            return []
        leases = [(row, ticket_states.held(row.after_lease(), services.now(), LEASE_TOGETHER)) for row in rows]
        held = [row for _, row in store.move_all(leases, on_error)]
        requests = [_body(row, row.request) for row in held if row.request is not None]
        if not requests:
            return []
        # It took a while to hold a hundred rows.
        if until := _closed_since(services, permit):
            store.move_all([(row, deferred(row, services.now(), until)) for row in held], on_error)
            return []
        try:
            submission = services.zendesk.create_tickets(requests, permit)
        except ZendeskError as error:
            pause, now = services.settings.doubtful_pause_seconds, services.now()
            ends = [(row, ticket_states.on_batch_error(row, error, now, doubtful_pause=pause)) for row in held]
            store.move_all(ends, on_error)
            return []
        taken = [
            (row, ticket_states.submitted(row, submission, services.now(), index, together=True))
            for index, row in enumerate(held)
        ]
        return [row for _, row in store.move_all(taken, on_error)]


def batches(rows: Iterable[TicketRow]) -> Iterator[list[TicketRow]]:
    """The rows in their order, as many at a time as one request may hold."""
    batch: list[TicketRow] = []
    size = 0
    for row in rows:
        size += len(row.request or b"")
        if batch and (len(batch) == TICKETS_AT_ONCE or size > MOST_BYTES):
            yield batch
            batch, size = [], len(row.request or b"")
        batch.append(row)
    if batch:
        yield batch


def resume(services: Services, row: TicketRow, by: Deadline, jobs: CandidateJobs | None = None) -> TicketRow:
    """Go on with an accepted row that is due. One in doubt is looked for, and goes on only if there is no ticket.

    `jobs` is the list of jobs that the rows of a run share.
    """
    # A worker that died may have sent until its lease ended.
    sent_by = row.updated_at if row.leased_at is None else row.due_at or row.updated_at
    row = row.after_lease()
    if row.request is None and not row.in_doubt:
        return _map(services, row)
    endpoints = (CREATE, INDEX) if row.in_doubt else (CREATE,)
    with services.gate.permit(by, *endpoints) as permit:
        if permit.closed_until is not None:
            return _deferred(services, row, permit.closed_until)
        if row.request is not None:
            row = services.store.move(row, ticket_states.held(row, services.now()))
        # To look for what is to be mapped needs no lease: it does no harm twice.
        if row.in_doubt and (settled := _looked_up(services, row, jobs or CandidateJobs(services), sent_by, permit)):
            return settled
        return _without_ticket(services, row, permit)


def _without_ticket(services: Services, row: TicketRow, permit: Permit) -> TicketRow:
    """Go on with a row that has no ticket, and none to come."""
    if row.request is None:
        return _map(services, row)
    if (number := row.next_file(services.now())) is not None:
        return services.store.move(row, ticket_states.without_files(row, number, services.now()))
    # Looking took a while, ten pages of jobs perhaps.
    if row.in_doubt and (until := _closed_since(services, permit)):
        return _deferred(services, row, until)
    return send(services, row, permit)


def _closed_since(services: Services, permit: Permit) -> float | None:
    """Until when Zendesk has told others to wait, if it did since the permit was given; the half-open trial asks for
    them all. A table that does not answer takes no permission back: the rows are held, and would be in doubt.
    """
    with suppress(StoreUnavailable):
        return services.gate.closed_until(CREATE) if permit.probe is None else None
    return None


def _deferred(services: Services, row: TicketRow, until: float) -> TicketRow:
    """Spread a little, so that not all come at once."""
    return services.store.move(row, deferred(row, services.now(), until + jitter(2.0)))


def _looked_up(
    services: Services, row: TicketRow, jobs: CandidateJobs, sent_by: float, permit: Permit
) -> TicketRow | None:
    """The row as the look-up moved it; None if there is no ticket, and none to come, so that it may be sent."""
    observability.count("TicketLookedFor")
    try:
        # The jobs first: one that ends between the two look-ups has made its ticket by the second.
        candidate_jobs = jobs.of(row, sent_by, permit)
        ticket_id = find(services, row, permit)
    except ZendeskError as error:
        return _on_error(services, row, _unknown(error), sent=False)
    if ticket_id is not None:
        return end(services, row, ticket_states.created(row, ticket_id, services.now()))
    if candidate_jobs:
        return services.store.move(row, ticket_states.waiting_for_jobs(row, candidate_jobs, services.now()))
    return None


def _unknown(error: ZendeskError) -> ZendeskError:
    """A refused look-up says nothing about the ticket: in doubt as before."""
    if isinstance(error, Rejected):
        return OutcomeUnknown("look_up_refused", f"Zendesk refused the look-up: {error.code}.")
    return error


def _map(services: Services, row: TicketRow) -> TicketRow:
    """Map a redriven event with today's definitions: it is due at once, not wanted, or unmapped again."""
    delivered = services.events.delivered(row)
    id, body = delivered or (row.event_id, b"")
    try:
        definition = loader.partner(row.partner)
        event, delivery = payload.parse(body), Delivery(id, row.created_at, None)
        if definition.split is not None and row.delivery is None:
            from ticket_relay.create_ticket import split  # noqa: PLC0415 - most partners split nothing

            split.take_again(services, definition, event, delivery, body=body)
            return services.store.move(row, ticket_states.split(row, services.now()))
        mapped = mapping.map_event(definition, mapping.event_of(definition, event, delivery, row.event_id))
        if mapped is None:
            return services.store.move(row, ticket_states.ignored(row, services.now()))
        request, changes = mapping.written(mapped, row.external_id, partial(services.events.put, row.partner))
    except (UnknownPartner, PayloadRefused, MappingFailed) as error:
        kept = services.events.keep_for_longer(row, *delivered, services.now()) if delivered else NOWHERE
        return services.store.move(row, ticket_states.still_unmapped(row, error, services.now(), kept))
    known = row
    if mapped.correlate is not None and mapped.joining is not None:
        known = ticket_states.about(row, correlation_pk(row.partner, mapped.correlate), mapped.joining, changes)
    return services.store.move(row, ticket_states.mapped(known, request, mapped.files, services.now()))


def find(services: Services, row: TicketRow, permit: Permit) -> int | None:
    """The ticket of this request, if there is one: by the announced id, then by the external_id that only we give."""
    if row.ticket_id is not None:
        shown = services.zendesk.show_ticket(row.ticket_id, permit)
        if shown and shown.ticket.get("external_id") == row.external_id:
            return row.ticket_id
    found = services.zendesk.find_tickets(row.external_id, permit)
    if len(found) > 1:
        observability.count("TicketDuplicated")
    return found[0] if found else None


def _on_error(services: Services, row: TicketRow, error: ZendeskError, *, sent: bool = True) -> TicketRow:
    if isinstance(error, OutcomeUnknown):
        observability.count("TicketDoubtful")
    pause = services.settings.doubtful_pause_seconds
    return services.store.move(
        row, ticket_states.on_create_error(row, error, services.now(), doubtful_pause=pause, sent=sent)
    )
