"""Check the definitions, and turn them into the package `ticket_relay_config`: at run time nobody parses YAML.

    python -m layers.config.compile OUTPUT_DIR    write the package into OUTPUT_DIR (so does layers/Makefile)
    python -m layers.config.compile --check       also render every definition on its sample, which is not in a build

The definitions are the repository's own, or those in the folder that --config or RELAY_CONFIG names. Every problem of
every file is printed as `file:line: reason`, and the exit status is 1. Runs with `ticket_relay` on the path, PyYAML,
pydantic and json-e.
"""

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsone.AST import ASTNode, BinOp, ContextValue
from jsone.parser import Parser
from jsone.render import tokenizer
from jsone.shared import JSONTemplateError
from pydantic import ValidationError

from ticket_relay.attachments import content_types, policy
from ticket_relay.changes import diff
from ticket_relay.create_ticket import mapping
from ticket_relay.definitions.loader import PACKAGE
from ticket_relay.definitions.models import Case, PartnerDefinition, UpdateRule
from ticket_relay.errors import FileUnavailable, MappingFailed, PayloadRefused
from ticket_relay.poll_jobs import swept
from ticket_relay.update_ticket import rules
from ticket_relay.webhooks import payload
from ticket_relay.webhooks.signatures import Delivery
from ticket_relay.zendesk.ticket_models import TicketChanges, TicketCreate

from . import mistakes, names
from .catalogue import Catalogue, read_catalogue
from .source import Place, Problem, Source

FOLDER = Path(__file__).resolve().parent

# Pydantic's words for what the author of a definition calls otherwise.
_PLAIN = {
    "missing": "is missing",
    "extra_forbidden": "unknown field",
    "unexpected_keyword_argument": "unknown field",
    "model_type": "is not a map of properties",
    "dataclass_type": "is not a map of properties",
}

VARIABLE = "RELAY_CONFIG"
"""Of the environment: a folder of definitions in place of the repository's own."""


class SampleError(Exception):
    """A sample cannot be used; `place` is where the definition names it."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(reason)
        self.place = place


@dataclass(frozen=True, slots=True)
class Config:
    """A folder of definitions: `partners/*.yaml`, `updates/*.yaml`, and the samples that they name."""

    folder: Path = FOLDER

    def sample(self, name: str) -> Path:
        """A sample's path is relative to the folder; the repository's own definitions have theirs in its `events/`."""
        return (FOLDER.parents[1] if self.folder.resolve() == FOLDER else self.folder) / name


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Check the definitions and turn them into JSON.")
    parser.add_argument("output", nargs="?", type=Path, metavar="OUTPUT_DIR", help="write the package into it")
    parser.add_argument("--check", action="store_true", help="also render every definition on its sample")
    parser.add_argument(
        "--config",
        type=Path,
        default=os.environ.get(VARIABLE) or FOLDER,
        metavar="DIR",
        help=f"where partners/ and updates/ lie (or {VARIABLE}; default: the repository's own)",
    )
    options = parser.parse_args(arguments)
    if options.output is None and not options.check:
        parser.error("give OUTPUT_DIR or --check")
    try:
        files, problems = compiled(Config(options.config), on_samples=options.check)
    except NotADirectoryError as error:
        parser.error(str(error))
    if problems:
        sys.stderr.writelines(f"{problem}\n" for problem in problems)
        return 1
    if options.output is not None:
        write(files, options.output)
    return 0


def compiled(config: Config, *, on_samples: bool = False) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """The package's files, each with its definitions by name, and all that is wrong, by file and line.

    With `on_samples`, every definition that has the right form is rendered on its sample as well; so are the partners
    in `examples/`, which are there to be copied, and never built. Raises NotADirectoryError where there is no folder of
    partners: that is a wrong path, not a relay without partners.
    """
    if not (config.folder / "partners").is_dir():
        raise NotADirectoryError(f"there is no folder {config.folder / 'partners'}")
    files: dict[str, dict[str, Any]] = {}
    catalogue, its_source = read_catalogue(config.folder)
    problems = its_source.problems if its_source else []
    if problems:
        return files, sorted(problems)
    for name, model in (("partners", PartnerDefinition), ("updates", UpdateRule)):
        files[f"{name}.json"], wrong = _read_all(config, name, model, catalogue, on_samples=on_samples)
        problems += wrong
    if on_samples:
        problems += _read_all(config, "examples", PartnerDefinition, catalogue, on_samples=True)[1]
    return files, sorted(problems)


def write(files: dict[str, dict[str, Any]], output: Path) -> None:
    """Write the package into the folder `output`. The same definitions give the same bytes."""
    package = output / PACKAGE
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text("")
    for name, definitions in files.items():
        (package / name).write_text(json.dumps(definitions, indent=1) + "\n")


def _read_all(
    config: Config,
    folder: str,
    model: type[PartnerDefinition | UpdateRule],
    catalogue: Catalogue | None,
    *,
    on_samples: bool,
) -> tuple[dict[str, Any], list[Problem]]:
    """The folder's definitions by name, as they will be written, and what is wrong with them."""
    definitions: dict[str, Any] = {}
    problems: list[Problem] = []
    for path in sorted((config.folder / folder).glob("[!.]*")):
        source = Source(path)
        if not source.problems:
            definition = checked(source, model, catalogue)
            if definition is not None and on_samples and not source.problems:
                _render_sample(definition, config, source)
            definitions[path.stem] = source.value
        problems += source.problems
    return definitions, problems


