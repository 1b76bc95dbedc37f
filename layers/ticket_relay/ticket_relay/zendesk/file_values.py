"""What an event says of its files, made such that no oddity of one file costs the ticket: pure functions."""

from pathlib import PurePosixPath

MAX_ATTACHMENTS = 20
"""Of one comment; a definition may allow fewer. Zendesk publishes no number."""
LONGEST_URL = 2048
LONGEST_NAME = 255
"""Characters of a file's name, or of its type."""
LONGEST_EXTENSION = 16


def file_name(name: object) -> object:
    """The last part of a path, without what no file system or header takes; "file" if nothing is left."""
    if not isinstance(name, str | None):
        return name
    last = (name or "").replace("\\", "/").rstrip("/").rpartition("/")[2]
    plain = "".join(each if each.isprintable() and each not in '<>:"|?*' else "_" for each in last).strip(" .")
    extension = PurePosixPath(plain).suffix
    if len(plain) > LONGEST_NAME and len(extension) <= LONGEST_EXTENSION:
        return plain[: LONGEST_NAME - len(extension)] + extension
    return plain[:LONGEST_NAME] or "file"


def refused_if_long(url: str) -> str:
    """One that is too long is refused when it is asked for: as much of it is kept as shows that."""
    return url[: LONGEST_URL + 1]


def base_type(content_type: str) -> str:
    """A media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def media_type(content_type: str) -> str | None:
    """Without its parameters, in lower case; None where an event says nothing."""
    return base_type(content_type)[:LONGEST_NAME] or None


def as_many_as_go(files: object) -> object:
    """Of very many files, those that may go and one that stands for the others: no definition allows that many."""
    if not isinstance(files, list) or len(files) <= MAX_ATTACHMENTS + 1:
        return files
    others = files[MAX_ATTACHMENTS:]
    required = any(isinstance(file, dict) and file.get("required") is True for file in others)
    return [*files[:MAX_ATTACHMENTS], {"url": None, "filename": f"{len(others)} more files", "required": required}]
