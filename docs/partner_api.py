#!/usr/bin/env python3
"""Write docs/partner-api.md from docs/openapi.yaml, which is the one source of both (`make docs`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

SOURCE = Path(__file__).with_name("openapi.yaml")
PAGE = Path(__file__).with_name("partner-api.md")

TOLD_APART_BY = ("error", "state", "reason")
"""The fields whose values are listed."""

type Schema = dict[str, Any]
type Line = tuple[str, str, str]
"""Of a table of answers: status, body, what it means."""


class Page:
    """The page of an OpenAPI document: an operation is a section, with its answers in a table."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def __str__(self) -> str:
        info = self._document["info"]
        parts = [
            f"# The API of {info['title']}",
            "<!-- Written by `make docs` from openapi.yaml: change that. -->",
            f"{info['summary']} [openapi.yaml](openapi.yaml) says the same to machines (OpenAPI 3.1).",
            info["description"].strip(),
        ]
        for path, operations in self._document["paths"].items():
            for method, operation in operations.items():
                parts += self._section(f"{method.upper()} {path}", operation)
        return "\n\n".join(parts) + "\n"

    def _section(self, route: str, operation: dict[str, Any]) -> Iterator[str]:
        yield f"## {operation['summary']}"
        yield f"`{route}`"
        yield operation["description"].strip()
        for heading, lines in (("in the path", self._parameters(operation)), ("in the body", self._body(operation))):
            if lines:
                yield _table((heading, ""), lines)
        answers = [
            line for status, response in operation["responses"].items() for line in self._answer(status, response)
        ]
        yield _table(("status", "body", "what it means"), answers)

    def _parameters(self, operation: dict[str, Any]) -> list[tuple[str, str]]:
        return [(f"`{each['name']}`", each["description"]) for each in operation.get("parameters", [])]

    def _body(self, operation: dict[str, Any]) -> list[tuple[str, str]]:
        if "requestBody" not in operation:
            return []
        schema = self._there(_json(operation["requestBody"]))
        return [(f"`{name}`", each["description"]) for name, each in schema.get("properties", {}).items()]

    def _answer(self, status: str, response: dict[str, Any]) -> Iterator[Line]:
        yield status, "", response["description"]
        for shape in self._shapes(_json(response)):
            properties, required = shape["properties"], shape["required"]
            if "error" not in properties:
                names = [f"`{name}`" if name in required else f"(`{name}`)" for name in properties]
                yield "", ", ".join(names), shape.get("description", "")
            for name in TOLD_APART_BY:
                for value, description in self._values(properties.get(name, {})):
                    yield "", f"`{value}`" if name == "error" else f"`{name}`: `{value}`", description

    def _there(self, schema: Schema) -> Schema:
        """The schema itself, where this is a reference to it."""
        if "$ref" not in schema:
            return schema
        return self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]  # type: ignore[no-any-return]

    def _shapes(self, schema: Schema) -> Iterator[Schema]:
        """The objects that it allows, each with what all parts of it say."""
        schema = self._there(schema)
        if "anyOf" in schema:
            for each in schema["anyOf"]:
                yield from self._shapes(each)
            return
        whole: Schema = {"properties": {}, "required": []}
        for part in [schema, *map(self._there, schema.get("allOf", []))]:
            whole["properties"] |= part.get("properties", {})
            whole["required"] += part.get("required", [])
        yield {**schema, **whole}

    def _values(self, schema: Schema) -> Iterator[tuple[str, str]]:
        """The constants that it allows, with their descriptions."""
        schema = self._there(schema)
        if "const" in schema:
            yield schema["const"], schema.get("description", "")
        for each in [*schema.get("oneOf", []), *schema.get("anyOf", [])]:
            yield from self._values(each)


def _json(content: dict[str, Any]) -> Schema:
    return content["content"]["application/json"]["schema"]  # type: ignore[no-any-return]


def _table(heading: tuple[str, ...], lines: list[Any]) -> str:
    rows = ["|".join(f" {cell} " if cell else " " for cell in row) for row in (heading, *lines)]
    return "\n".join(f"|{row}|" for row in (rows[0], "|".join(["---"] * len(heading)), *rows[1:]))


if __name__ == "__main__":
    PAGE.write_text(str(Page(yaml.safe_load(SOURCE.read_text(encoding="utf-8")))), encoding="utf-8")
