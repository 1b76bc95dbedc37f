"""The internal note that names the files which a ticket lacks: an update of its own, applied like any other.

It is claimed before the row that it is about is over, since nobody looks at that again; claiming it twice is one note.
Its key has a name in a partner's place that no partner can have.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ticket_relay.attachments.files import attachments_in
from ticket_relay.services import Services
from ticket_relay.states import joining
from ticket_relay.states import update as update_states
from ticket_relay.storage.parts import Upload
from ticket_relay.storage.rows import TicketRow, UpdateRow, UpdateState, update_pk
from ticket_relay.zendesk.request_body import encoded
from ticket_relay.zendesk.ticket_models import attachments_of

SENDER = "zendesk.missing-files"
TOO_LATE = "Zendesk took the comment so late that it may lack this file"


def of_ticket(services: Services, row: TicketRow, ticket_id: int) -> None:
    """Claim the note about a ticket that was created of this row, if it lacks any. Raises StoreUnavailable."""
    if not _lacking(row.uploads, services.now()):
        return
    # A row that waited for a job came without its payload; one that is over has none, and has its note.
    found = services.store.get(row.pk) if row.without_payload else row
    if isinstance(found, TicketRow):
        _claim(services, row, ticket_id, attachments_in(found), row.uploads, at=services.now())


def of_update(services: Services, row: TicketRow, update: UpdateRow) -> None:
    """Claim the note about an update by which the row's event joined a ticket. Raises StoreUnavailable."""
    landed = update.state is UpdateState.APPLIED and update.error_code is None
    if landed and row.joining is not None and _lacking(update.uploads, update.updated_at):
        changes = joining.changes_of(row, row.joining)
        _claim(services, row, update.ticket_id, attachments_of(changes), update.uploads, at=update.updated_at)


def _claim(
    services: Services,
    row: TicketRow,
    ticket_id: int,
    attachments: Sequence[Mapping[str, Any]],
    uploads: Sequence[Upload],
    *,
    at: float,
) -> None:
    """`at` is when the comment is known to be there."""
    now = services.now()
    lines = [
        f"- {attachment['filename']}: {upload.sentence or TOO_LATE}."
        for attachment, upload in zip(attachments, uploads, strict=False)
        if _lacks(upload, at)
    ]
    if not lines:
        return
    comment = {"body": "\n".join(["Files that could not be attached to this ticket:", *lines]), "public": False}
    event = {
        "ticket_id": ticket_id,
        "changes": {"comment": comment},
        "joining": {"do": "update", "on_closed": "ignore"},
        "has_ticket": False,
    }
    id = f"{SENDER}/{row.partner}/{row.event_id}"
    note = update_states.claimed(
        update_pk(ticket_id, id), ticket_id, id, encoded(event), now, closed_until=now, of_event=row.pk
    )
    services.store.claim(note)


def _lacking(uploads: Sequence[Upload], at: float) -> bool:
    return any(_lacks(upload, at) for upload in uploads)


def _lacks(upload: Upload, at: float) -> bool:
    """Not to be had, or uploaded and perhaps expired before a job that was queued for long took it."""
    return upload.reason is not None or upload.expires_at < at
