"""What a partner's definition says of a file before anybody fetches it."""

from ticket_relay.attachments.content_types import refused_type
from ticket_relay.attachments.urls import permitted
from ticket_relay.definitions.models import Attachments
from ticket_relay.errors import FileUnavailable
from ticket_relay.zendesk.ticket_models import Attachment


def checked(policy: Attachments | None, number: int, attachment: Attachment) -> Attachments:
    """The policy, if it lets the comment's file of this number (from 0) be fetched. Raises FileUnavailable."""
    if policy is None:
        raise FileUnavailable("not_allowed", "the partner's definition allows no files")
    if number >= policy.most:
        raise FileUnavailable("too_many", f"no more than {policy.most} files are taken")
    if attachment.url is not None:
        permitted(attachment.url, policy.hosts)
    elif attachment.base64 is None and attachment.kept_at is None:
        raise FileUnavailable("missing", "the event says neither where it is nor what is in it")
    elif attachment.content_type is None:
        raise refused_type()
    if attachment.content_type is not None and attachment.content_type not in policy.types:
        raise refused_type()
    return policy
