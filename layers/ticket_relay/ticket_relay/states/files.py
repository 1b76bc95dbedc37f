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
from ticket_relay.storage.parts import Upload
from ticket_relay.storage.rows import TOKEN_MARGIN, TicketRow, UpdateRow
from ticket_relay.zendesk.errors import OutcomeUnknown, ZendeskError

RESERVED = 60.0
"""Seconds for which a worker has a row while it fetches one file and uploads it."""
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0
MOST_TRIES = 5
"""Of a file without which there is a ticket as well: two minutes and a half, with their pauses. Of any file, how many
workers may die.
"""

MOST_FAULTS = 12
"""Uploads of one file that Zendesk does not come to an end with, if they go on for longer than an incident."""
LONGEST_INCIDENT = 12 * 3600.0

type WithFiles = TicketRow | UpdateRow


def reserved(row: WithFiles, number: int, now: float) -> WithFiles:
    """Taken by a worker for one file. Nothing is sent for it that could leave it in doubt, so this is no lease.

    The try counts from here on: a file may be what the worker dies of.
    """
    uploads = _counted(row, number, tries=1)
    return row.after_lease().moved(now, leased_at=None, due_at=now + RESERVED, uploads=uploads)


def exhausted(row: WithFiles, number: int) -> bool:
    """Whether the file has had all its tries. A worker that lives to tell gives it up with the last one."""
    return _upload(row, number).tries >= MOST_TRIES


def not_tried(row: WithFiles, number: int) -> WithFiles:
    """The reserved row, to be moved: what came in between says nothing about the file."""
    return row.model_copy(update={"uploads": _counted(row, number, tries=-1)})


def refused(row: WithFiles, number: int, error: ZendeskError, now: float) -> bool:
    """Whether Zendesk has failed so often on the upload, and for so long, and now by this error, that the file is to
    blame. Throttling, and the way to Zendesk, say nothing about it.
    """
    often = isinstance(error, OutcomeUnknown) and _upload(row, number).faults + 1 >= MOST_FAULTS
    return often and now - row.retry_window_start > LONGEST_INCIDENT


def tried(row: WithFiles, number: int, upload: Upload, now: float) -> WithFiles:
    """What became of the file: it is uploaded, or given up. Due at once: to be sent, or for the next file. That comes
    before the files of rows that have none yet, since an upload does not live long.

    A request that may have had its effect was sent with the tokens before: with others it is another request, and needs
    a key of its own. It is looked for first, as any row in doubt is.
    """
    renewed = isinstance(row, TicketRow) and row.sent_at is not None
    known = row.model_copy(update={"uploads": _with(row, number, upload)})
    return known.moved(
        now,
        attempt=row.attempt + renewed,
        retries=0,
        due_at=row.created_at if known.lacks_files else now,
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
    over = now - row.retry_window_start > _window(row) if required else not error.passing or exhausted(row, number)
    if over:
        return given_up(row, number, error, now, required=required)
    known = not_tried(row, number) if required else row
    return known.moved(
        now,
        retries=row.retries + 1,
        due_at=now + growing(FIRST_PAUSE, row.retries, most=LONGEST_PAUSE),
        error_code=f"file_{error.code}",
        error_sentence=_sentence(number, error, required=required),
    )


def given_up(row: WithFiles, number: int, error: FileUnavailable, now: float, *, required: bool) -> WithFiles:
    """The row goes on without the file; without one that is required, it fails."""
    if not required:
        return tried(row, number, Upload(reason=error.code, sentence=error.sentence), now)
    return _failed(row, f"file_{error.code}", _sentence(number, error, required=True), now)


def not_uploaded(row: WithFiles, number: int, error: ZendeskError, now: float, *, pause: float) -> WithFiles:
    """Zendesk did not take the upload now. `pause` is as for a ticket in doubt, though nothing is."""
    uploads = _counted(row, number, tries=-1, faults=isinstance(error, OutcomeUnknown))
    row = row.model_copy(update={"uploads": uploads})
    if isinstance(row, TicketRow):
        return ticket_states.on_create_error(row, error, now, doubtful_pause=pause, sent=False)
    return update_states.on_update_error(row, error, now, conflicts=row.conflicts, sent=False)


def _upload(row: WithFiles, number: int) -> Upload:
    return row.uploads[number] if number < len(row.uploads) else Upload()


def _with(row: WithFiles, number: int, upload: Upload) -> tuple[Upload, ...]:
    return (*row.uploads[:number], upload, *row.uploads[number + 1 :])


def _counted(row: WithFiles, number: int, *, tries: int, faults: int = 0) -> tuple[Upload, ...]:
    """The uploads with so many more tries and faults of this one."""
    known = _upload(row, number)
    more = {"tries": known.tries + tries, "faults": known.faults + faults}
    return _with(row, number, known.model_copy(update=more))


def _sentence(number: int, error: FileUnavailable, *, required: bool) -> str:
    return f"File {number + 1}{', which is required,' if required else ''} is not to be had: {error.sentence}."


def _window(row: WithFiles) -> float:
    return ticket_states.GIVE_UP_AFTER if isinstance(row, TicketRow) else update_states.GIVE_UP_AFTER


def _failed(row: WithFiles, code: str, sentence: str, now: float) -> WithFiles:
    if isinstance(row, TicketRow):
        return ticket_states.failed(row, code, sentence, now)
    return update_states.failed(row, code, sentence, now)
