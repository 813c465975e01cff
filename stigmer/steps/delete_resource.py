"""DeleteResource: removes the loaded resource for good."""

from __future__ import annotations

from stigmer.context import RESPONSE, RequestContext
from stigmer.payload import Payload
from stigmer.steps.causing import cause_of, microseconds
from stigmer.steps.slots import EXISTING, Existing


class DeleteResource:
    """Commits the removal of what was loaded, unless it changed meanwhile, and answers it; or only answers what would go."""

    name = "DeleteResource"
    requires = frozenset({EXISTING})
    provides = frozenset({RESPONSE})
    commits = True

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE; raises Stale when the resource is not what was loaded."""
        existing = ctx[EXISTING]
        if existing is not None:
            if ctx.validate_only:
                ctx.rehearsed = True
            else:
                await _delete(ctx, existing)
                ctx.committed = True
            ctx[RESPONSE] = Payload(ctx.operation.response, wire=existing.stored.wire)


async def _delete(ctx: RequestContext, existing: Existing) -> None:
    cause = cause_of(ctx, existing.stored.wire, time=microseconds(ctx))
    await ctx.store.delete(ctx.operation.kind, existing.message.metadata.id, existing.stored.revision, cause)
