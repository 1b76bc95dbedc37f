"""Tries the text of a definition on an event. Nothing of either is stored, and nothing is called."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from cli.previewing import partner as of_partner
from cli.previewing import rule as of_rule
from layers.config.catalogue import read_catalogue
from layers.config.compile import Config, checked
from layers.config.source import Source
from ticket_relay.definitions.models import PartnerDefinition, UpdateRule
from ticket_relay.errors import MappingFailed, PayloadRefused
from ticket_relay.storage.rows import TicketState
from ticket_relay.webhooks import payload

type Part = Literal["definition", "event", "ticket"]

FOLDERS: dict[str, type[PartnerDefinition | UpdateRule]] = {"partners": PartnerDefinition, "updates": UpdateRule}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong, and on which line of which text."""

    part: Part
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of the event, or what is wrong. An event may fit although a later one of its list does not."""

    flaws: Sequence[Flaw] = ()
    previews: Sequence[of_partner.Preview | of_rule.Preview] = ()


def attempt(path: Path, definition: str, event: str, ticket: str, config: Config) -> Trial:
    """Of the definition's text, as if it stood in the file `path` of partners/ or updates/. `ticket` is for a rule
    only: what Show Ticket answers.
    """
    source = Source(path, definition.encode())
    found = None if source.problems else checked(source, FOLDERS[path.parent.name], read_catalogue(config.folder)[0])
    if source.problems or found is None:
        return Trial(_in_definition(source))
    of_a_rule = isinstance(found, UpdateRule)
    if flaws := [*_not_json("event", event), *(_not_json("ticket", ticket) if of_a_rule else ())]:
        return Trial(flaws)
    try:
        previews = _previews(found, event, ticket, config)
    except PayloadRefused as refused:
        return Trial([Flaw("ticket" if refused.code == of_rule.NOT_A_TICKET else "event", 1, refused.sentence)])
    except MappingFailed as failed:
        source.failed(failed.sentence)
        return Trial(_in_definition(source))
    for preview in previews:
        if preview.outcome == TicketState.UNMAPPED:
            source.failed(preview.reason or "")
    return Trial(_in_definition(source), previews)


def _previews(
    definition: PartnerDefinition | UpdateRule, event: str, ticket: str, config: Config
) -> Sequence[of_partner.Preview | of_rule.Preview]:
    if isinstance(definition, PartnerDefinition):
        return of_partner.preview(definition, payload.parse(event.encode()))
    told = of_rule.told(definition, config, BytesIO(ticket.encode()), BytesIO(event.encode()))
    return [of_rule.preview(definition, *told)]


def _in_definition(source: Source) -> list[Flaw]:
    return [Flaw("definition", problem.line, problem.reason) for problem in sorted(set(source.problems))]


def _not_json(part: Part, text: str) -> list[Flaw]:
    """Where the text stops to be JSON. What else is wrong with it, the relay's own reader says."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return [Flaw(part, error.lineno, f"is not JSON: {error.msg}, at column {error.colno}")]
    except (ValueError, RecursionError):
        return [Flaw(part, 1, "is not JSON that the relay takes")]
    return []
