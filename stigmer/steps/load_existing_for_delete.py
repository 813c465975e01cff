"""LoadExistingForDelete: the resource that a delete removes and answers."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.errors import NotFound
from stigmer.steps.slots import EXISTING, RESOURCE_ID, Existing


class LoadExistingForDelete:
    """Loads by id."""

    name = "LoadExistingForDelete"
    requires = frozenset({RESOURCE_ID})
    provides = frozenset({EXISTING})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills EXISTING, or raises NotFound."""
        kind, id_ = ctx.operation.kind, ctx[RESOURCE_ID]
        stored = await ctx.store.get(kind, id_)
        if stored is None:
            raise NotFound(kind, id_)
        ctx[EXISTING] = Existing.of(kind, stored)
