"""One file of a row, from where it is to Zendesk: the poller's work, before it sends the row."""

import binascii
import json
from base64 import b64decode
from dataclasses import dataclass
from functools import partial
from typing import Any

from ticket_relay import observability
from ticket_relay.attachments.addresses import INTERNET, Network
from ticket_relay.attachments.content_types import checked_type
from ticket_relay.attachments.download import download, too_large
from ticket_relay.attachments.policy import checked
from ticket_relay.definitions import loader
from ticket_relay.definitions.models import Attachments
from ticket_relay.errors import FileUnavailable, SecretsUnavailable, StoreUnavailable
from ticket_relay.rate_limits.gate import PROBE_TIME
from ticket_relay.rate_limits.permit import Deadline
from ticket_relay.services import Services
from ticket_relay.states import files as states
from ticket_relay.states.backoff import jitter
from ticket_relay.states.files import WithFiles
from ticket_relay.states.waiting import deferred
from ticket_relay.storage.rows import UNREAD, Row, TicketRow, UpdateRow
from ticket_relay.zendesk.errors import Rejected, ZendeskError
from ticket_relay.zendesk.ticket_models import Attachment, attachments_of

FOR_DOWNLOAD = 0.6
"""The share of the time that fetching may take; the rest is for the upload."""
MEGABYTE = 1024 * 1024
UPLOAD_FAILED = FileUnavailable("upload_failed", "Zendesk fails to take it")
UNFINISHED = FileUnavailable("unfinished", "the relay could not finish with it")


@dataclass(frozen=True, slots=True)
class _Fetcher:
    """Until when to fetch, and from where."""

    by: Deadline
    network: Network


def advance(services: Services, row: Row, by: Deadline, network: Network | None = None) -> Row:
    """Fetch and upload the next file of a row that is due; the row as it is then in the table.

    A worker that dies leaves the row reserved, and an upload that no comment takes; a file of which workers die again
    and again is given up. Raises StaleRow, StoreUnavailable and SecretsUnavailable: repeating is safe.
    """
    number = row.next_file(services.now())
    if number is None or not isinstance(row, TicketRow | UpdateRow):
        return row
    attachment = Attachment.model_validate(attachments_in(row)[number])
    if states.exhausted(row, number):
        new = states.given_up(row, number, UNFINISHED, services.now(), required=attachment.required)
        return _without(services, row, number, UNFINISHED, new)
    row = services.store.move(row, states.reserved(row, number, services.now()))
    fetcher = _Fetcher(Deadline.after(FOR_DOWNLOAD * by.left), network or INTERNET)
    try:
        content, content_type = _fetched(services, partner_of(row), number, attachment, fetcher)
        with services.gate.permit(by) as permit:
            if permit.closed_until is not None:
                until = permit.closed_until + jitter(2.0)
                return services.store.move(row, deferred(states.not_tried(row, number), services.now(), until))
            # The half-open trial must be over before another worker may make it.
            in_time = permit if permit.probe is None else permit.within(PROBE_TIME)
            upload = services.zendesk.upload(content, attachment.filename, content_type, in_time)
    except FileUnavailable as error:
        return _not_had(services, row, number, error, attachment)
    except ZendeskError as error:
        return _not_uploaded(services, row, number, error, attachment)
    except (SecretsUnavailable, StoreUnavailable):
        services.store.move(row, states.not_tried(row, number).moved(services.now()))
        raise
    observability.count("AttachmentUploaded")
    return services.store.move(row, states.uploaded(row, number, upload, services.now()))


def attachments_in(row: WithFiles) -> list[dict[str, Any]]:
    """The files of the row's comment; none where the row no longer has its payload."""
    payload = row.request if isinstance(row, TicketRow) else row.event
    if payload in {None, UNREAD}:
        return []
    inside = json.loads(payload or b"")
    return attachments_of(inside["ticket" if isinstance(row, TicketRow) else "changes"])


def partner_of(row: WithFiles) -> str:
    """Whose event it is. `of_event` is the key of an event's row, `ticket#{partner}#{event id}`."""
    return row.partner if isinstance(row, TicketRow) else (row.of_event or "##").split("#")[1]


def _not_had(
    services: Services, row: WithFiles, number: int, error: FileUnavailable, attachment: Attachment
) -> WithFiles:
    new = states.not_had(row, number, error, services.now(), required=attachment.required)
    return _without(services, row, number, error, new)


def _not_uploaded(
    services: Services, row: WithFiles, number: int, error: ZendeskError, attachment: Attachment
) -> WithFiles:
    if isinstance(error, Rejected):
        observability.logger().warning("upload refused", extra={"pk": row.pk, "reason": error.code})
        # A token without the scope for uploads is the deployment's fault, and may be put right.
        refused = FileUnavailable("upload_refused", "Zendesk does not take it", passing=error.http_status == 403)
        return _not_had(services, row, number, refused, attachment)
    if states.refused(row, number, error, services.now()):
        return _not_had(services, row, number, UPLOAD_FAILED, attachment)
    pause = services.settings.doubtful_pause_seconds
    return services.store.move(row, states.not_uploaded(row, number, error, services.now(), pause=pause))


def _without(services: Services, row: WithFiles, number: int, error: FileUnavailable, new: WithFiles) -> WithFiles:
    # Which server and which file, only the row knows.
    observability.logger().warning("file not to be had", extra={"pk": row.pk, "reason": error.code, "file": number + 1})
    if new.state != row.state or new.next_file(services.now()) != number:
        observability.count("AttachmentMissing")
    return services.store.move(row, new)


def _fetched(
    services: Services, partner: str, number: int, attachment: Attachment, fetcher: _Fetcher
) -> tuple[bytes, str]:
    """The content and its type. Raises FileUnavailable, SecretsUnavailable."""
    definition = loader.partners().get(partner)
    policy = checked(definition.attachments if definition else None, number, attachment)
    content, said = _content(services, partner, policy, attachment, fetcher)
    return content, checked_type(content, attachment.content_type or said, frozenset(policy.types))


def _content(
    services: Services, partner: str, policy: Attachments, attachment: Attachment, fetcher: _Fetcher
) -> tuple[bytes, str]:
    most = int(policy.max_mb * MEGABYTE)
    if attachment.url is not None:
        headers = partial(services.download_headers, partner)
        return download(attachment.url, policy.hosts, most, by=fetcher.by, headers=headers, network=fetcher.network)
    text = attachment.base64 or ""
    if attachment.kept_at is not None:
        kept = services.events.read(attachment.kept_at)
        if kept is None:
            raise FileUnavailable("expired", "its content is no longer kept")
        text = kept.decode()
    return _decoded(text, most), ""


def _decoded(text: str, most: int) -> bytes:
    try:
        content = b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise FileUnavailable("base64_invalid", "its content is not base64") from None
    if len(content) > most:
        raise too_large(most)
    return content
