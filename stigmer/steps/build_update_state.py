"""BuildUpdateState: what an update stores."""

from __future__ import annotations

import copy
from typing import Any

from stigmer import audit
from stigmer.context import RequestContext
from stigmer.steps.slots import EXISTING, STATE
from stigmer.unknown import has_unknown, same, take_unknown

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
    """``stored`` with what ``request`` changes, audit aside: identity, owner and status stay.

    Of the result, only ``status`` is shared with ``stored``; nothing is with ``request``.
    """
    state = copy.copy(take_unknown(stored, request))
    state.metadata = copy.deepcopy(take_unknown(stored.metadata, request.metadata))
    state.spec = copy.deepcopy(request.spec)
    for field in _given(request.metadata):
        setattr(state.metadata, field, copy.copy(getattr(request.metadata, field)))
    return state


def unchanged(stored: Any, request: Any) -> bool:
    """Whether ``merged`` would give what is stored, found out without making it."""
    if has_unknown(request) or has_unknown(stored.spec):
        return same(merged(stored, request), stored)
    ours, given = stored.metadata, request.metadata
    return stored.spec == request.spec and all(getattr(ours, field) == getattr(given, field) for field in _given(given))


def _given(metadata: Any) -> list[str]:
    """The fields of ``metadata`` that are replaced since they are given."""
    return [field for field in _REPLACED_WHEN_GIVEN if getattr(metadata, field)]
