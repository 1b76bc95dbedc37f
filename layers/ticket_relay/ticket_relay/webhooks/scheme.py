"""How a sender proves that a request is its own, as data: nothing here reads a request.

A scheme is one or more ways. A way names the header that holds the proof, and where a delivery's id and time stand.
The same classes are the settings that a partner's YAML may give, so a mistake is reported there with its line.
"""

import re
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from ticket_relay.webhooks import payload

TOLERANCE = 300
"""Seconds that a delivery's own time may lie before or after ours (Standard Webhooks 1.0.0; Zendesk publishes none)."""

type HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$", to_lower=True)]
"""A token of RFC 9110; kept in lower case, as API Gateway gives headers."""
type Pointer = Annotated[str, StringConstraints(pattern=r"^(/([^~/]|~[01])+)+$", max_length=200)]
type Prefix = Annotated[str, StringConstraints(pattern=r"^[!-~]{0,32} ?$")]

PLACEHOLDER = re.compile(r"\{(.*?)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value stands; exactly one of these is given.

    `header`: the value of a header. `part`: of the signature's own header, `t` of `t=1614265330,v1=…`. `body`: in the
    JSON of the body, at an RFC 6901 pointer.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    header: HeaderName | None = None
    part: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,32}$")] | None = None
    body: Pointer | None = None

    def __post_init__(self) -> None:
        if sum(place is not None for place in (self.header, self.part, self.body)) != 1:
            raise PydanticCustomError("place", "must name one of header, part and body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp(Place):
    """The time of a delivery, in epoch seconds, epoch milliseconds, or as a moment of ISO 8601 with its zone.

    `tolerance` in seconds, before or after our clock.
    """

    format: Literal["seconds", "milliseconds", "iso8601"] = "seconds"
    tolerance: Annotated[int, Field(ge=1, le=3600)] = TOLERANCE


@dataclass(frozen=True, slots=True, kw_only=True)
class Hmac:
    """An HMAC (RFC 2104) over `signed`, in a header: `prefix`, then the digest in its `encoding`.

    The header may hold several, separated by commas, blanks or the `separator`: any of them may fit, and what has
    another prefix is passed over. `signed` is the text that is signed, in which `{body}` stands for the raw body,
    `{id}` and `{timestamp}` for their headers' text. `key` says how a stored secret becomes the key: as it is (`text`),
    from `base64` or `hex`, or as Standard Webhooks has it (`whsec`: `whsec_`, then 24 to 64 bytes in base64).

    Without an `id`, that is the SHA-256 of the body. A `timestamp` that is not signed would prove nothing.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    header: HeaderName
    algorithm: Literal["sha1", "sha256", "sha384", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Prefix = ""
    separator: Annotated[str, StringConstraints(pattern=r"^[ ,;|&]$")] = ","
    signed: str = "{body}"
    key: Literal["text", "base64", "hex", "whsec"] = "text"
    id: Place | None = None
    timestamp: Timestamp | None = None

    def __post_init__(self) -> None:
        names = set(PLACEHOLDER.findall(self.signed))
        if "body" not in names:
            raise _wrong(signed="must hold {body}: what is not signed could be anybody's")
        places = {"id": self.id, "timestamp": self.timestamp}
        for name in sorted(names - {"body"}):
            place = places.get(name)
            if place is None:
                raise _wrong(signed=f"there is no {{{name}}}" + (": say where it stands" if name in places else ""))
            if place.body:
                raise _wrong(signed=f"{{{name}}} stands in the body, which is signed as {{body}}")
        if self.timestamp and not self.timestamp.body and "timestamp" not in names:
            raise _wrong(timestamp="is not signed, so it proves nothing: name it in signed, or leave it out")

    @property
    def signs_id(self) -> bool:
        """Whether the id is signed beside the body, and so the same delivery can come under no other."""
        return "{id}" in self.signed


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """The secret itself, in a header. Nothing is signed: whoever holds it may send anything.

    `prefix` is `Bearer ` in the header Authorization, and otherwise nothing. Without an `id`, that is the SHA-256 of
    the body.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    timestamp: ClassVar[None] = None

    header: HeaderName = "authorization"
    prefix: Prefix | None = None
    id: Place | None = None

    def __post_init__(self) -> None:
        _without_part(self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Basic:
    """HTTP's own user and password (RFC 7617); a secret is `user:password`. Otherwise as `Bearer`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    header: ClassVar[str] = "authorization"
    timestamp: ClassVar[None] = None

    id: Place | None = None

    def __post_init__(self) -> None:
        _without_part(self.id)


type Way = Hmac | Bearer | Basic


def headers_of(way: Way) -> frozenset[str]:
    """The headers that a request of this way has."""
    return frozenset(filter(None, (way.header, *(place.header for place in (way.id, way.timestamp) if place))))


@dataclass(frozen=True, slots=True)
class Probe:
    """By what a sender's request is known that only tries the address out: the `value` that stands `at` a JSON pointer
    of its body, or (None) that anything does. `challenge` points to what the sender wants to be answered with.
    """

    at: str
    value: str | None = None
    challenge: str | None = None

    def fits(self, event: dict[str, Any]) -> bool:
        found = payload.find(event, self.at)
        return found is not None if self.value is None else found == self.value

    def answer(self, event: dict[str, Any]) -> str | None:
        """The challenge; None where none is asked for, or none is given."""
        found = payload.find(event, self.challenge) if self.challenge else None
        return found if isinstance(found, str) else None


@dataclass(frozen=True, slots=True)
class Scheme:
    """What a definition's `scheme` names. Of several ways, a request goes by the first whose headers it has."""

    ways: tuple[Way, ...]
    probe: Probe | None = None


def _wrong(**fields: str) -> PydanticCustomError:
    """A mistake in settings, in the form in which the definitions' compiler looks up each field's line."""
    return PydanticCustomError("fields", "{named}", {"fields": fields, "named": ", ".join(fields)})


def _without_part(place: Place | None) -> None:
    if place is not None and place.part is not None:
        raise _wrong(id="can be no part of a header that holds the secret: give header or body")
