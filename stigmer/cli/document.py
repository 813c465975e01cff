"""Reads a document that people write: YAML or JSON, one mapping, and nothing in it that has two meanings."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

import yaml
from yaml.reader import ReaderError

from stigmer.cli.exits import Code, CommandError

MAX_BYTES: Final = 16 * 1024 * 1024
"""Larger than any session can be on the wire, with room for spaces and escapes."""
MAX_DEPTH: Final = 100

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Refused(Exception):
    """The text is no such document; the text of the error says why, and where."""


def read_document(file: str) -> dict[str, Any]:
    """The mapping in ``file``; ``-`` is standard input.

    Raises:
        CommandError: the file cannot be read, or does not hold exactly one mapping.
    """
    name = "standard input" if file == "-" else file
    try:
        return parse_document(_read(file), json_only=file.endswith(".json"))
    except OSError as error:
        raise CommandError(Code.USAGE, f"{name}: {error.strerror or error}") from error
    except Refused as error:
        raise CommandError(Code.USAGE, f"{name}: {error}") from error


def parse_document(data: bytes, *, json_only: bool = False) -> dict[str, Any]:
    """The mapping that ``data`` holds as JSON or, unless ``json_only``, as YAML.

    Raises:
        Refused: it holds something else.
    """
    if len(data) > MAX_BYTES:
        raise Refused(f"is larger than {MAX_BYTES // 1024 // 1024} MiB, more than a session can be")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused(f"is not UTF-8: byte {error.start}") from error
    value = _from_json(text) if json_only or _is_json(text) else _from_yaml(text)
    if not isinstance(value, dict):
        raise Refused(f"holds {kind_of(value)}, not a mapping")
    return value


def kind_of(value: object) -> str:
    """What a value is called in messages, such as ``a list``."""
    names = {dict: "a mapping", list: "a list", str: "text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    with Path(file).open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _is_json(text: str) -> bool:
    """Whether it begins like JSON rather than YAML in flow style, whose keys need no quotes."""
    return re.match(r'\s*\{\s*["}]', text) is not None


def _from_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Refused(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except RecursionError as error:
        raise Refused("is nested too deeply") from error
    except ValueError as error:
        raise Refused(str(error)) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise Refused(f"the key {key!r} is there twice")
        result[key] = value
    return result


def _no_constant(name: str) -> Any:
    raise Refused(f"{name} is no JSON value")


def _from_yaml(text: str) -> Any:
    try:
        _check_events(text)
        return yaml.load(text, Loader=_CoreLoader)  # noqa: S506 - derived from the safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        if "nesting depth" in str(error.problem):  # newer parsers have a limit of their own, and reach it while they look ahead
            raise Refused(f"line {mark.line + 1 if mark else 1}: is nested too deeply") from error
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        raise Refused(f"{where}{error.problem}") from error
    except ReaderError as error:
        raise Refused(f"holds a character that YAML does not allow, at position {error.position}") from error
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from error


def _check_events(text: str) -> None:
    """Refuses, before anything is built, what can grow without bound or hide a second meaning."""
    documents = depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            raise Refused(f"{_line(event)}: aliases (*{event.anchor}) are not taken; write the value again")
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if documents > 1:
            raise Refused(f"{_line(event)}: a second document begins; one is expected")
        if depth > MAX_DEPTH:
            raise Refused(f"{_line(event)}: is nested too deeply")
    if not documents:
        raise Refused("is empty")


def _line(event: yaml.Event) -> str:
    mark = event.start_mark
    return "" if mark is None else f"line {mark.line + 1}"


class _CoreLoader(_Loader):  # type: ignore[misc] # the C loader where there is one
    """Reads plain words as YAML 1.2 does: ``no`` and ``12:30`` are text, and so is a date; only true and false are booleans."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own declaration

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are text, each there once."""
        keys = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise Refused(f"line {key.start_mark.line + 1}: a key must be text")
            if key.value in keys:
                raise Refused(f"line {key.start_mark.line + 1}: the key {key.value!r} is there twice")
            keys.add(key.value)
            key.tag = "tag:yaml.org,2002:str"
        result: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return result


for _tag, _pattern, _first in (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?(?:0|[1-9][0-9]*)$", list("-+0123456789")),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
):
    _CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)
