"""BuildApplyState: what an apply stores, if anything."""

from __future__ import annotations

from stigmer import audit
from stigmer.context import RequestContext
from stigmer.errors import InvalidArgument
from stigmer.steps.build_new_state import new_state
from stigmer.steps.build_update_state import merged, unchanged
from stigmer.steps.slots import EXISTING, SLUG, STATE, Existing
from stigmer.steps.validate_proto import validate_strictly


class BuildApplyState:
    """Builds a new resource, or an update of the one that was found; an apply that changes nothing stores nothing."""

    name = "BuildApplyState"
    requires = frozenset({EXISTING, SLUG})
    provides = frozenset({STATE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills STATE; with None when nothing changes."""
        existing = ctx[EXISTING]
        if existing is None:
            validate_strictly(ctx.request)
            ctx[STATE] = new_state(ctx)
        else:
            _build_update(ctx, existing)


def _build_update(ctx: RequestContext, existing: Existing) -> None:
    if ctx.request.spec is None:
        raise InvalidArgument("spec", "value is required")
    if unchanged(existing.message, ctx.request):
        ctx[STATE] = None
    else:
        state = merged(existing.message, ctx.request)
        state.status = audit.updated(ctx, existing.message.status)
        ctx[STATE] = state
