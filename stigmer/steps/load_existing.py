"""LoadExisting: the resource that an update means."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.errors import NotFound
from stigmer.ownership import owner_meant
from stigmer.steps.slots import EXISTING, SLUG, Existing


class LoadExisting:
    """Loads by id; without id by slug within the owner."""

    name = "LoadExisting"
    requires = frozenset({SLUG})
    provides = frozenset({EXISTING})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills EXISTING, or raises NotFound."""
        existing = await find_existing(ctx)
        if existing is None:
            raise NotFound(ctx.operation.kind, ctx.request.metadata.id or ctx[SLUG])
        ctx[EXISTING] = existing


async def find_existing(ctx: RequestContext) -> Existing | None:
    """The resource that the request's metadata names, or None."""
    kind, metadata = ctx.operation.kind, ctx.request.metadata
    if metadata.id:
        stored = await ctx.store.get(kind, metadata.id)
    else:
        stored = await ctx.store.find(kind, owner_meant(metadata, ctx.caller), ctx[SLUG])
    return Existing.of(kind, stored) if stored is not None else None
