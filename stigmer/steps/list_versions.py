"""ListVersions: a page of what a resource was before."""

from __future__ import annotations

from collections.abc import Sequence

from stigmer.context import RequestContext
from stigmer.errors import NotFound
from stigmer.steps.paging import page_size, position_of
from stigmer.steps.slots import VERSIONS, Versions
from stigmer.store.feed import Change, Most


class ListVersions:
    """Loads versions of the resource with the request's ``session_id``, the newest first.

    The store gives no more at once than so many bytes; a page may therefore end before it is full.
    """

    name = "ListVersions"
    provides = frozenset({VERSIONS})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills VERSIONS; raises NotFound, and InvalidArgument for a token that is not of this list."""
        kind, id_, size = ctx.operation.kind, ctx.request.session_id, page_size(ctx)
        position = await position_of(ctx)
        if await ctx.store.get(kind, id_) is None:
            raise NotFound(kind, id_)
        found = await ctx.store.versions(kind, id_, position.sequence if position else None, Most(size + 1))
        entries = found[:size]
        ctx[VERSIONS] = Versions(entries, more=len(found) > size or await _follows(ctx, entries))


async def _follows(ctx: RequestContext, entries: Sequence[Change]) -> bool:
    """Whether there is an older version than these: they may be fewer than were wanted because they are large."""
    if not entries:
        return False
    return bool(await ctx.store.versions(ctx.operation.kind, ctx.request.session_id, entries[-1].number, Most(1)))
