"""Read masks (https://google.aip.dev/157): which fields of a message are answered, cut out of its bytes."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from protobuf import DescField, DescFieldValueMap, DescFieldValueMessage, DescMessage, ScalarType

from stigmer.errors import ECHO_LIMIT
from stigmer.wire import Kept, narrowed

MOST_PATHS = 100
"""A mask has no more paths than these."""
_EVERYTHING = "*"
_SEGMENT = re.compile(r"`((?:[^`]|``)*)`|([^.`]+)")
_CACHED = 256
_LONGEST_CACHED = 4096


class Unknown(Exception):
    """A path names no field; the text says which."""


_Tree: TypeAlias = dict[int | str, "_Tree | None"]
"""Field numbers, or keys of a map → what of them is kept; None stands for all of it."""


class ReadMask(NamedTuple):
    """What is answered of a message.

    Attributes:
        kept: by field number; None stands for everything.
    """

    kept: Kept | None

    def narrowed(self, wire: bytes) -> bytes:
        """``wire`` with nothing but what the mask names.

        Raises:
            Undecodable: the bytes are no message.
        """
        return wire if self.kept is None else narrowed(wire, self.kept)


def read_mask(message: DescMessage, paths: tuple[str, ...]) -> ReadMask:
    """The mask that ``paths`` describe, relative to a message of this type.

    Raises:
        Unknown: one of them names no field, or there are too many.
    """
    if sum(map(len, paths)) > _LONGEST_CACHED:
        return _made(message, paths)
    return _cached(message, paths)


@functools.lru_cache(_CACHED)
def _cached(message: DescMessage, paths: tuple[str, ...]) -> ReadMask:
    return _made(message, paths)


def _made(message: DescMessage, paths: tuple[str, ...]) -> ReadMask:
    if len(paths) > MOST_PATHS:
        raise Unknown(f"value must name at most {MOST_PATHS} fields")
    tree: _Tree = {}
    everything = not paths
    for path in paths:
        if path == _EVERYTHING:
            everything = True
        else:
            _add(tree, _resolved(message, path))
    return ReadMask(None if everything else _kept(tree))


def _resolved(message: DescMessage, path: str) -> list[int | str]:
    """Field numbers along a path; what follows a map's name is one of its keys."""
    numbers: list[int | str] = []
    here: DescMessage | None = message
    map_: DescField | None = None
    for name in _segments(path):
        if map_ is not None:
            numbers.append(name)
            here, map_ = None, None
            continue
        field = _field(here, name, path)
        numbers.append(field.number)
        match field.value:
            case DescFieldValueMessage(message=inner):
                here = inner
            case DescFieldValueMap(key=ScalarType.STRING):
                map_ = field
            case _:
                here = None
    return numbers


def _segments(path: str) -> list[str]:
    """The names in a path; one in backticks may hold dots."""
    segments, position = [], 0
    while True:
        found = _SEGMENT.match(path, position)
        if found is None:
            raise _unknown(path)
        segments.append(found[2] if found[1] is None else found[1].replace("``", "`"))
        position = found.end()
        if position == len(path):
            return segments
        if path[position] != ".":
            raise _unknown(path)
        position += 1


def _field(message: DescMessage | None, name: str, path: str) -> DescField:
    fields: Mapping[str, DescField] = {} if message is None else {field.name: field for field in message.fields}
    if name not in fields:
        near = difflib.get_close_matches(name[:ECHO_LIMIT], fields, 1)
        raise _unknown(path, f"; did you mean {near[0]}?" if near else "")
    return fields[name]


def _unknown(path: str, hint: str = "") -> Unknown:
    return Unknown(f"value must name fields: there is no {path[:ECHO_LIMIT]}{hint}")


def _add(tree: _Tree, numbers: list[int | str]) -> None:
    *way, last = numbers
    for number in way:
        inner = tree.setdefault(number, {})
        if inner is None:
            return  # all of it is kept already
        tree = inner
    tree[last] = None


def _kept(tree: _Tree) -> Kept:
    fields: Kept = {}
    for number, inner in tree.items():
        if inner is None:
            fields[int(number)] = None
        elif all(isinstance(key, str) for key in inner):
            fields[int(number)] = frozenset(str(key).encode() for key in inner)
        else:
            fields[int(number)] = _kept(inner)
    return fields
