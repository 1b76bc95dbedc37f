"""Secrets, read from Secrets Manager with a short cache: a rotated one works within a minute, without a deploy."""

from typing import Any

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError, TransformParameterError
from botocore.config import Config
from botocore.exceptions import ClientError

from ticket_relay.errors import SecretsUnavailable

MAX_AGE = 60
"""Seconds. Also bounds how long a revoked secret is still accepted."""
CLIENT = Config(connect_timeout=0.5, read_timeout=1.5, retries={"mode": "standard", "total_max_attempts": 2})


class Secrets:
    """Each secret is a JSON object. Raises SecretsUnavailable; nothing was decided then, so repeating is safe."""

    def __init__(self, provider: SecretsProvider | None = None) -> None:
        self._provider = provider or SecretsProvider(boto_config=CLIENT)

    def read(self, arn: str) -> dict[str, Any]:
        """The secret's object; empty where nobody has put a value yet."""
        try:
            found = self._provider.get(arn, max_age=MAX_AGE, transform="json")
        except TransformParameterError:
            raise SecretsUnavailable("A secret is not JSON.") from None
        except GetParameterError as error:
            # Powertools raises its own error while it handles boto3's.
            match error.__context__:
                case ClientError(response={"Error": {"Code": "ResourceNotFoundException"}}):
                    return {}
            raise SecretsUnavailable("The secret store could not be read.") from None
        if not isinstance(found, dict):
            raise SecretsUnavailable("A secret is not a JSON object.")
        return found

    def signing(self, arn: str, sender: str) -> list[str]:
        """The secrets that may sign for a sender; none where there are none, and then nothing of theirs is accepted."""
        found = self.read(arn).get(sender, [])
        return [secret for secret in found if isinstance(secret, str)] if isinstance(found, list) else []
