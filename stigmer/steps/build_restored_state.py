"""BuildRestoredState: what a restore stores."""

from __future__ import annotations

import copy

from stigmer import audit
from stigmer._proto.ai.stigmer.commons.apiresource.metadata_pb import ApiResourceMetadataVersion
from stigmer.context import RequestContext
from stigmer.errors import NotCurrent
from stigmer.steps.slots import EARLIER, EXISTING, STATE
from stigmer.versions import current_id, next_version

_IDENTITY = ("id", "slug", "org", "owner_scope")


class BuildRestoredState:
    """Takes everything from the earlier version but identity, owner and status, and makes a new version of it."""

    name = "BuildRestoredState"
    requires = frozenset({EXISTING, EARLIER})
    provides = frozenset({STATE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills STATE; raises NotCurrent when the request is meant for another version than the current one."""
        existing, request = ctx[EXISTING], ctx.request
        if existing is None:
            return
        stored, state = existing.message, copy.deepcopy(ctx[EARLIER])
        current = current_id(stored.metadata)
        if request.current_version_id not in {"", current}:
            raise NotCurrent(current)
        for field in _IDENTITY:
            setattr(state.metadata, field, getattr(stored.metadata, field))
        message = request.message or f"restored from {request.version_id}"
        state.metadata.version = next_version(ctx, ApiResourceMetadataVersion(message=message), stored.metadata)
        state.status = audit.updated(ctx, stored.status)
        ctx[STATE] = state
