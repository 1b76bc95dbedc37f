"""The switches of the simulated account: everything that documentation leaves open or that accounts differ in."""

from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


@dataclass(config=ConfigDict(extra="forbid", validate_assignment=True))
class Settings:
    """Defaults are what is documented; where nothing is, what seems likeliest. Change a field to change the account."""

    stamp_precision: Literal["minute", "second"] = "minute"
    """Of `{{ticket.updated_at_with_timestamp}}`: documented to the minute (placeholders reference); reality unknown."""

    key_with_async: bool = True
    """Whether `Idempotency-Key` works together with `async=true`: unpublished, so both worlds can be had."""

    token_seconds: int | None = 1800
    """Life of a token asked for without `expires_in`: 30 min since 2026 (justeat/ZendeskApiClient#339)."""

    allowed_scopes: str | None = None
    """The most that a token may get, separated by blanks; None: anything. A client has such a setting ("Creating and
    using OAuth tokens with the API"); that a token that is asked for more gets less is an assumption."""

    upload_seconds: int = 3600
    """Life of an upload: 60 minutes in today's Attachments reference, three days in recordings of 2023 and 2024."""

    job_queued_seconds: float = 0.3
    job_working_seconds: float = 0.3
    """Assumption, for people who watch: a batch as fast as a single ticket. See `job_ticket_seconds`."""

    job_ticket_seconds: float = 0.0
    """Added for each ticket of a job. Observed: 100 tickets take 10 to 15 s, so 0.12 is a true account's."""

    job_retention_seconds: float = 86400
    """A day in today's Job Statuses reference, an hour (3600) in older copies."""

    max_jobs: int = 30
    """Queued or running jobs at once (rate limits, "Job limit")."""

    async_counts_as_job: bool = False
    """Whether `async=true` counts towards `max_jobs`: the note is not attached to Create Ticket, so: no."""

    limit_account: int = 700
    """Requests a minute: Enterprise, and the account of the recordings (rate limits)."""

    limit_create: int = 300
    """Creations a minute by user and address. Observed 2024, undocumented."""

    limit_update: int = 100
    """Update Ticket, a minute, the account (Tickets reference; 20 in a sandbox)."""

    limit_ticket_updates: int = 30
    """Update Ticket, ten minutes, by user and ticket (Tickets reference)."""

    limit_index: int = 100
    """List Tickets, a minute (Tickets reference)."""

    limit_export: int = 10
    """Incremental exports, a minute (Incremental Exports)."""

    export_lag_seconds: float = 60
    """What changed within so many seconds before an export is left out ("Using the Incremental Export API"). More than
    one, or a second would be exported before it is over."""
