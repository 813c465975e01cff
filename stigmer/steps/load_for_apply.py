"""LoadForApply: the resource that an apply means, if there is one."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.errors import NotFound
from stigmer.steps.load_existing import find_existing
from stigmer.steps.slots import EXISTING, SLUG


class LoadForApply:
    """Loads by id, which must exist; without id by slug within the owner, which need not."""

    name = "LoadForApply"
    requires = frozenset({SLUG})
    provides = frozenset({EXISTING})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills EXISTING, with None when the apply creates; raises NotFound for an unknown id."""
        existing = await find_existing(ctx)
        if existing is None and ctx.request.metadata.id:
            raise NotFound(ctx.operation.kind, ctx.request.metadata.id)
        ctx[EXISTING] = existing
