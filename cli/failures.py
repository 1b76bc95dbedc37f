"""The errors of AWS and of the relay as sentences for an operator, in place of tracebacks."""

from collections.abc import Iterator
from contextlib import contextmanager

import click
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
from botocore.parsers import ResponseParserError

from ticket_relay.errors import RelayError

_THROTTLED = ("ProvisionedThroughputExceededException", "RequestLimitExceeded", "Throttling", "ThrottlingException")
_NOT_ALLOWED = ("AccessDenied", "AccessDeniedException")
_NOT_ACCEPTED = (
    *("ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "InvalidSignatureException"),
    *("SignatureDoesNotMatch", "UnrecognizedClientException"),
)
_SENTENCES = {
    "ResourceNotFoundException": "There is no such table in this account and region.",
    **dict.fromkeys(_THROTTLED, "AWS throttles these requests. Try again later."),
    **dict.fromkeys(_NOT_ALLOWED, "These credentials are not allowed to do that."),
    **dict.fromkeys(_NOT_ACCEPTED, "AWS does not accept these credentials, or no longer."),
}


@contextmanager
def told() -> Iterator[None]:
    """Turn the errors of AWS and of the relay into click's, which end the command with 1 and a sentence on stderr."""
    try:
        yield
    except ClientError as error:
        # Not AWS's own message: that of a validation error quotes the request.
        code = error.response["Error"]["Code"]
        sentence = _SENTENCES.get(code, "AWS refused it.")
        raise click.ClickException(f"{sentence} ({error.operation_name}: {code})") from None
    except NoCredentialsError:
        raise click.ClickException("There are no AWS credentials. Log in, or name a profile with --profile.") from None
    except NoRegionError:
        raise click.ClickException("There is no AWS region. Name it with --region.") from None
    except ResponseParserError:
        raise click.ClickException("The server at that address does not answer as AWS does.") from None
    except (BotoCoreError, RelayError) as error:
        raise click.ClickException(str(error)) from None
