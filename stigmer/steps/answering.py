"""Stored resources on their way into an answer, whole or narrowed by a read mask; none of them is decoded."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

from protobuf import DescFieldValueList, DescMessage

from stigmer.context import RequestContext
from stigmer.errors import DataLoss, Undecodable
from stigmer.kind import Kind
from stigmer.read_mask import ReadMask, read_mask
from stigmer.store import Stored
from stigmer.wire import LENGTH_DELIMITED, varint

_EVERYTHING = ReadMask(None)


def mask_of(ctx: RequestContext) -> ReadMask:
    """What the request wants to see of each resource."""
    mask = ctx.request.read_mask
    return _EVERYTHING if mask is None else read_mask(ctx.operation.kind.message.desc(), tuple(mask.paths))


def narrowed(kind: Kind[Any], mask: ReadMask, wire: bytes) -> bytes:
    """A stored resource with nothing but what the mask names.

    Raises:
        DataLoss: the stored bytes are no message.
    """
    try:
        return mask.narrowed(wire)
    except Undecodable as error:
        raise DataLoss(f"the stored {kind.key} is damaged") from error


def side_by_side(ctx: RequestContext, entries: Iterable[Stored]) -> bytes:
    """The resources as the repeated field of the answer that holds them, each narrowed to what the request wants to see."""
    kind, mask = ctx.operation.kind, mask_of(ctx)
    tag = _tag(ctx.operation.method.output, kind.message.desc().type_name)
    parts: list[bytes] = []
    for entry in entries:
        wire = entry.wire if mask.kept is None else narrowed(kind, mask, entry.wire)
        parts += (tag, varint(len(wire)), wire)
    return b"".join(parts)


@functools.cache
def _tag(answer: DescMessage, type_name: str) -> bytes:
    """The tag of the field of ``answer`` that lists messages of this type."""
    for field in answer.fields:
        match field.value:
            case DescFieldValueList(element=DescMessage(type_name=name)) if name == type_name:
                return varint(field.number << 3 | LENGTH_DELIMITED)
            case _:
                pass
    raise LookupError(f"{answer.type_name} holds no list of {type_name}")
