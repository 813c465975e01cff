"""DeleteResource: removes the loaded resource for good."""

from __future__ import annotations

from stigmer.context import RESPONSE, RequestContext
from stigmer.payload import Payload
from stigmer.steps.slots import EXISTING


class DeleteResource:
    """Commits the removal of what was loaded, unless it changed meanwhile, and answers it."""

    name = "DeleteResource"
    requires = frozenset({EXISTING})
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE; raises Stale when the resource is not what was loaded."""
        existing = ctx[EXISTING]
        if existing is not None:
            await ctx.store.delete(ctx.operation.kind, existing.message.metadata.id, existing.stored.revision)
            ctx.committed = True
            ctx[RESPONSE] = Payload(ctx.operation.response, wire=existing.stored.wire)
