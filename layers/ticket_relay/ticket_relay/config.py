"""The settings of a function: its environment, typed. Set in template.yaml; read here and nowhere else."""

import os
from functools import cache

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """What template.yaml gives every function. Durations are seconds."""

    model_config = ConfigDict(frozen=True)

    table_name: str
    zendesk_base_url: str = Field(pattern=r"^https?://[^/]+$")
    zendesk_secret_arn: str
    zendesk_scope: str = Field(default="read tickets:write", min_length=1)
    """What the OAuth token is to be good for: uploads may take more than tickets."""
    signing_secrets_arn: str | None = None
    """Who may sign what this function receives; the poller receives nothing and has none."""
    download_secrets_arn: str | None = None
    """Where the headers are with which partners' files are fetched; only the poller fetches any."""
    zendesk_connect_timeout_seconds: float = Field(gt=0, le=5)
    zendesk_read_timeout_seconds: float = Field(gt=0, le=10)
    table_read_timeout_seconds: float = Field(default=1, gt=0, le=10)
    """A partner is answered within five seconds, and three calls of the table are on the way. The poller has time."""
    requests_left_to_others: int = Field(default=0, ge=0)
    """Of the account's requests a minute: for its agents and other integrations."""
    poller_function_name: str | None = None
    """The function that sends what waits; the poller itself starts none."""
    doubtful_pause_seconds: float = Field(gt=0)
    job_forgotten_after_seconds: float = Field(gt=0)
    sweep_minutes: float = Field(default=0, ge=0)
    """Between two sweeps of the poller; 0 for none."""
    zendesk_webhook_ids: str = ""
    """The webhooks of Zendesk's that call the relay, separated by blanks: what Zendesk dropped of them is counted."""
    metrics_by_partner: bool = False
    """Whether what becomes of events is counted for each partner as well."""
    event_bucket: str | None = None
    """Holds raw events that are too large for the table."""
    keep_events: bool = True
    """Whether the raw event outlives its ticket, in its row."""


@cache
def settings() -> Settings:
    """Raises pydantic's ValidationError where the deployment is incomplete: at the cold start, not the first event."""
    given = {name: os.environ[name.upper()] for name in Settings.model_fields if name.upper() in os.environ}
    return Settings.model_validate(given)


def in_lambda() -> bool:
    """Whether this is Lambda's init phase or an invocation: there, what every invocation needs is built at once."""
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ
