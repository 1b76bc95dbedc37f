"""Uploads: files that wait for a comment (Attachments reference, Upload Files). Contents are not kept, only sizes."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from .clock import stamp
from .refusals import not_found
from .settings import Settings
from .wire import Json, Refusal

# Recalled, not documented here.
_MAX_BYTES = 50 * 1024 * 1024


@dataclass
class Upload:
    token: str
    expires_at: float
    attachments: list[Json] = field(default_factory=list)

    def json(self) -> Json:
        """As recorded: the last file as `attachment`, all of them as `attachments`."""
        return {
            "token": self.token,
            "expires_at": stamp(self.expires_at),
            "attachments": self.attachments,
            "attachment": self.attachments[-1],
        }


class Uploads:
    def __init__(self, ids: Iterator[int], settings: Settings) -> None:
        self._ids = ids
        self._settings = settings
        self._by_token: dict[str, Upload] = {}

    def add(self, name: str, content_type: str, size: int, token: str | None, now: float) -> Upload:
        """Raises Refusal 413 or 422, with the documented `error` (the statuses of the others are assumptions)."""
        if not name or not size:
            raise Refusal(422, {"error": "File is required"})
        if size > _MAX_BYTES:
            description = "Attachment exceeds the maximum size allowed"
            raise Refusal(413, {"error": "AttachmentTooLarge", "description": description})
        upload = self._live(token, now) if token else self._new(now)
        number = next(self._ids)
        link = f"https://example.zendesk.com/attachments/token/{secrets.token_urlsafe(18)}/?name={name}"
        upload.attachments.append(
            {
                "url": f"https://example.zendesk.com/api/v2/attachments/{number}.json",
                "id": number,
                "file_name": name,
                "content_url": link,
                "mapped_content_url": link,
                "content_type": content_type,
                "size": size,
                "width": None,
                "height": None,
                "inline": False,
                "deleted": False,
                "malware_access_override": False,
                "malware_scan_result": "not_scanned",
                "thumbnails": [],
            }
        )
        self._by_token[upload.token] = upload
        return upload

    def _new(self, now: float) -> Upload:
        return Upload(secrets.token_urlsafe(18), now + self._settings.upload_seconds)

    def delete(self, token: str, now: float) -> None:
        self._live(token, now)
        del self._by_token[token]

    def take(self, tokens: list[object], now: float) -> list[Json]:
        """The files of a comment; a token serves once, and unknown or expired ones are ignored (assumptions)."""
        taken: list[Json] = []
        for token in map(str, tokens):
            upload = self._by_token.pop(token, None)
            if upload is not None and upload.expires_at > now:
                taken += upload.attachments
        return taken

    def _live(self, token: str, now: float) -> Upload:
        upload = self._by_token.get(token)
        if upload is None or upload.expires_at <= now:
            raise not_found()
        return upload
