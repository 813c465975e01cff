"""LoadByReference: the resource that a reference means."""

from __future__ import annotations

from stigmer.context import RESPONSE, RequestContext
from stigmer.errors import NotFound
from stigmer.ownership import owner_in
from stigmer.payload import Payload

_CURRENT = frozenset({"", "latest"})


class LoadByReference:
    """Answers the stored bytes of the resource with the reference's slug, in its org or among the caller's own."""

    name = "LoadByReference"
    provides = frozenset({RESPONSE})

    async def __call__(self, ctx: RequestContext) -> None:
        """Fills RESPONSE, or raises NotFound: also for any version but the current one, since no other is kept."""
        kind, reference = ctx.operation.kind, ctx.request
        stored = None
        if reference.version in _CURRENT:
            stored = await ctx.store.find(kind, owner_in(reference.org, ctx.caller), reference.slug)
        if stored is None:
            raise NotFound(kind, reference.slug)
        ctx[RESPONSE] = Payload(ctx.operation.response, wire=stored.wire)
