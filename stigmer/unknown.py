"""Unknown fields: what a newer client sends that this schema does not name is kept, given back and compared."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any, TypeVar

from protobuf import (
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescMessage,
    Message,
    merge_from_binary,
)

M = TypeVar("M", bound=Message[Any])


def unknown_bytes(message: Message[Any]) -> bytes:
    """The unknown fields of the message itself, not of those in it, as wire bytes."""
    bare = copy.copy(message)
    for field in message:
        del bare[field]
    return bare.to_binary()


def take_unknown(target: M, source: M) -> M:
    """``target``, with the unknown fields of ``source`` in place of its own, if ``source`` has any."""
    data = unknown_bytes(source) if has_unknown(source) else b""
    if not data:
        return target
    result = type(target)()
    for field in target:
        result[field] = target[field]
    merge_from_binary(result, data)
    return result


def same(left: M, right: M) -> bool:
    """Whether two messages are equal, maps unordered, unknown fields included."""
    if left != right:
        return False
    if not has_unknown(left) and not has_unknown(right):
        return True
    return list(_all_unknown(left)) == list(_all_unknown(right))


def has_unknown(message: Message[Any]) -> bool:
    """Whether there is an unknown field anywhere within.

    protobuf-py has no public name for that. To ask each message for its private one takes a tenth of the time of comparing two
    encodings, with and without; a test guards the name.
    """
    within = _messages_in(message.desc())
    if within is None:
        return len(message.to_binary()) != len(message.to_binary(write_unknown_fields=False))
    if message._unknown_fields:  # noqa: SLF001 - see above
        return True
    for name in within:
        inner = getattr(message, name)
        if inner is not None and has_unknown(inner):
            return True
    return False


@functools.cache
def _messages_in(message: DescMessage) -> tuple[str, ...] | None:
    """The names of the fields that are messages; None where some are in lists, maps or oneofs."""
    names = []
    for field in message.fields:
        match field.value:
            case DescFieldValueMessage(oneof=None):
                names.append(field.local_name)
            case DescFieldValueMessage():
                return None
            case DescFieldValueList(element=DescMessage()) | DescFieldValueMap(value=DescMessage()):
                return None
            case _:
                pass
    return tuple(names)


def _all_unknown(message: Message[Any]) -> Iterator[bytes]:
    yield unknown_bytes(message)
    for field in message:
        if isinstance(field.value, DescFieldValueMessage):
            yield from _all_unknown(message[field])
