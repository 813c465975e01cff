"""Unknown fields: what a newer client sends that this schema does not name is kept, given back and compared."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, TypeVar

from protobuf import DescFieldValueMessage, Message, merge_from_binary

M = TypeVar("M", bound=Message[Any])


def unknown_bytes(message: Message[Any]) -> bytes:
    """The unknown fields of the message itself, not of those in it, as wire bytes."""
    bare = copy.copy(message)
    for field in message:
        del bare[field]
    return bare.to_binary()


def take_unknown(target: M, source: M) -> M:
    """``target``, with the unknown fields of ``source`` in place of its own, if ``source`` has any."""
    data = unknown_bytes(source) if _has_unknown(source) else b""
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
    if not _has_unknown(left) and not _has_unknown(right):
        return True
    return list(_all_unknown(left)) == list(_all_unknown(right))


def _has_unknown(message: Message[Any]) -> bool:
    """Whether there is an unknown field anywhere within; two encodings are far cheaper than a walk."""
    return len(message.to_binary()) != len(message.to_binary(write_unknown_fields=False))


def _all_unknown(message: Message[Any]) -> Iterator[bytes]:
    yield unknown_bytes(message)
    for field in message:
        if isinstance(field.value, DescFieldValueMessage):
            yield from _all_unknown(message[field])
