"""LoadByReference: the resource that a reference means, as it is or as it was."""

from __future__ import annotations

from stigmer.context import RESPONSE, RequestContext
from stigmer.errors import NotFound
from stigmer.ownership import owner_in
from stigmer.payload import Payload
from stigmer.steps.slots import Existing
from stigmer.store import Stored
from stigmer.versions import current_id

_CURRENT = frozenset({"", "latest"})


class LoadByReference:
    """Answers the stored bytes of the resource with the reference's slug, in its org or among the caller's own.

    With a version it answers what the same resource was in that one: of one that is gone, nothing is left.
    """

    name = "LoadByReference"
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE, or raises NotFound; of a version that is not kept with the same text."""
        kind, reference = ctx.operation.kind, ctx.request
        stored = await ctx.store.find(kind, owner_in(reference.org, ctx.caller), reference.slug)
        wire = await _in_version(ctx, stored) if stored is not None else None
        if wire is None:
            raise NotFound(kind, reference.slug)
        ctx[RESPONSE] = Payload(ctx.operation.response, wire=wire)


async def _in_version(ctx: RequestContext, stored: Stored) -> bytes | None:
    """What the stored resource is, or was, in the version that the reference names."""
    kind, version = ctx.operation.kind, ctx.request.version
    if version in _CURRENT:
        return stored.wire
    metadata = Existing.of(kind, stored).message.metadata
    if version == current_id(metadata):
        return stored.wire
    change = await ctx.store.version_of(kind, metadata.id, version)
    return change.wire if change is not None else None
