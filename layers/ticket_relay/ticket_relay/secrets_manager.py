"""Secrets, read from Secrets Manager with a short memory: a rotated one works within a minute, without a deploy.

While Secrets Manager is down, a secret that was read before goes on being used: events are still taken, and sent.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ticket_relay import aws_clients, observability
from ticket_relay.errors import SecretsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

MAX_AGE = 60
"""Seconds. Also bounds how long a revoked secret is still accepted while Secrets Manager answers."""
MAX_AGE_WHILE_DOWN = 3600
"""Seconds since Secrets Manager last gave the secret: the same bound while it does not answer."""
RETRY_AFTER = 10
"""Seconds from one failed read to the next: a sender waits for each, as long as `CLIENT` lets it take."""
CLIENT = Config(connect_timeout=0.5, read_timeout=1.5, retries={"mode": "standard", "total_max_attempts": 2})


@dataclass(frozen=True, slots=True)
class _Known:
    """A secret's object, when Secrets Manager gave it, and when to ask again (epoch seconds)."""

    value: dict[str, Any]
    read_at: float
    read_again_at: float


class _Down(SecretsUnavailable):
    """Secrets Manager said nothing about the secret."""


class Secrets:
    """Each secret is a JSON object. Raises SecretsUnavailable; nothing was decided then, so repeating is safe."""

    def __init__(self, client: "SecretsManagerClient | None" = None, now: Callable[[], float] = time.time) -> None:
        self._client: SecretsManagerClient = client or aws_clients.client("secretsmanager", CLIENT)
        self._now = now
        self._known: dict[str, _Known] = {}
        self._one_reads = Lock()

    def read(self, arn: str) -> dict[str, Any]:
        """The secret's object; empty as long as it has no value."""
        with self._one_reads:
            return self._read(arn)

    def _read(self, arn: str) -> dict[str, Any]:
        known, now = self._known.get(arn), self._now()
        if known and now < known.read_again_at:
            return known.value
        # Forgotten first: whatever Secrets Manager answers holds, and be it that we may not read the secret any more.
        self._known.pop(arn, None)
        try:
            value = self._fetch(arn)
        except _Down:
            if not known or now >= known.read_at + MAX_AGE_WHILE_DOWN:
                raise
            observability.count("SecretsStale")
            read_again_at = min(now + RETRY_AFTER, known.read_at + MAX_AGE_WHILE_DOWN)
            self._known[arn] = _Known(known.value, known.read_at, read_again_at)
            return known.value
        if value:
            self._known[arn] = _Known(value, now, now + MAX_AGE)
        return value

    def signing(self, arn: str, sender: str) -> list[str]:
        """The secrets that may sign for a sender; none where there are none, and then nothing of theirs is accepted."""
        found = self.read(arn).get(sender, [])
        return [secret for secret in found if isinstance(secret, str)] if isinstance(found, list) else []

    def headers(self, arn: str, partner: str, host: str) -> dict[str, str]:
        """The headers for one host, of `{"<partner>.downloads": {"<host>": {"<header>": "<value>"}}}`."""
        hosts = self.read(arn).get(f"{partner}.downloads", {})
        found = hosts.get(host, {}) if isinstance(hosts, dict) else {}
        return (
            {name: value for name, value in found.items() if isinstance(value, str)} if isinstance(found, dict) else {}
        )

    def _fetch(self, arn: str) -> dict[str, Any]:
        try:
            answer = self._client.get_secret_value(SecretId=arn)
        except (BotoCoreError, ClientError) as error:
            if _code(error) == "ResourceNotFoundException":
                return {}
            unavailable = _Down if _is_down(error) else SecretsUnavailable
            raise unavailable("The secret store could not be read.") from None
        try:
            value = json.loads(answer["SecretString"] if "SecretString" in answer else answer["SecretBinary"])
        except (ValueError, RecursionError):
            raise SecretsUnavailable("A secret is not JSON.") from None
        if not isinstance(value, dict):
            raise SecretsUnavailable("A secret is not a JSON object.")
        return value


def _is_down(error: BotoCoreError | ClientError) -> bool:
    """No answer; a 5xx; or throttling, which Secrets Manager answers with 400 (API reference, Common Error Types)."""
    if not isinstance(error, ClientError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or _code(error) == "ThrottlingException"


def _code(error: BotoCoreError | ClientError) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else ""