def checked(
    source: Source, model: type[PartnerDefinition | UpdateRule], catalogue: Catalogue | None
) -> PartnerDefinition | UpdateRule | None:
    """The definition, if it has the right form; the source has what is wrong with it otherwise, and with its code.

    Names of the catalogue are numbers in the definition, and in `source.value`.
    """
    names.resolve(source, catalogue)
    try:
        definition = model.model_validate(source.value)
    except ValidationError as error:
        for problem in error.errors(include_url=False):
            fields = problem.get("ctx", {}).get("fields", {})
            for field, reason in fields.items():
                source.wrong((*problem["loc"], field), reason)
            if not fields:
                source.wrong(problem["loc"], _PLAIN.get(problem["type"], problem["msg"]))
        return None
    key, name = (
        ("partner", definition.partner) if isinstance(definition, PartnerDefinition) else ("rule", definition.rule)
    )
    if source.path.name != f"{name}.yaml":
        source.wrong((key,), f"must stand in a file named {name}.yaml")
    _check_types(definition, source)
    _check_code(definition, source)
    for place, template in _all_templates(definition):
        for at, reason in mistakes.of_template(_MODELS[str(place[-1])], template, place):
            source.wrong(at, reason)
    return definition


def _check_code(definition: PartnerDefinition | UpdateRule, source: Source) -> None:
    is_swept = isinstance(definition, UpdateRule) and definition.sweep
    for place, expression, end in _all_code(definition):
        if not _can_be_read(expression, end):
            source.wrong(place, "is not an expression of JSON-e")
        elif is_swept and not _of_ticket_alone(expression):
            known = " and ".join(f"event.{name}" for name in sorted(swept.KNOWN_OF_EVENT))
            source.wrong(place, f"of event, a rule with sweep sees only {known}")


def _check_types(definition: PartnerDefinition | UpdateRule, source: Source) -> None:
    policy = definition.attachments if isinstance(definition, PartnerDefinition) else None
    for number, content_type in enumerate(policy.types if policy else ()):
        if content_type not in content_types.TYPES:
            known = ", ".join(sorted(content_types.TYPES))
            source.wrong(("attachments", "types", number), f"must be one of {known}")


_MODELS: dict[str, type[TicketCreate | TicketChanges]] = {"ticket": TicketCreate, "changes": TicketChanges}


