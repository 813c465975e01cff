"""LoadForRestore: a resource, and what it is to become again."""

from __future__ import annotations

from stigmer.context import RequestContext
from stigmer.errors import NotFound, VersionNotFound
from stigmer.steps.slots import EARLIER, EXISTING, Existing
from stigmer.store import Stored


class LoadForRestore:
    """Loads the resource with the request's ``session_id``, and its state in the version ``version_id``."""

    name = "LoadForRestore"
    provides = frozenset({EXISTING, EARLIER})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills EXISTING and EARLIER, or raises NotFound or VersionNotFound."""
        kind, id_, version = ctx.operation.kind, ctx.request.session_id, ctx.request.version_id
        stored = await ctx.store.get(kind, id_)
        if stored is None:
            raise NotFound(kind, id_)
        change = await ctx.store.version_of(kind, id_, version)
        if change is None:
            raise VersionNotFound(kind, version)
        ctx[EXISTING] = Existing.of(kind, stored)
        ctx[EARLIER] = Existing.of(kind, Stored(change.sequence, change.revision, change.wire)).message
