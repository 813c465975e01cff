"""BuildListResponse: the page as a message, without decoding what is in it."""

from __future__ import annotations

from stigmer.context import RESPONSE, RequestContext
from stigmer.payload import Payload
from stigmer.steps.paging import next_page_token, page_size
from stigmer.steps.slots import PAGE

_LENGTH_DELIMITED = 2
_MORE_FOLLOWS = 0x80


class BuildListResponse:
    """Puts the stored bytes side by side as the field ``entries``, and adds totals and the next token.

    Works for every list message with the fields ``entries``, ``total_pages``, ``total_count`` and ``next_page_token``.
    """

    name = "BuildListResponse"
    requires = frozenset({PAGE})
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE."""
        page, size, type_ = ctx[PAGE], page_size(ctx), ctx.operation.response
        head = type_(
            total_pages=-(-page.total // size), total_count=page.total, next_page_token=await next_page_token(ctx, page)
        )
        tag = _entries_tag(ctx)
        parts = [head.to_binary()]
        for entry in page.entries:
            parts += (tag, varint(len(entry.wire)), entry.wire)
        ctx[RESPONSE] = Payload(type_, wire=b"".join(parts))


def varint(number: int) -> bytes:
    """``number``, at least 0, in protobuf's variable-length encoding."""
    out = bytearray()
    while number >= _MORE_FOLLOWS:
        out.append(number & (_MORE_FOLLOWS - 1) | _MORE_FOLLOWS)
        number >>= 7
    out.append(number)
    return bytes(out)


def _entries_tag(ctx: RequestContext) -> bytes:
    number = next(field.number for field in ctx.operation.method.output.fields if field.name == "entries")
    return varint(number << 3 | _LENGTH_DELIMITED)
