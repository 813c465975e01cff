"""BuildApplyState: what an apply stores, if anything."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.errors import InvalidArgument
from stigmer.steps.build_new_state import new_state
from stigmer.steps.build_update_state import unchanged, updated_state
from stigmer.steps.slots import EXISTING, SLUG, STATE, Existing
from stigmer.steps.validate_proto import validate_strictly
from stigmer.versions import check_current


class BuildApplyState:
    """Builds a new resource, or an update of the one that was found; an apply that changes nothing stores nothing."""

    name = "BuildApplyState"
    requires = frozenset({EXISTING, SLUG})
    provides = frozenset({STATE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills STATE; with None when nothing changes. Raises NotCurrent when another version is there than it is meant for."""
        existing = ctx[EXISTING]
        check_current(ctx.request.metadata, existing.message.metadata if existing is not None else None)
        if existing is None:
            validate_strictly(ctx.request)
            ctx[STATE] = new_state(ctx)
        else:
            _build_update(ctx, existing)


def _build_update(ctx: RequestContext, existing: Existing) -> None:
    if ctx.request.spec is None:
        raise InvalidArgument("spec", "value is required")
    ctx[STATE] = None if unchanged(existing.message, ctx.request) else updated_state(ctx, existing.message)
