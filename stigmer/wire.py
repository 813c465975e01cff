"""Protobuf's wire format, as far as whole fields go: taking some of them out of a message without decoding it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from stigmer.errors import Undecodable

Kept: TypeAlias = dict[int, "Kept | frozenset[bytes] | None"]
"""Field number → what of the field is kept: all of it, entries of a map with these keys, or these fields of a message."""

LENGTH_DELIMITED = 2
_VARINT, _FIXED64, _GROUP, _GROUP_END, _FIXED32 = 0, 1, 3, 4, 5
_MORE_FOLLOWS = 0x80
_LONGEST_VARINT = 10
_DEEPEST = 100
_KEY = 1


class Field(NamedTuple):
    """A field as it stands in a message: all of it is in [start, end), its value in [value, end)."""

    number: int
    type: int
    start: int
    value: int
    end: int


def narrowed(wire: bytes, kept: Kept) -> bytes:
    """The fields of a message that are in ``kept``, in their order.

    Raises:
        Undecodable: the bytes are no message.
    """
    parts: list[bytes] = []
    for field in fields(wire):
        if field.number not in kept:
            continue
        within = kept[field.number]
        if within is None or field.type != LENGTH_DELIMITED:
            parts.append(wire[field.start : field.end])
        elif isinstance(within, dict):
            parts += delimited(field.number, narrowed(wire[field.value : field.end], within))
        elif _key(wire[field.value : field.end]) in within:
            parts.append(wire[field.start : field.end])
    return b"".join(parts)


def delimited(number: int, value: bytes) -> tuple[bytes, bytes, bytes]:
    """A field that holds ``value``: its tag, its length, and the value, to be joined."""
    return varint(number << 3 | LENGTH_DELIMITED), varint(len(value)), value


def varint(number: int) -> bytes:
    """``number``, at least 0, in protobuf's variable-length encoding."""
    out = bytearray()
    while number >= _MORE_FOLLOWS:
        out.append(number & (_MORE_FOLLOWS - 1) | _MORE_FOLLOWS)
        number >>= 7
    out.append(number)
    return bytes(out)


def fields(wire: bytes) -> Iterator[Field]:
    """The fields of a message, one after the other.

    Raises:
        Undecodable: the bytes are no message.
    """
    position, end = 0, len(wire)
    while position < end:
        field = _field(wire, position, 0)
        yield field
        position = field.end


def _field(wire: bytes, start: int, depth: int) -> Field:
    tag, value = _read(wire, start)
    number, type_ = tag >> 3, tag & 7
    if type_ == LENGTH_DELIMITED:
        length, value = _read(wire, value)
        end = value + length
    elif type_ == _VARINT:
        _, end = _read(wire, value)
    elif type_ == _FIXED64:
        end = value + 8
    elif type_ == _FIXED32:
        end = value + 4
    elif type_ == _GROUP and depth < _DEEPEST:
        end = _end_of_group(wire, value, number, depth + 1)
    else:
        raise Undecodable
    if end > len(wire) or not number:
        raise Undecodable
    return Field(number, type_, start, value, end)


def _end_of_group(wire: bytes, position: int, number: int, depth: int) -> int:
    while True:
        tag, after = _read(wire, position)
        if tag == number << 3 | _GROUP_END:
            return after
        position = _field(wire, position, depth).end


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


def _key(entry: bytes) -> bytes:
    """The key of a map's entry; of several the last."""
    key = b""
    for field in fields(entry):
        if field.number == _KEY and field.type == LENGTH_DELIMITED:
            key = entry[field.value : field.end]
    return key
