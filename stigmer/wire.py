"""Protobuf's wire format, as far as whole fields go: taking some of them out of a message without decoding it."""

from __future__ import annotations

import functools
from typing import TypeAlias

from stigmer.errors import Undecodable

Kept: TypeAlias = dict[int, "Kept | frozenset[bytes] | None"]
"""Field number → what of the field is kept: all of it, entries of a map with these keys, or these fields of a message."""

LENGTH_DELIMITED = 2
_VARINT, _GROUP, _GROUP_END = 0, 3, 4
_FIXED = {1: 8, 5: 4}
"""Wire types whose values have so many bytes."""
_HIGHEST_TYPE = 7
"""Tags up to here are of the field 0, which does not exist."""
_MORE_FOLLOWS = 0x80
_LONGEST_VARINT = 10
_DEEPEST = 100
_KEY = 1 << 3 | LENGTH_DELIMITED


def narrowed(wire: bytes, kept: Kept) -> bytes:
    """The fields of a message that are in ``kept``, in their order.

    One loop, since a function call takes as long as all else that is done for a field.

    Raises:
        Undecodable: the bytes are no message.
    """
    parts: list[bytes] = []
    position, end = 0, len(wire)
    while position < end:
        start = position
        tag = wire[position]
        position += 1
        if tag >= _MORE_FOLLOWS:
            tag, position = _read(wire, start)
        value = position
        if tag & 7 == LENGTH_DELIMITED and position < end and wire[position] < _MORE_FOLLOWS:
            value += 1
            position = value + wire[position]
        else:
            value, position = _bounds(wire, tag, position)
        if position > end or tag <= _HIGHEST_TYPE:
            raise Undecodable
        number = tag >> 3
        if number in kept:
            within = kept[number]
            if within is None or tag & 7 != LENGTH_DELIMITED:
                parts.append(wire[start:position])
            elif isinstance(within, dict):
                parts += delimited(number, narrowed(wire[value:position], within))
            elif key_of(wire[value:position]) in within:
                parts.append(wire[start:position])
    return b"".join(parts)


def delimited(number: int, value: bytes) -> tuple[bytes, bytes, bytes]:
    """A field that holds ``value``: its tag, its length, and the value, to be joined."""
    return varint(number << 3 | LENGTH_DELIMITED), varint(len(value)), value


@functools.lru_cache(maxsize=8192)
def varint(number: int) -> bytes:
    """``number``, at least 0, in protobuf's variable-length encoding."""
    out = bytearray()
    while number >= _MORE_FOLLOWS:
        out.append(number & (_MORE_FOLLOWS - 1) | _MORE_FOLLOWS)
        number >>= 7
    out.append(number)
    return bytes(out)


def _bounds(wire: bytes, tag: int, position: int, depth: int = 0) -> tuple[int, int]:
    """Where the value of a field begins and ends, whose tag ends at ``position``."""
    type_ = tag & 7
    if type_ == LENGTH_DELIMITED:
        length, value = _read(wire, position)
        return value, value + length
    if type_ == _VARINT:
        return position, _read(wire, position)[1]
    if type_ in _FIXED:
        return position, position + _FIXED[type_]
    if type_ == _GROUP and depth < _DEEPEST:
        return position, _end_of_group(wire, position, tag, depth + 1)
    raise Undecodable


def _end_of_group(wire: bytes, position: int, begun: int, depth: int) -> int:
    while True:
        tag, position = _read(wire, position)
        if tag == begun - _GROUP + _GROUP_END:
            return position
        position = _bounds(wire, tag, position, depth)[1]


def _read(wire: bytes, position: int) -> tuple[int, int]:
    """The number that begins at ``position``, and where it ends."""
    if position < len(wire) and wire[position] < _MORE_FOLLOWS:
        return wire[position], position + 1
    number = 0
    for shift, byte in enumerate(wire[position : position + _LONGEST_VARINT]):
        number |= (byte & (_MORE_FOLLOWS - 1)) << 7 * shift
        if byte < _MORE_FOLLOWS:
            return number, position + shift + 1
    raise Undecodable


def key_of(entry: bytes) -> bytes:
    """The key of a map's entry; of several the last.

    Raises:
        Undecodable: the bytes are no message.
    """
    key, position = b"", 0
    while position < len(entry):
        tag, position = _read(entry, position)
        value, position = _bounds(entry, tag, position)
        if tag == _KEY:
            key = entry[value:position]
    return key
