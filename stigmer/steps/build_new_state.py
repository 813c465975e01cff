"""BuildNewState: what a create stores."""

from __future__ import annotations

import copy
from typing import Any

from stigmer import audit
from stigmer.context import RequestContext
from stigmer.steps.slots import SLUG, STATE
from stigmer.versions import next_version


class BuildNewState:
    """Keeps what the client sent, unknown fields included, and fills in what only the server knows."""

    name = "BuildNewState"
    requires = frozenset({SLUG})
    provides = frozenset({STATE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills STATE."""
        ctx[STATE] = new_state(ctx)


def new_state(ctx: RequestContext) -> Any:
    """The message that is stored for a resource that does not exist yet."""
    kind, state = ctx.operation.kind, copy.deepcopy(ctx.request)
    state.api_version = kind.api_version
    state.kind = kind.name
    state.metadata.slug = ctx[SLUG]
    state.metadata.id = state.metadata.id or ctx.ids.new(kind.id_prefix)
    state.metadata.version = next_version(ctx, state.metadata.version, None)
    state.status = audit.created(ctx)
    return state