def _all_templates(definition: PartnerDefinition | UpdateRule | Case, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Of tickets and changes, those of the cases among them."""
    for name, value in definition:
        if name in _MODELS and value is not None:
            yield (*at, name), value
        elif name == "events":
            for number, case in enumerate(value or ()):
                yield from _all_templates(case, (*at, name, number))


def _all_code(
    definition: PartnerDefinition | UpdateRule | Case, at: Place = ()
) -> Iterator[tuple[Place, str, str | None]]:
    """The definition's expressions, those of its cases among them."""
    for name, value in definition:
        if name == "when" and value is not None:
            yield (*at, name), value, None
        elif name in {"split", "id", "correlate", "ticket", "changes"}:
            yield from _code(value, (*at, name))
        elif name == "events":
            for number, case in enumerate(value or ()):
                yield from _all_code(case, (*at, name, number))


def _can_be_read(expression: str, end: str | None) -> bool:
    """Whether there is an expression, up to the token `end`. jsone reads one only when it comes to it."""
    try:
        parser = Parser(expression, tokenizer)
        tree = parser.parse()
    except (JSONTemplateError, AttributeError, RecursionError, StopIteration):  # all four, for an early end of the text
        return False
    return tree is not None and getattr(parser.current_token, "kind", None) == end


def _of_ticket_alone(expression: str) -> bool:
    """Whether it uses nothing of `event` but what a sweep knows as well."""
    return all(name in swept.KNOWN_OF_EVENT for name in _used_of_event(Parser(expression, tokenizer).parse()))


def _used_of_event(node: object) -> Iterator[str | None]:
    """The names behind `event.` in jsone's syntax tree; None where it is used in another way."""
    match node:
        case BinOp(token=token, left=ContextValue(token=of), right=right) if (token.value, of.value) == (".", "event"):
            yield right.token.value
        case ContextValue(token=token):
            if token.value == "event":
                yield None
        case ASTNode():
            yield from _used_of_event([part for name, part in vars(node).items() if name != "token"])
        case list():
            for part in node:
                yield from _used_of_event(part)
        case dict():
            yield from _used_of_event(list(node.values()))


def _code(template: object, place: Place) -> Iterator[tuple[Place, str, str | None]]:
    """All expressions of a template, and the token that ends each: in a text, from behind `${` to `}`."""
    if isinstance(template, str):
        for start in re.finditer(r"\$?\$\{", template):
            if start[0] == "${":
                yield place, template[start.end() :], "}"
    elif isinstance(template, list):
        for index, part in enumerate(template):
            yield from _code(part, (*place, index))
    elif isinstance(template, dict):
        for key, part in template.items():
            inside = (*place, key)
            if isinstance(part, str) and (
                key in {"$eval", "$if"} or key.startswith("by(") or ("$find" in template and key != "$find")
            ):
                yield inside, part, None
            elif isinstance(part, dict) and key in {"$switch", "$match"}:
                yield from (((*inside, condition), condition, None) for condition in part if condition != "$default")
                yield from _code(list(part.values()), inside)
            else:
                yield from _code(part, inside)


def _render_sample(definition: PartnerDefinition | UpdateRule, config: Config, source: Source) -> None:
    try:
        if isinstance(definition, PartnerDefinition):
            _try_cases(definition, config, source)
        else:
            event = _sample(config, definition.sample.event, ("sample", "event"))
            ticket = _sample(config, definition.sample.ticket, ("sample", "ticket"), inside="ticket")
            decided = rules.decide(definition, ticket, event)
            if decided is None:
                source.wrong(("when",), "does not hold for the sample")
            else:
                diff.to_update(decided, ticket)
                if definition.sweep and not swept.is_due(definition, {"id": 0} | ticket):
                    source.wrong(("sweep",), "cannot be tried: on the sample nothing is left to change")
    except SampleError as error:
        source.wrong(error.place, str(error))
    except MappingFailed as failed:
        source.failed(failed.sentence, ", on the sample")


def _look_for_id_and_time(partner: PartnerDefinition, event: dict[str, Any], source: Source) -> None:
    """A pointer that leads nowhere would make every event's id its body's hash, or refuse every event as undated."""
    way = partner.signature.ways[0]
    for name, place in (("id", way.id), ("timestamp", way.timestamp)):
        if place and place.body and payload.find(event, place.body) is None:
            in_settings = partner.hmac or partner.bearer or partner.basic
            where = (partner.scheme, name, "body") if in_settings else ("sample",)
            source.wrong(where, f"{partner.sample} has no {name} at {place.body}")


def _try_cases(partner: PartnerDefinition, config: Config, source: Source) -> None:
    """Map the sample, and those of the cases: the first must become a ticket, the others find their own case."""
    event = _sample(config, partner.sample, ("sample",))
    _look_for_id_and_time(partner, event, source)
    fitted = _fitting(partner, event)
    if not any(partner.cases[number].do == "create" for number in fitted):
        source.wrong(("events",) if partner.events else ("when",), "does not hold for the sample")
    for number, case in enumerate(partner.events or ()):
        place: Place = ("events", number)
        if case.sample is not None:
            if number not in _fitting(partner, _sample(config, case.sample, (*place, "sample"))):
                source.wrong((*place, "when"), "does not hold for its sample, or an earlier case does")
        elif case.do != "ignore" and number not in fitted:
            source.wrong(place, "has no sample: none of the others is for it")


def _fitting(partner: PartnerDefinition, event: dict[str, Any]) -> set[int]:
    """The cases that the events of a delivery find. Raises MappingFailed where what one makes of them is invalid."""
    mapped = mapping.map_delivery(partner, event, Delivery("sample", 0, None))
    for each in mapped:
        _check_files(partner, each)
        if each is not None:
            mapping.written(each, external_id="sample", put=lambda _: "the bucket")
    return {each.case for each in mapped if each is not None}


def _check_files(partner: PartnerDefinition, mapped: mapping.Mapped | None) -> None:
    """Raises MappingFailed where a file of the sample would not even be asked for."""
    for name, properties in (("ticket", mapped and mapped.ticket), ("changes", mapped and mapped.changes)):
        attachments = (properties and properties.comment and properties.comment.attachments) or ()
        for number, attachment in enumerate(attachments):
            try:
                policy.checked(partner.attachments, number, attachment)
            except FileUnavailable as refused:
                case = f"events[{mapped.case}]." if mapped and partner.events else ""
                place = f"{case}{name}.comment.attachments[{number}]"
                raise MappingFailed("attachment_refused", f"{place}: {refused.sentence}.") from None


def _sample(config: Config, name: str, place: Place, inside: str | None = None) -> dict[str, Any]:
    """The object in a file or, as Show Ticket answers `{"ticket": {...}}`, the one `inside` it."""
    try:
        parsed = payload.parse(config.sample(name).read_bytes())
    except OSError:
        raise SampleError(place, f"there is no file {name}") from None
    except PayloadRefused as refused:
        raise SampleError(place, f"{name}: {refused.sentence}") from None
    value = parsed if inside is None else parsed.get(inside)
    if not isinstance(value, dict):
        raise SampleError(place, f"{name}: has no object named {inside}")
    return value


if __name__ == "__main__":
    sys.exit(main())
