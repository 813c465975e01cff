"""BuildUpdateState: what an update stores."""

from __future__ import annotations

import copy
from typing import Any

from stigmer import audit
from stigmer.context import RequestContext
from stigmer.steps.slots import EXISTING, STATE
from stigmer.unknown import take_unknown

_REPLACED_WHEN_GIVEN = ("name", "labels", "annotations", "tags", "version")


class BuildUpdateState:
    """Puts the request's spec, and of its metadata what is given, onto what is stored."""

    name = "BuildUpdateState"
    requires = frozenset({EXISTING})
    provides = frozenset({STATE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills STATE."""
        existing = ctx[EXISTING]
        if existing is not None:
            state = merged(existing.message, ctx.request)
            state.status = audit.updated(ctx, existing.message.status)
            ctx[STATE] = state


def merged(stored: Any, request: Any) -> Any:
    """``stored`` with what ``request`` changes, audit aside: identity, owner and status stay."""
    request = copy.deepcopy(request)
    state = take_unknown(copy.deepcopy(stored), request)
    state.metadata = take_unknown(state.metadata, request.metadata)
    state.spec = request.spec
    for field in _REPLACED_WHEN_GIVEN:
        given = getattr(request.metadata, field)
        if given:
            setattr(state.metadata, field, given)
    return state
