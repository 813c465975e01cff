"""Pages: what all list steps do alike."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from stigmer import page_token
from stigmer.context import RequestContext
from stigmer.errors import InvalidArgument
from stigmer.filtering import condition_of, order_of, words_of_query
from stigmer.steps.slots import VISIBLE
from stigmer.store import Page, Query
from stigmer.store.selection import Position

DEFAULT_PAGE_SIZE = 100
MAX_PAGE_SIZE = 1000
_NOT_SELECTING = frozenset({"page_size", "page_token", "read_mask"})
_SHORT_BYTES = 1024
"""Requests that are longer are not remembered: clients could fill the memory with them."""
FRAME_BYTES = 4096
"""Kept free in a page for everything in it that is not an entry."""


async def load_page(ctx: RequestContext, equal: Mapping[str, str], tags: tuple[str, ...] = ()) -> Page:
    """The page of the selection that the request's ``page_size`` and ``page_token`` ask for.

    Raises:
        InvalidArgument: the token is damaged, or another list's or caller's.
    """
    kind, request = ctx.operation.kind, ctx.request
    query = Query(
        equal=equal,
        tags=tags,
        visible=ctx.get(VISIBLE),
        condition=condition_of(kind, request.filter),
        words=words_of_query(request.query),
        order=order_of(request.order_by),
        after=await position_of(ctx),
        limit=page_size(ctx),
        max_bytes=ctx.max_message_bytes - FRAME_BYTES,
    )
    return await ctx.store.page(kind, query)


def page_size(ctx: RequestContext) -> int:
    """How many entries a page of this request holds."""
    return min(ctx.request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


async def next_page_token(ctx: RequestContext, page: Page) -> str:
    """The token of the page after ``page``; empty when it is the last one."""
    if not page.more or page.end is None:
        return ""
    return await token_after(ctx, page.end)


async def token_after(ctx: RequestContext, position: Position) -> str:
    """The token of the page that begins after ``position``: good for this operation, selection and caller only."""
    return page_token.seal(await ctx.store.secret(), _purpose(ctx), position)


async def position_of(ctx: RequestContext) -> Position | None:
    """The position after which the page begins that the request asks for; None for the first one.

    Raises:
        InvalidArgument: the token is damaged, or another list's or caller's.
    """
    token = ctx.request.page_token
    if not token:
        return None
    position = page_token.unseal(await ctx.store.secret(), _purpose(ctx), token)
    if position is None:
        raise InvalidArgument("page_token", "value is not a token of this list")
    return position


def _purpose(ctx: RequestContext) -> tuple[object, ...]:
    """What a token is bound to: operation, caller, and every field that selects."""
    wire = ctx.request.to_binary()
    selection = _selection if len(wire) <= _SHORT_BYTES else _selection.__wrapped__
    return ctx.operation.name, ctx.caller.id, selection(ctx.operation.request, wire)  # type: ignore[arg-type] # mypy takes classes for unhashable


@functools.lru_cache(maxsize=512)
def _selection(request: type[Any], wire: bytes) -> str:
    """What a request selects, as JSON: the same for each page of a list."""
    selection = request.from_binary(wire)
    for field in [field for field in selection if field.name in _NOT_SELECTING]:
        del selection[field]
    text: str = selection.to_json()
    return text
