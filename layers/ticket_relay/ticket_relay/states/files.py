"""How the files of a row's comment come along, before it is sent: pure functions, for events and updates alike.

    due ──reserved──▶ fetched and uploaded ──▶ the next file ──▶ ready to be sent
                        ├── not to be had ──▶ named in a note, the next file
                        └── required, or only just now not to be had ──▶ due again, in the end failed

An upload whose outcome is unknown is simply repeated: one that no comment takes expires by itself.
"""

from ticket_relay.errors import FileUnavailable
from ticket_relay.states import ticket as ticket_states
from ticket_relay.states import update as update_states
from ticket_relay.states.backoff import growing
from ticket_relay.storage.rows import TOKEN_MARGIN, TicketRow, UpdateRow, Upload
from ticket_relay.zendesk.errors import ZendeskError

RESERVED = 60.0
"""Seconds for which a worker has a row while it fetches one file and uploads it."""
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0
MOST_TRIES = 5
"""Of a file without which there is a ticket as well: two minutes and a half, with their pauses."""

type WithFiles = TicketRow | UpdateRow


def reserved(row: WithFiles, now: float) -> WithFiles:
    """Taken by a worker for one file. Nothing is sent for it that could leave it in doubt, so this is no lease."""
    return row.after_lease().moved(now, leased_at=None, due_at=now + RESERVED)


def tried(row: WithFiles, number: int, upload: Upload, now: float) -> WithFiles:
    """What became of the file: it is uploaded, or given up. Due at once: to be sent, or for the next file. That comes
    before the files of rows that have none yet, since an upload does not live long.

    A request that may have had its effect was sent with the tokens before: with others it is another request, and needs
    a key of its own. It is looked for first, as any row in doubt is.
    """
    renewed = isinstance(row, TicketRow) and row.sent_at is not None
    uploads = (*row.uploads[:number], upload, *row.uploads[number + 1 :])
    return row.moved(
        now,
        uploads=uploads,
        attempt=row.attempt + renewed,
        retries=0,
        due_at=now if len(uploads) == row.files else row.created_at,
        error_code=None,
        error_sentence=None,
    )


def uploaded(row: WithFiles, number: int, upload: Upload, now: float) -> WithFiles:
    """Zendesk has the file. A life shorter than the margin, or a clock that is wrong, must not have it uploaded again
    and again.
    """
    at_least = now + 2 * TOKEN_MARGIN
    return tried(row, number, upload.model_copy(update={"expires_at": max(upload.expires_at, at_least)}), now)


def not_had(row: WithFiles, number: int, error: FileUnavailable, now: float, *, required: bool) -> WithFiles:
    """The file was not to be had. One that is required is waited for as long as the retry window lasts."""
    if not required and (not error.passing or row.retries + 1 >= MOST_TRIES):
        return tried(row, number, Upload(reason=error.code, sentence=error.sentence), now)
    code, sentence = f"file_{error.code}", f"File {number + 1}, which is required, is not to be had: {error.sentence}."
    if required and now - row.retry_window_start > _window(row):
        return _failed(row, code, sentence, now)
    return row.moved(
        now,
        retries=row.retries + 1,
        due_at=now + growing(FIRST_PAUSE, row.retries, most=LONGEST_PAUSE),
        error_code=code,
        error_sentence=sentence if required else f"File {number + 1} is not to be had: {error.sentence}.",
    )


def not_uploaded(row: WithFiles, error: ZendeskError, now: float, *, pause: float) -> WithFiles:
    """Zendesk did not take the upload now. `pause` is as for a ticket in doubt, though nothing is."""
    if isinstance(row, TicketRow):
        return ticket_states.on_create_error(row, error, now, doubtful_pause=pause, sent=False)
    return update_states.on_update_error(row, error, now, conflicts=row.conflicts, sent=False)


def _window(row: WithFiles) -> float:
    return ticket_states.GIVE_UP_AFTER if isinstance(row, TicketRow) else update_states.GIVE_UP_AFTER


def _failed(row: WithFiles, code: str, sentence: str, now: float) -> WithFiles:
    if isinstance(row, TicketRow):
        return ticket_states.failed(row, code, sentence, now)
    return update_states.failed(row, code, sentence, now)
