"""BuildUpdateState: what an update stores."""

from __future__ import annotations

import copy
from typing import Any

from stigmer import audit
from stigmer.context import RequestContext
from stigmer.steps.slots import EXISTING, STATE
from stigmer.unknown import has_unknown, same, take_unknown
from stigmer.versions import check_current, next_version

_REPLACED_WHEN_GIVEN = ("name", "labels", "annotations", "tags")


class BuildUpdateState:
    """Puts the request's spec, and of its metadata what is given, onto what is stored, if that is the version meant."""

    name = "BuildUpdateState"
    requires = frozenset({EXISTING})
    provides = frozenset({STATE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills STATE; raises NotCurrent when it is another version."""
        existing = ctx[EXISTING]
        if existing is not None:
            check_current(ctx.request.metadata, existing.message.metadata)
            ctx[STATE] = updated_state(ctx, existing.message)


def updated_state(ctx: RequestContext, stored: Any) -> Any:
    """The message that is stored in place of ``stored``."""
    state = merged(stored, ctx.request)
    state.metadata.version = next_version(ctx, ctx.request.metadata.version, stored.metadata)
    state.status = audit.updated(ctx, stored.status)
    return state


def merged(stored: Any, request: Any) -> Any:
    """``stored`` with what ``request`` changes, audit and version aside: identity, owner and status stay.

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
